//! Figures for benchmarks: the distribution of a step's time over kernels, and the bytes that it reads.

use crate::cancel::Cancel;
use crate::error::Result;
use crate::gpu::{Plan, Profile, RunParams};
use crate::model::gpu::model::Model;

impl Model {
    /// Plans that a step of `n_tokens` tokens from `position` on runs.
    fn plans_of(&self, n_tokens: usize, position: usize) -> Vec<(&Plan, RunParams)> {
        let step = |n_tokens: usize, position: usize| RunParams {
            n_tokens: n_tokens as u32,
            position: position as u32,
            ..RunParams::default()
        };
        let last = step(1, position + n_tokens - 1);
        if n_tokens == 1 {
            return vec![(&self.plans.decode, last), (&self.plans.sample, last)];
        }
        vec![
            (&self.plans.prefill, step(n_tokens, position)),
            (&self.plans.head, last),
            (&self.plans.sample, last),
        ]
    }

    /// Time of each kernel in a step of `n_tokens` tokens (at least 1, at most a chunk) from `position` on.
    /// The tokens and the keys before them are those of the last run.
    ///
    /// # Errors
    /// [`crate::Error::ContextFull`], [`crate::Error::Aborted`] between two runs, faults of the device.
    pub async fn profile(&self, n_tokens: usize, position: usize, cancel: &Cancel) -> Result<Profile> {
        let ids = vec![0; n_tokens];
        self.shape.check_ids(&self.config, &ids, position)?;
        self.ring.drain(&self.gpu).await?;
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
        self.shape.kv_bytes_read(&self.config, position)
    }
}
