//! Tokenizer: text to token ids and back, by the vocabulary inside a GGUF file.
//!
//! Gemma's tokenizer is SentencePiece BPE: spaces become U+2581 without a dummy prefix, nothing else is
//! normalised, user-defined symbols (runs of newlines, spaces and tabs, HTML tags) are cut out first, and
//! characters without a piece are spelled in bytes. The `tokenizers` crate merges; this module derives its
//! merges from the scores.

mod detokenizer;
mod merges;
mod symbols;
mod vocab;

use std::sync::Arc;

use tokenizers::Model;
use tokenizers::models::bpe::BPE;

pub use detokenizer::Detokenizer;
use symbols::SymbolSet;
use vocab::{SPACE, TokenKind, Vocab};

use crate::gguf::Metadata;
use crate::{Error, Result};

/// The noncharacter U+FDD0: inside the name of a control token, it keeps the name text.
pub const SHIELD: char = '\u{fdd0}';

/// Special tokens that the text itself may name.
///
/// Newline, space and tab runs and HTML tags are text, and have their ids in every mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Special {
    /// No special token: `<start_of_turn>`, `<unused0>` or `<bos>` written in the text stay text. The mode
    /// for anything a user typed. Equal to llama.cpp with `parse_special` off, except for `</s>` (an HTML tag
    /// to Gemma, which llama.cpp takes for an end token) and for runs of literal U+2581 (as SentencePiece).
    #[default]
    AsText,
    /// The tokens that Gemma's SentencePiece model calls user-defined: turn markers, `<unusedN>`, `<mask>`;
    /// but not `<bos>`, `<eos>`, `<pad>`, `<unk>`, which stay text. Equal to SentencePiece's own `encode`.
    Markers,
    /// All special tokens. Equal to llama.cpp with `parse_special` on and to Hugging Face, except for runs of
    /// literal U+2581 (as SentencePiece).
    Parse,
}

/// Encodes and decodes text with one model's vocabulary.
#[derive(Debug)]
pub struct Tokenizer {
    vocab: Arc<Vocab>,
    bpe: BPE,
    /// Symbols cut out first in the modes [`Special::AsText`], [`Special::Markers`] and [`Special::Parse`].
    symbols: [SymbolSet; 3],
    bos: Option<u32>,
    adds_bos: bool,
    end_tokens: Vec<u32>,
}

impl Tokenizer {
    /// Builds the tokenizer from the `tokenizer.ggml.*` keys. For 262,144 pieces it
    /// takes under a second, and 75 MB of heap at its peak in wasm32 (53 MB after).
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the vocabulary is not SentencePiece's, [`Error::MissingKey`] or
    /// [`Error::BadKey`] if it is incomplete.
    pub fn from_gguf(metadata: &Metadata) -> Result<Self> {
        let model = metadata.str("tokenizer.ggml.model")?;
        if model != "llama" {
            return Err(Error::Unsupported {
                what: "a SentencePiece tokenizer (tokenizer.ggml.model \"llama\")".into(),
                found: format!("tokenizer.ggml.model \"{model}\""),
            });
        }
        let vocab = Vocab::from_gguf(metadata)?;
        let bpe = merges::build(&vocab, metadata.f32s("tokenizer.ggml.scores")?)?;
        let mut tokenizer = Self::assemble(vocab, bpe);
        tokenizer.adds_bos = metadata.opt_bool("tokenizer.ggml.add_bos_token")?.unwrap_or(true);
        let known = |id: &u32| (*id as usize) < tokenizer.n_vocab();
        let bos = metadata.opt_u32("tokenizer.ggml.bos_token_id")?.filter(known);
        let mut ends = Vec::new();
        for key in ["tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"] {
            ends.extend(metadata.opt_u32(key)?.filter(known));
        }
        // Files name only one or two of them, and different ones; the texts are the same in every Gemma.
        ends.extend(["<eos>", "<end_of_turn>"].iter().filter_map(|text| tokenizer.id_of(text)));
        let mut seen = Vec::new();
        ends.retain(|id| {
            !seen.contains(id) && {
                seen.push(*id);
                true
            }
        });
        tokenizer.bos = bos.or_else(|| tokenizer.id_of("<bos>"));
        tokenizer.end_tokens = ends;
        Ok(tokenizer)
    }

    fn assemble(vocab: Vocab, bpe: BPE) -> Self {
        use TokenKind::{Control, Marker, Symbol, Unknown};
        let symbols = [&[Symbol][..], &[Symbol, Marker], &[Symbol, Marker, Control, Unknown]]
            .map(|wanted| SymbolSet::new(&vocab, wanted));
        Self { vocab: Arc::new(vocab), bpe, symbols, bos: None, adds_bos: true, end_tokens: Vec::new() }
    }

    /// The ids of a text. Never adds BOS; `special` says which special tokens the text itself may name.
    ///
    /// # Errors
    /// [`Error::Internal`] if the merging fails.
    pub fn encode(&self, text: &str, special: Special) -> Result<Vec<u32>> {
        let symbols = &self.symbols[special as usize];
        let text = text.replace(' ', SPACE.encode_utf8(&mut [0; 4]));
        let mut ids = Vec::with_capacity(text.len() / 3);
        let (mut at, mut merged) = (0, 0);
        while at < text.len() {
            if let Some((id, len)) = symbols.longest_prefix(&self.vocab, &text.as_bytes()[at..]) {
                // A symbol is whole characters, so it can begin and end only between characters.
                self.merge(&text[merged..at], &mut ids)?;
                ids.push(id);
                at += len;
                merged = at;
            } else {
                at += 1;
            }
        }
        self.merge(&text[merged..], &mut ids)?;
        Ok(ids)
    }

    /// The ids of a text in which control tokens and markers keep their meaning. [`SHIELD`] is removed: after
    /// a `<`, it keeps the text that follows from being a token.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode_rendered(&self, text: &str) -> Result<Vec<u32>> {
        let [.., all] = &self.symbols;
        let mut ids = Vec::with_capacity(text.len() / 3);
        let (mut at, mut start) = (0, 0);
        while at < text.len() {
            let found = all.longest_prefix(&self.vocab, &text.as_bytes()[at..]);
            match found {
                Some((id, len)) if !matches!(self.vocab.kind(id), Some(TokenKind::Symbol)) => {
                    self.unshielded(&text[start..at], &mut ids)?;
                    ids.push(id);
                    (at, start) = (at + len, at + len);
                }
                // Runs of newlines and tags are text, which the code below cuts again.
                Some((_, len)) => at += len,
                None => at += 1,
            }
        }
        self.unshielded(&text[start..], &mut ids)?;
        Ok(ids)
    }

    fn unshielded(&self, text: &str, ids: &mut Vec<u32>) -> Result<()> {
        ids.extend(self.encode(&text.replace(SHIELD, ""), Special::AsText)?);
        Ok(())
    }

    /// Appends the ids of a text without symbols.
    fn merge(&self, text: &str, ids: &mut Vec<u32>) -> Result<()> {
        if !text.is_empty() {
            let tokens = self
                .bpe
                .tokenize(text)
                .map_err(|why| Error::Internal { what: format!("merging failed: {why}") })?;
            ids.extend(tokens.iter().map(|token| token.id));
        }
        Ok(())
    }

    /// The text of the ids: U+2581 becomes a space, bytes that make no character become U+FFFD; control
    /// tokens, turn markers and ids outside the vocabulary have no text.
    pub fn decode(&self, ids: &[u32]) -> String {
        let mut stream = self.stream();
        let mut out = String::with_capacity(4 * ids.len());
        for &id in ids {
            stream.push_to(id, &mut out);
        }
        stream.flush_to(&mut out);
        out
    }

    /// A detokeniser for ids that come one by one: its pieces, joined, are the text of [`Tokenizer::decode`].
    pub fn stream(&self) -> Detokenizer {
        Detokenizer::new(Arc::clone(&self.vocab))
    }

    /// The token that starts every prompt.
    pub fn bos(&self) -> Option<u32> {
        self.bos
    }

    /// Whether prompts start with it (`tokenizer.ggml.add_bos_token`; true if the file doesn't say).
    pub fn adds_bos(&self) -> bool {
        self.adds_bos
    }

    /// The tokens that end generation: `<eos>`, `<end_of_turn>` and any other that the file names.
    pub fn end_tokens(&self) -> &[u32] {
        &self.end_tokens
    }

    /// Number of ids, `V`.
    pub fn n_vocab(&self) -> usize {
        self.vocab.len()
    }

    /// The id of a piece as the vocabulary spells it, spaces as U+2581; special tokens by name,
    /// `<end_of_turn>`.
    pub fn id_of(&self, piece: &str) -> Option<u32> {
        let [_, _, all] = &self.symbols;
        all.id_of(&self.vocab, piece).or_else(|| self.bpe.token_to_id(piece))
    }

    /// The piece of an id as the vocabulary spells it, spaces as U+2581.
    pub fn piece(&self, id: u32) -> Option<&str> {
        self.vocab.piece(id)
    }
}
