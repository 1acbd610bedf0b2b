//! What tests and scores look at: the residual stream after each block, and the logits of every position. Not for speed.

use crate::cancel::Cancel;
use crate::error::Result;
use crate::gpu::{Buffer, Plan, Step, Work};
use crate::model::Model;
use crate::model::forward::Page;
use crate::model::runner::finite;

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

    /// Mean over the positions of the residual stream after the output norm: `[D]`.
    ///
    /// # Errors
    /// As [`Model::forward`].
    pub async fn mean_hidden(&self, ids: &[u32], cancel: &Cancel) -> Result<Vec<f32>> {
        self.ready(ids, 0).await?;
        let (width, chunk) = (self.config.width, self.extents.chunk.min(ids.len()));
        let row_bytes = 4 * width as u64;
        let make = || Ok((self.page().normed(), self.gpu.staging("hidden", row_bytes * chunk as u64)));
        let (norm, staging) = self.gpu.checked("the kernel of an embedding", make).await?;
        let mut sum = vec![0.0_f64; width];
        for (i, rows) in ids.chunks(chunk).enumerate() {
            cancel.check()?;
            let blocks = self.prefill(rows, i * chunk)?;
            let step = Step { n_tokens: rows.len() as u32, ..Step::default() };
            let bytes = row_bytes * rows.len() as u64;
            let read = Work::Copy { from: &self.state.normed, offset: 0, to: &staging, bytes };
            self.gpu.run_works(&[blocks, Work::Plan(&norm, step), read])?;
            for row in self.gpu.read_f32(&staging, bytes).await?.chunks_exact(width) {
                sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += f64::from(*x));
            }
        }
        cancel.check()?;
        let mean: Vec<f32> = sum.into_iter().map(|sum| (sum / ids.len() as f64) as f32).collect();
        finite("the hidden states", &mean, ids.len() - 1)?;
        Ok(mean)
    }

    fn page(&self) -> Page<'_> {
        Page {
            config: &self.config,
            weights: &self.weights,
            state: &self.state,
            gpu: &self.gpu,
            tuning: self.tuning,
        }
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
        self.ready(ids, 0).await?;
        let scorer = self.make_scorer().await?;
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
                    finite("the logits", logits, first + row + 1)?;
                    on_row(first + row, logits);
                }
            }
        }
        Ok(())
    }

    /// Made for each use: few need it, and its logits take megabytes. The kernels are compiled once.
    async fn make_scorer(&self) -> Result<Head> {
        let fitting = self.gpu.limits().max_bound_bytes() / (4 * self.config.n_vocab as u64);
        let n_rows = SCORED_ROWS.min(self.extents.chunk).min(fitting.max(1) as usize);
        self.gpu.checked("the kernels of the scorer", || Head::new(&self.page(), n_rows)).await
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
