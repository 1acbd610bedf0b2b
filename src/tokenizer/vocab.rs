//! The vocabulary of a GGUF file: the text and the kind of every token id.

use crate::gguf::Metadata;
use crate::{Error, Result};

/// The character that SentencePiece writes for a space.
pub(super) const SPACE: char = '\u{2581}';

/// Names of the four symbols that Gemma's own SentencePiece model declares as control or unknown: it never
/// makes their ids from text, while all the others (turn markers, `<unusedN>`, `<mask>`, …) are user-defined
/// to it.
const CONTROL: [&str; 4] = ["<pad>", "<eos>", "<bos>", "<unk>"];

/// User-defined symbols that steer the model rather than spell text, besides `<unusedN>`. Converters don't
/// agree about them: most write `CONTROL`, Google's own Gemma 3 files `USER_DEFINED`, the first Gemma 1 files
/// `NORMAL`. So the name decides if the kind doesn't.
const MARKERS: [&str; 5] = ["<mask>", "<2mass>", "[@BOS@]", "<start_of_turn>", "<end_of_turn>"];

/// Maximum number of tokens: four times those of a Gemma. Each takes a hundred bytes of memory.
const MAX_TOKENS: usize = 1 << 20;

/// Kind of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// A piece of text that merges make.
    Normal,
    /// One byte of a character that has no piece.
    Byte(u8),
    /// A user-defined symbol that spells text (newline and space runs, HTML tags): always cut out first.
    Symbol,
    /// A symbol that steers the model: turn markers, `<unusedN>`, everything that the file calls control
    /// except for the next three.
    Marker,
    /// `<bos>`, `<eos>`, `<pad>`.
    Control,
    /// The symbol for characters that cannot be spelled.
    Unknown,
    /// Never made and never shown.
    Unused,
}

impl TokenKind {
    /// The kind behind a number of `tokenizer.ggml.token_type`.
    fn from_ggml(kind: i32, piece: &str) -> Self {
        match kind {
            2 => Self::Unknown,
            3 | 4 if piece == "<unk>" => Self::Unknown,
            3 | 4 if CONTROL.contains(&piece) => Self::Control,
            4 if !is_marker(piece) => Self::Symbol,
            3 | 4 => Self::Marker,
            5 => Self::Unused,
            6 => byte_of(piece).map_or(Self::Unused, Self::Byte),
            _ => Self::Normal,
        }
    }
}

fn is_marker(piece: &str) -> bool {
    MARKERS.contains(&piece) || (piece.starts_with("<unused") && piece.ends_with('>'))
}

/// The byte that a piece such as `<0x0A>` stands for.
fn byte_of(piece: &str) -> Option<u8> {
    u8::from_str_radix(piece.strip_prefix("<0x")?.strip_suffix('>')?, 16).ok()
}

/// Text and kind of each of the `V` ids. All texts lie in one string: a quarter million small ones would cost
/// more in allocations than in letters.
#[derive(Debug)]
pub(super) struct Vocab {
    text: String,
    ends: Vec<usize>,
    kinds: Vec<TokenKind>,
}

impl Vocab {
    /// A vocabulary of pieces with their scores and their numbers of `tokenizer.ggml.token_type`. Spaces
    /// become U+2581.
    pub(super) fn new<'a>(pieces: impl Iterator<Item = &'a str>, scores: &[f32], types: &[i32]) -> Self {
        let mut vocab = Self {
            text: String::new(),
            ends: Vec::with_capacity(types.len()),
            kinds: Vec::with_capacity(types.len()),
        };
        for (piece, &kind) in pieces.zip(types) {
            vocab.kinds.push(TokenKind::from_ggml(kind, piece));
            vocab.text.extend(piece.chars().map(|c| if c == ' ' { SPACE } else { c }));
            vocab.ends.push(vocab.text.len());
        }
        vocab.find_symbols_of_first_files(scores);
        vocab
    }

    /// A vocabulary from the `tokenizer.ggml.*` keys.
    ///
    /// # Errors
    /// [`Error::MissingKey`] or [`Error::BadKey`] if tokens, scores or types are absent or differ in number.
    pub(super) fn from_gguf(metadata: &Metadata) -> Result<Self> {
        let pieces = metadata.strings("tokenizer.ggml.tokens")?;
        if pieces.len() > MAX_TOKENS {
            return Err(Error::BadKey {
                key: "tokenizer.ggml.tokens".into(),
                expected: format!("at most {MAX_TOKENS} tokens"),
                found: format!("an array of {}", pieces.len()),
            });
        }
        let scores = metadata.f32s("tokenizer.ggml.scores")?;
        let types = metadata.i32s("tokenizer.ggml.token_type")?;
        for (key, found) in
            [("tokenizer.ggml.scores", scores.len()), ("tokenizer.ggml.token_type", types.len())]
        {
            if found != pieces.len() || found == 0 {
                return Err(Error::BadKey {
                    key: key.into(),
                    expected: format!("one element for each of the {} tokens", pieces.len()),
                    found: format!("an array of {found}"),
                });
            }
        }
        Ok(Self::new(pieces.iter(), scores, &types))
    }

    /// The first Gemma 1 files (February 2024) hold every user-defined symbol as a NORMAL piece with score 0.
    /// They differ from real pieces in their ids, which lie below those of the bytes, or, above them, in the
    /// score: only the very first real piece, which follows the bytes, has score 0 too.
    fn find_symbols_of_first_files(&mut self, scores: &[f32]) {
        let Some(first_byte) = self.kinds.iter().position(|kind| matches!(kind, TokenKind::Byte(_))) else {
            return;
        };
        let is_flat =
            |kinds: &[TokenKind], ix: usize| kinds[ix] == TokenKind::Normal && scores.get(ix) == Some(&0.0);
        if !(0..first_byte).any(|ix| is_flat(&self.kinds, ix)) {
            return;
        }
        let first_piece = self.kinds[first_byte..].iter().position(|kind| *kind == TokenKind::Normal);
        let first_piece = first_piece.map_or(self.kinds.len(), |ix| first_byte + ix);
        for ix in (0..first_byte).chain(first_piece + 1..self.kinds.len()) {
            if is_flat(&self.kinds, ix) {
                let marker = self.piece(ix as u32).is_some_and(is_marker);
                self.kinds[ix] = if marker { TokenKind::Marker } else { TokenKind::Symbol };
            }
        }
    }

    /// Number of ids, `V`.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The text of an id, spaces as U+2581.
    pub(super) fn piece(&self, id: u32) -> Option<&str> {
        let ix = id as usize;
        let start = if ix == 0 { 0 } else { *self.ends.get(ix - 1)? };
        self.text.get(start..*self.ends.get(ix)?)
    }

    /// The kind of an id.
    pub(super) fn kind(&self, id: u32) -> Option<TokenKind> {
        self.kinds.get(id as usize).copied()
    }

    /// Every id with its text and kind, in the order of the ids.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &str, TokenKind)> {
        self.kinds
            .iter()
            .enumerate()
            .filter_map(|(ix, &kind)| Some((ix as u32, self.piece(ix as u32)?, kind)))
    }
}
