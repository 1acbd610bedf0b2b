//! The BPE model of the `tokenizers` crate, from SentencePiece pieces and scores.
//!
//! SentencePiece has no list of merges: any two neighbours may merge whose concatenation is a piece, the best
//! score first and the leftmost on ties. The same result comes from listing every split of every piece, by
//! falling score.

use tokenizers::models::bpe::{BPE, Vocab as PieceIds};

use super::vocab::{TokenKind, Vocab};
use crate::{Error, Result};

/// Maximum bytes of a piece that merges make; Gemma's longest has 93. Each is split at every character.
const MAX_PIECE_BYTES: usize = 1 << 9;
/// Maximum number of splits of all pieces; Gemma's have about half a million.
const MAX_PAIRS: usize = 1 << 21;

/// Builds the model. `scores` has one element for each id.
///
/// The peak of the heap is here, so the merges are kept as pairs of ids until the model asks for strings.
///
/// # Errors
/// [`Error::BadKey`] if a character can neither be spelled in bytes nor be unknown; [`Error::Internal`] if
/// the crate refuses the derived merges.
pub(super) fn build(vocab: &Vocab, scores: &[f32]) -> Result<BPE> {
    let ids = piece_ids(vocab);
    let unknown =
        vocab.iter().find(|(_, _, kind)| *kind == TokenKind::Unknown).map(|(_, text, _)| text.to_owned());
    let is_there = |byte: &u8| ids.get(&format!("<0x{byte:02X}>")).is_some_and(|id| is_byte(vocab, *id));
    let n_bytes = (0..=u8::MAX).filter(is_there).count();
    if unknown.is_none() && n_bytes < 256 {
        return Err(Error::BadKey {
            key: "tokenizer.ggml.token_type".into(),
            expected: "256 byte tokens or an unknown token".into(),
            found: format!("{n_bytes} byte tokens"),
        });
    }
    let pairs = merge_pairs(vocab, scores, &ids)?;
    let text = |id: u32| vocab.piece(id).unwrap_or_default().to_owned();
    let merges: Vec<_> = pairs.iter().map(|&(left, right)| (text(left), text(right))).collect();
    drop(pairs);
    // No cache: it would hold whole texts, and a session encodes each one once.
    let mut builder =
        BPE::builder().vocab_and_merges(ids, merges).cache_capacity(0).byte_fallback(true).fuse_unk(true);
    if let Some(unknown) = unknown {
        builder = builder.unk_token(unknown);
    }
    builder
        .build()
        .map_err(|why| Error::Internal { what: format!("the vocabulary makes no BPE model: {why}") })
}

fn is_byte(vocab: &Vocab, id: u32) -> bool {
    matches!(vocab.kind(id), Some(TokenKind::Byte(_)))
}

/// The ids that merging can start from or end at. User-defined symbols are absent: they are cut out before,
/// so no merge can make one, and control tokens must not be made from text at all.
fn piece_ids(vocab: &Vocab) -> PieceIds {
    let mut ids = PieceIds::with_capacity(vocab.len());
    for (id, text, kind) in vocab.iter() {
        if matches!(kind, TokenKind::Normal | TokenKind::Byte(_) | TokenKind::Unknown) {
            ids.entry(text.to_owned()).or_insert(id);
        }
    }
    ids
}

/// Every split of a piece into two pieces: best score first, then by the ids of the piece and of its left
/// part (the order in which Hugging Face's converter lists them).
///
/// # Errors
/// [`Error::BadKey`] if a piece is longer, or the splits are more, than in any real vocabulary: both cost
/// time and memory.
fn merge_pairs(vocab: &Vocab, scores: &[f32], ids: &PieceIds) -> Result<Vec<(u32, u32)>> {
    let refused = |expected: String, found: String| {
        Err(Error::BadKey { key: "tokenizer.ggml.tokens".into(), expected, found })
    };
    let score = |id: u32| scores.get(id as usize).copied().unwrap_or(f32::NEG_INFINITY);
    let is_normal = |id: &u32| vocab.kind(*id) == Some(TokenKind::Normal);
    let mut order: Vec<u32> = (0..vocab.len() as u32).filter(is_normal).collect();
    order.sort_by(|a, b| score(*b).total_cmp(&score(*a)));
    let mut pairs = Vec::with_capacity(2 * order.len());
    for id in order {
        let text = vocab.piece(id).unwrap_or_default();
        if ids.get(text) != Some(&id) {
            continue; // a second piece with the same text
        }
        if text.len() > MAX_PIECE_BYTES {
            let found = format!("token {id} of {} bytes", text.len());
            return refused(format!("pieces of at most {MAX_PIECE_BYTES} bytes"), found);
        }
        let first = pairs.len();
        for (at, _) in text.char_indices().skip(1) {
            let (left, right) = text.split_at(at);
            let part = |text: &str| ids.get(text).copied().filter(is_normal);
            if let (Some(left), Some(right)) = (part(left), part(right)) {
                pairs.push((left, right));
            }
        }
        pairs[first..].sort_unstable();
        if pairs.len() > MAX_PAIRS {
            let found = format!("a vocabulary of {} tokens that has more", vocab.len());
            return refused(format!("pieces that are made of two others in at most {MAX_PAIRS} ways"), found);
        }
    }
    Ok(pairs)
}
