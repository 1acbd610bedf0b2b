//! Queries that are computed at once: some tokens, with the heads that share a key/value head.

use core::ops::Range;

use super::cache::KvCache;

/// The numbers of a layer's attention, for the heads of one worker.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Number of the first head of `q` among those of the model.
    pub first_head: usize,
    /// Heads in `q`. They may begin and end within a group that shares a key/value head.
    pub n_heads: usize,
    /// Query heads that share a key/value head.
    pub heads_per_kv: usize,
    /// Number of the cache's first key/value head among those of the model.
    pub first_kv_head: usize,
    /// Keys that a query sees, its own included; none: all.
    pub window: Option<usize>,
    /// Factor of the scores.
    pub scale: f32,
    /// Soft-cap of the scores; 0: none.
    pub softcap: f32,
}

/// Queries that share a key/value head.
#[derive(Clone, Debug)]
pub(super) struct Tile<'a> {
    pub(super) heads: Range<usize>,
    pub(super) tokens: Range<usize>,
    pub(super) q: &'a [f32],
    pub(super) cache: &'a KvCache,
    pub(super) kv_head: usize,
    pub(super) position: usize,
    pub(super) shape: Shape,
}

impl Tile<'_> {
    pub(super) fn n_queries(&self) -> usize {
        self.heads.len() * self.tokens.len()
    }

    /// Token and head of query `i`.
    pub(super) fn query(&self, i: usize) -> (usize, usize) {
        (self.tokens.start + i / self.heads.len(), self.heads.start + i % self.heads.len())
    }

    /// Positions that query `i` sees.
    pub(super) fn seen_by(&self, i: usize) -> Range<usize> {
        let end = self.position + self.query(i).0 + 1;
        self.shape.window.map_or(0, |window| end.saturating_sub(window))..end
    }

    /// Positions that any query sees.
    pub(super) fn seen(&self) -> Range<usize> {
        self.seen_by(0).start..self.seen_by(self.n_queries() - 1).end
    }
}
