//! What tests and scores look at: the residual stream after each block, and the logits of every position. Not for speed.

use crate::cancel::Cancel;
use crate::error::Result;
use crate::gpu::{Buffer, Plan, Step};
use crate::model::Model;
use crate::model::forward::Page;

/// Rows of logits that are made at once when every position is scored.
const SCORED_ROWS: usize = 64;

/// Rows of logits and what is needed to make and read them.
#[derive(Debug)]
pub(super) struct Head {
    plan: Plan,
    logits: Buffer,
    staging: Buffer,
    n_rows: usize,
}

impl Model {
    /// Residual stream at the last position: after the embedding, after each block, after the output norm: `[L + 2][D]`.
    ///
    /// # Errors
    /// As [`Model::forward`].
    pub async fn hidden(&self, ids: &[u32], cancel: &Cancel) -> Result<Vec<Vec<f32>>> {
        let last = self.feed(ids, 0, cancel).await?;
        let rows = ids.get(last..).unwrap_or_default();
        let row_bytes = 4 * self.config.width as u64;
        let n_marks = self.config.n_layers as u64 + 1;
        let staging = self.gpu.staging("hidden", row_bytes * n_marks);
        self.gpu.write(&self.state.ids, 0, bytemuck::cast_slice(rows));
        let n_rows = rows.len() as u32;
        let step = Step { n_tokens: n_rows, position: last as u32, ..Step::default() };
        let watched = (&self.state.x, u64::from(n_rows - 1) * row_bytes, row_bytes);
        self.gpu.run_sections(&self.plans.prefill, step, watched, &staging)?;
        let mut values = self.gpu.read_f32(&staging, row_bytes * n_marks).await?;
        let last_row = u64::from(n_rows - 1) * row_bytes;
        self.gpu.run(&[], &[(&self.state.normed, last_row, &staging, row_bytes)])?;
        values.extend(self.gpu.read_f32(&staging, row_bytes).await?);
        Ok(values.chunks_exact(self.config.width).map(<[f32]>::to_vec).collect())
    }

    /// Logits of every position but the last, given row by row to `on_row(index, logits)`.
    ///
    /// # Errors
    /// As [`Model::forward`].
    pub async fn every_position(
        &self,
        ids: &[u32],
        cancel: &Cancel,
        on_row: &mut dyn FnMut(usize, &[f32]),
    ) -> Result<()> {
        self.check_ids(ids, 0)?;
        let scorer = self.scorer().await?;
        let row_bytes = 4 * self.config.n_vocab as u64;
        let n_scored = ids.len() - 1;
        for (i, rows) in ids.chunks(self.extents.chunk).enumerate() {
            let start = i * self.extents.chunk;
            let last = self.prefill(rows, start)?;
            self.gpu.run_works(&[last])?;
            let end = n_scored.min(start + rows.len());
            for first in (start..end).step_by(scorer.n_rows) {
                cancel.check()?;
                let n_rows = scorer.n_rows.min(end - first);
                let step =
                    Step { n_tokens: n_rows as u32, first_row: (first - start) as u32, ..Step::default() };
                let bytes = row_bytes * n_rows as u64;
                self.gpu.run(&[(&scorer.plan, step)], &[(&scorer.logits, 0, &scorer.staging, bytes)])?;
                let logits = self.gpu.read_f32(&scorer.staging, bytes).await?;
                for (row, logits) in logits.chunks_exact(self.config.n_vocab).enumerate() {
                    on_row(first + row, logits);
                }
            }
        }
        Ok(())
    }

    /// Made at its first use: few need it, and its logits take megabytes.
    async fn scorer(&self) -> Result<&Head> {
        if let Some(scorer) = self.scorer.get() {
            return Ok(scorer);
        }
        let made = self.make_scorer().await?;
        Ok(self.scorer.get_or_init(|| made))
    }

    async fn make_scorer(&self) -> Result<Head> {
        let fitting = self.gpu.limits().max_bound_bytes() / (4 * self.config.n_vocab as u64);
        let n_rows = SCORED_ROWS.min(self.extents.chunk).min(fitting.max(1) as usize);
        let page = Page {
            config: &self.config,
            weights: &self.weights,
            state: &self.state,
            gpu: &self.gpu,
            tuning: self.tuning,
        };
        self.gpu.checked("the kernels of the scorer", || Head::new(&page, n_rows)).await
    }
}

impl Head {
    fn new(page: &Page<'_>, n_rows: usize) -> Result<Self> {
        let n_vocab = page.config.n_vocab;
        let logits = page.gpu.tensor("logits", n_rows, n_vocab)?;
        let staging = page.gpu.staging("logits staging", 4 * (n_rows * n_vocab) as u64);
        Ok(Self { plan: page.head(&logits), logits, staging, n_rows })
    }
}
