//! Evaluation on the CPU: the residual stream after each block and the logits of every position, for tests and scores.

use crate::cancel::Cancel;
use crate::cpu::plan::{Job, Step};
use crate::error::Result;
use crate::model::cpu::memory::{HEAD, LOGITS, NORMED, PREFILL, X};
use crate::model::cpu::model::{Model, step};
use crate::model::state_shape::check_finite;

/// Rows of logits that are computed at once.
const SCORED_ROWS: usize = 16;

impl Model {
    /// Has the workers read all bytes of their matrices, and returns how many there are: for a roofline.
    ///
    /// # Errors
    /// [`crate::Error::DeviceLost`] if a worker is gone.
    pub async fn read_weights(&self) -> Result<u64> {
        self.all(&|_| Job::ReadWeights).await?;
        Ok(self.bytes.weights)
    }

    /// Residual stream at the last position: after the embedding, after each block, after the output norm:
    /// `[L + 2][D]`.
    ///
    /// # Errors
    /// As [`Model::forward`].
    pub async fn hidden_states(&self, ids: &[u32], cancel: &Cancel) -> Result<Vec<Vec<f32>>> {
        let start = self.feed(ids, 0, cancel).await?;
        let rows = ids.get(start..).unwrap_or_default();
        let last = rows.len() - 1..rows.len();
        let mut states = Vec::with_capacity(self.config.n_layers + 2);
        for section in 0..=self.config.n_layers {
            cancel.check()?;
            self.run_section(PREFILL, Some(section), step(rows, start)).await?;
            states.extend(self.read(X, last.clone()).await?.into_iter().next());
        }
        states.extend(self.read(NORMED, last).await?.into_iter().next());
        Ok(states)
    }

    /// Mean over the positions of the residual stream after the output norm: `[D]`.
    ///
    /// # Errors
    /// As [`Model::forward`].
    pub async fn mean_hidden_state(&self, ids: &[u32], cancel: &Cancel) -> Result<Vec<f32>> {
        self.ready(ids, 0)?;
        let mut sum = vec![0.0_f64; self.config.d_model];
        let mut start = 0;
        while start < ids.len() {
            cancel.check()?;
            let n_rows = self.next_chunk(ids.len() - start).unwrap_or(ids.len() - start);
            self.feed_chunk(ids.get(start..start + n_rows).unwrap_or_default(), start).await?;
            let normed = self.read(NORMED, 0..n_rows).await?.into_iter().next().unwrap_or_default();
            for row in normed.chunks_exact(self.config.d_model) {
                sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += f64::from(*x));
            }
            start += n_rows;
        }
        let mean: Vec<f32> = sum.into_iter().map(|sum| (sum / ids.len() as f64) as f32).collect();
        check_finite("the hidden states", &mean, ids.len() - 1)?;
        Ok(mean)
    }

    /// Logits of every position but the last, given row by row to `on_row(index, logits)`.
    ///
    /// # Errors
    /// As [`Model::forward`].
    pub async fn logits_per_position(
        &self,
        ids: &[u32],
        cancel: &Cancel,
        on_row: &mut dyn FnMut(usize, &[f32]),
    ) -> Result<()> {
        self.ready(ids, 0)?;
        let outcome = self.score(ids, cancel, on_row).await;
        // The rows of logits take megabytes, and few need more than one.
        self.all(&|_| Job::Shrink { buffer: LOGITS, n_rows: 1 }).await?;
        outcome
    }

    async fn score(&self, ids: &[u32], cancel: &Cancel, on_row: &mut dyn FnMut(usize, &[f32])) -> Result<()> {
        let n_scored = ids.len() - 1;
        let mut start = 0;
        while start < ids.len() {
            cancel.check()?;
            let n_rows = self.next_chunk(ids.len() - start).unwrap_or(ids.len() - start);
            self.feed_chunk(ids.get(start..start + n_rows).unwrap_or_default(), start).await?;
            let end = n_scored.min(start + n_rows);
            for first in (start..end).step_by(SCORED_ROWS) {
                cancel.check()?;
                let n_tokens = SCORED_ROWS.min(end - first);
                let head = Step { n_tokens, first_row: first - start, ..Step::default() };
                self.run(HEAD, head).await?;
                let parts = self.read(LOGITS, 0..n_tokens).await?;
                for row in 0..n_tokens {
                    let part = |part: &Vec<f32>| {
                        let len = part.len() / n_tokens;
                        part.get(row * len..(row + 1) * len).unwrap_or_default().to_vec()
                    };
                    let logits = parts.iter().map(part).collect::<Vec<_>>().concat();
                    check_finite("the logits", &logits, first + row + 1)?;
                    on_row(first + row, &logits);
                }
            }
            start += n_rows;
        }
        Ok(())
    }
}
