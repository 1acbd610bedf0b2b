//! Attention of queries over the cached keys that they may see: `softmax(softcap(scale q k)) v`, `q, o [T, H, C]`.
//!
//! A tile is some tokens with the query heads that share a key/value head; it reads keys and values once, in pieces. A query
//! is computed the same way whatever else is in its tile: a score is summed by itself, weights lie in vectors by their
//! absolute position, and values are added in order.

mod cache;
mod dots;
mod mix;
mod numbers;
mod softmax;
#[cfg(test)]
mod tests;
mod tile;

pub use cache::KvCache;
pub use tile::Shape;

use crate::cpu::lanes::{Isa, Kernel, Lanes, ROWS};
use crate::quant::KvType;
use dots::dots;
use mix::mix;
use numbers::{Floats, Halves, Numbers};
use softmax::softmax;
use tile::Tile;

/// Queries of a tile, if its tokens can be split so.
const TILE: usize = 32;
/// Keys of a piece: with 256 channels 32 KB of f32.
const PIECE: usize = 32;
/// Queries from which on it is worth making f32 of a piece once.
const WORTH_CONVERTING: usize = 5;

/// Writes `o [T, H, C]`, for the queries `q [T, H, C]` of the positions from `position` on, whose keys are in the cache.
///
/// `o` begins with the first column of these heads, and its rows are `stride` apart. `scores` is memory for the work.
pub fn attention(
    isa: Isa,
    q: &[f32],
    cache: &KvCache,
    position: usize,
    shape: Shape,
    (o, stride): (&mut [f32], usize),
    scores: &mut Vec<f32>,
) {
    let row = shape.n_heads * cache.head_dim;
    let Some(n_tokens) = q.len().checked_div(row) else { return };
    let mut head = 0;
    while head < shape.n_heads {
        let Some(kv_head) = (shape.first_head + head).checked_div(shape.heads_per_kv) else { return };
        let end = ((kv_head + 1) * shape.heads_per_kv - shape.first_head).min(shape.n_heads);
        let heads = head..end;
        let per_tile = (TILE / heads.len()).max(1);
        let Some(kv_head) = kv_head.checked_sub(shape.first_kv_head) else { return };
        for first in (0..n_tokens).step_by(per_tile) {
            let tokens = first..(first + per_tile).min(n_tokens);
            let tile = Tile { heads: heads.clone(), tokens, q, cache, kv_head, position, shape };
            isa.run(Work { tile, o, stride, memory: scores });
        }
        head = end;
    }
}

struct Work<'a, 'o> {
    tile: Tile<'a>,
    o: &'o mut [f32],
    stride: usize,
    memory: &'o mut Vec<f32>,
}

impl Kernel for Work<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        match self.tile.cache.kv {
            KvType::F16 => run::<L, Halves>(lanes, self),
            KvType::F32 => run::<L, Floats>(lanes, self),
        }
    }
}

#[inline(always)]
fn run<L: Lanes, N: Numbers>(lanes: L, work: Work<'_, '_>) {
    let Work { tile, o, stride, memory } = work;
    let (n, c, seen) = (tile.n_queries(), tile.cache.head_dim, tile.seen());
    // Vectors begin at multiples of eight positions.
    let base = seen.start / ROWS * ROWS;
    let width = (seen.end - base).next_multiple_of(ROWS);
    memory.resize(n * width + PIECE * c, 0.0);
    let (scores, piece) = memory.split_at_mut(n * width);
    let convert = N::SMALL && n >= WORTH_CONVERTING;

    let mut at = seen.clone();
    while !at.is_empty() {
        let (n_keys, keys, _) = tile.cache.piece(tile.kv_head, at.clone(), PIECE);
        if n_keys == 0 {
            return;
        }
        let scores = (&mut scores[at.start - base..], width);
        if convert {
            dots::<L, Floats>(lanes, &tile, converted::<L, N>(lanes, keys, piece), scores);
        } else {
            dots::<L, N>(lanes, &tile, keys, scores);
        }
        at.start += n_keys;
    }
    for (i, scores) in scores.chunks_exact_mut(width).enumerate() {
        let seen = tile.seen_by(i);
        softmax(lanes, scores, seen.start - base..seen.end - base, tile.shape);
        let (t, head) = tile.query(i);
        o[t * stride + head * c..][..c].fill(0.0);
    }
    let mut at = seen;
    while !at.is_empty() {
        let (n_keys, _, values) = tile.cache.piece(tile.kv_head, at.clone(), PIECE);
        if n_keys == 0 {
            return;
        }
        let keys = at.start..at.start + n_keys;
        let weights = (&scores[keys.start - base..], width);
        if convert {
            let values = converted::<L, N>(lanes, values, piece);
            mix::<L, Floats>(lanes, &tile, keys, weights, values, (o, stride));
        } else {
            mix::<L, N>(lanes, &tile, keys, weights, values, (o, stride));
        }
        at.start += n_keys;
    }
}

/// Numbers as f32, as bytes.
#[inline(always)]
fn converted<'a, L: Lanes, N: Numbers>(lanes: L, bytes: &[u8], to: &'a mut [f32]) -> &'a [u8] {
    let chunks = N::chunks(bytes);
    for (to, chunk) in to.as_chunks_mut().0.iter_mut().zip(chunks) {
        lanes.store(N::load(lanes, chunk), to);
    }
    bytemuck::cast_slice(&to[..chunks.len() * ROWS])
}
