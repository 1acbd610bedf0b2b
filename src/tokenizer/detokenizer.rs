//! Detokenizer: ids back to text, one at a time.

use std::sync::Arc;

use super::vocab::{SPACE, TokenKind, Vocab};

/// The text that SentencePiece writes for an unknown token.
const UNKNOWN: &str = " \u{2047} ";

/// Turns a stream of ids into text as SentencePiece does: U+2581 is a space, control tokens give nothing, and
/// bytes are held back until they make a whole character. A byte that cannot become part of one is U+FFFD.
#[derive(Debug, Clone)]
pub struct Detokenizer {
    vocab: Arc<Vocab>,
    /// Bytes that start a character whose rest has not arrived yet: at most 3.
    pending: Vec<u8>,
}

impl Detokenizer {
    pub(super) fn new(vocab: Arc<Vocab>) -> Self {
        Self { vocab, pending: Vec::new() }
    }

    /// The text that this id completes; empty while a character is incomplete, and for ids that have no text.
    pub fn push(&mut self, id: u32) -> String {
        let mut out = String::new();
        self.push_to(id, &mut out);
        out
    }

    /// The text held back at the end: one U+FFFD for each byte of a character that the stream never
    /// completed. The detokeniser can then be reused.
    pub fn finish(&mut self) -> String {
        let mut out = String::new();
        self.flush_to(&mut out);
        out
    }

    pub(super) fn push_to(&mut self, id: u32, out: &mut String) {
        let kind = self.vocab.kind(id);
        if let Some(TokenKind::Byte(byte)) = kind {
            self.pending.push(byte);
            self.drain_to(out);
            return;
        }
        self.flush_to(out);
        match kind {
            Some(TokenKind::Normal | TokenKind::Symbol) => {
                let piece = self.vocab.piece(id).unwrap_or_default();
                out.extend(piece.chars().map(|c| if c == SPACE { ' ' } else { c }));
            }
            Some(TokenKind::Unknown) => out.push_str(UNKNOWN),
            _ => {}
        }
    }

    pub(super) fn flush_to(&mut self, out: &mut String) {
        self.drain_to(out);
        out.extend(self.pending.drain(..).map(|_| char::REPLACEMENT_CHARACTER));
    }

    /// Moves the decided bytes out. All but the last byte are the start of one character, so either the last
    /// one continues it or the others are lost.
    fn drain_to(&mut self, out: &mut String) {
        while !self.pending.is_empty() {
            match std::str::from_utf8(&self.pending) {
                Ok(text) => {
                    out.push_str(text);
                    self.pending.clear();
                }
                Err(error) if error.error_len().is_none() => return,
                Err(_) => {
                    // SentencePiece gives up one byte at a time, whereas Rust's lossy conversion takes
                    // several.
                    self.pending.remove(0);
                    out.push(char::REPLACEMENT_CHARACTER);
                }
            }
        }
    }
}
