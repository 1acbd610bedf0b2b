//! The live KV cache: which tokens it holds, and which session they belong to.

use crate::model::Model;

/// Contents of the KV cache that requests run in.
#[derive(Debug, Default)]
pub(super) struct LiveKv {
    /// Tokens at positions 0, 1, …
    pub(super) ids: Vec<u32>,
    /// Positions written since position 0 was last written, including those past `ids`. In the rings of local
    /// layers, they have overwritten older positions.
    pub(super) n_written: usize,
    /// The session that continues here.
    pub(super) session: Option<u32>,
}

impl LiveKv {
    /// Number of tokens of `text` that need not be fed again. The last token is always fed, for its logits.
    pub(super) fn reusable(&self, text: &[u32], model: &Model) -> usize {
        let most = text.len().saturating_sub(1);
        let n = self.ids.iter().zip(text).take(most).take_while(|(a, b)| a == b).count();
        if model.can_return(n, self.n_written) { n } else { 0 }
    }

    /// Drops the tokens from `n` on, which are fed again.
    pub(super) fn rewind(&mut self, n: usize) {
        self.ids.truncate(n);
        if n == 0 {
            self.n_written = 0;
        }
    }

    /// Notes that positions below `end` may be written from now on.
    pub(super) fn mark_written(&mut self, end: usize) {
        self.n_written = self.n_written.max(end);
    }

    /// Notes that the cache holds the first `n` tokens of `text`.
    pub(super) fn set_ids(&mut self, text: &[u32], n: usize) {
        self.ids.clear();
        self.ids.extend(text.iter().take(n));
    }

    /// Forgets the contents.
    pub(super) fn forget(&mut self) {
        self.ids.clear();
        self.session = None;
    }
}
