//! What a benchmark asks of a model besides tokens: where a step's time goes, and what it reads.

use crate::cancel::Cancel;
use crate::error::Result;
use crate::gpu::{Plan, Profile, Step};
use crate::model::Model;

impl Model {
    /// The plans of a step of `n_tokens` tokens from `position` on, as they are run for it.
    fn plans_of(&self, n_tokens: usize, position: usize) -> Vec<(&Plan, Step)> {
        let step = |n_tokens: usize, position: usize| Step {
            n_tokens: n_tokens as u32,
            position: position as u32,
            ..Step::default()
        };
        let last = step(1, position + n_tokens - 1);
        if n_tokens == 1 {
            return vec![(&self.plans.step, last), (&self.plans.choose, last)];
        }
        vec![
            (&self.plans.prefill, step(n_tokens, position)),
            (&self.plans.head, last),
            (&self.plans.choose, last),
        ]
    }

    /// Where the time of a step of `n_tokens` tokens (at least 1, at most a chunk) from `position` on goes. The tokens and
    /// what lies before them are whatever there was last.
    ///
    /// # Errors
    /// [`crate::Error::ContextFull`], [`crate::Error::Aborted`] between two runs, faults of the device.
    pub async fn profile(&self, n_tokens: usize, position: usize, cancel: &Cancel) -> Result<Profile> {
        let ids = vec![0; n_tokens];
        self.check_ids(&ids, position)?;
        self.choices.drain(&self.gpu).await?;
        self.gpu.write(&self.state.ids, 0, bytemuck::cast_slice(&ids));
        self.gpu.profile(&self.plans_of(n_tokens, position), cancel).await
    }

    /// Rows of the next chunk of a prompt.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows.get()
    }

    /// Bytes of keys and values that a token at `position` reads.
    #[must_use]
    pub fn kv_bytes_read(&self, position: usize) -> u64 {
        let c = &self.config;
        let a_key = (2 * c.n_kv_heads * c.head_len) as u64 * self.extents.kv.bytes();
        let n_keys =
            |layer| c.window_of(layer).map_or(position + 1, |window| window.min(position + 1)) as u64;
        (0..c.n_layers).map(|layer| n_keys(layer) * a_key).sum()
    }
}
