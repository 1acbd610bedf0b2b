//! What the KV cache that runs holds, and whose it is.

use crate::model::Model;

/// Knowledge of the KV cache that runs.
#[derive(Debug, Default)]
pub(super) struct Active {
    /// Tokens at positions 0, 1, …
    pub(super) ids: Vec<u32>,
    /// Positions written since position 0 last was, those past `ids` too: what they held is gone from the rings of local layers.
    pub(super) n_written: usize,
    /// The session that goes on here.
    pub(super) session: Option<u32>,
}

impl Active {
    /// How many tokens of `text` need not be fed again. The last one is, for its logits.
    pub(super) fn reusable(&self, text: &[u32], model: &Model) -> usize {
        let most = text.len().saturating_sub(1);
        let n = self.ids.iter().zip(text).take(most).take_while(|(a, b)| a == b).count();
        if model.can_return(n, self.n_written) { n } else { 0 }
    }

    /// The tokens from `n` on are to be fed anew.
    pub(super) fn rewind(&mut self, n: usize) {
        self.ids.truncate(n);
        if n == 0 {
            self.n_written = 0;
        }
    }

    /// Positions below `end` may be written from now on.
    pub(super) fn writing(&mut self, end: usize) {
        self.n_written = self.n_written.max(end);
    }

    /// The first `n` tokens of `text` are what it holds.
    pub(super) fn holds(&mut self, text: &[u32], n: usize) {
        self.ids.clear();
        self.ids.extend(text.iter().take(n));
    }

    /// Nothing is known any more.
    pub(super) fn forget(&mut self) {
        self.ids.clear();
        self.session = None;
    }
}
