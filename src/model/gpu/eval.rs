//! Evaluation: the residual stream after each block and the logits of every position, for tests and scores.
//! Not for speed.

use crate::cancel::Cancel;
use crate::error::Result;
use crate::gpu::{Buffer, Command, Plan, RunParams};
use crate::model::device::Steps;
use crate::model::gpu::model::Model;
use crate::model::gpu::recorder::Recorder;
use crate::model::state_shape::check_finite;

/// Rows of logits that are computed at once when every position is scored.
const SCORED_ROWS: usize = 64;

/// Rows of logits, and the plan and the staging buffer for them.
#[derive(Debug)]
pub(super) struct Scorer {
    plan: Plan,
    logits: Buffer,
    staging: Buffer,
    n_rows: usize,
}

impl Model {
    /// Residual stream at the last position: after the embedding, after each block, after the output norm:
    /// `[L + 2][D]`.
    ///
    /// # Errors
    /// As [`Model::forward`].
    pub async fn hidden_states(&self, ids: &[u32], cancel: &Cancel) -> Result<Vec<Vec<f32>>> {
        let last = self.feed(ids, 0, cancel).await?;
        let rows = ids.get(last..).unwrap_or_default();
        let row_bytes = 4 * self.config.d_model as u64;
        let n_marks = self.config.n_layers as u64 + 1;
        let staging = self.gpu.staging("hidden", row_bytes * n_marks);
        self.gpu.write(&self.state.ids, 0, bytemuck::cast_slice(rows));
        let n_rows = rows.len() as u32;
        let step = RunParams { n_tokens: n_rows, position: last as u32, ..RunParams::default() };
        let last_row = u64::from(n_rows - 1) * row_bytes;
        let copy = |from, to_offset| Command::Copy {
            from,
            from_offset: last_row,
            to: &staging,
            to_offset,
            bytes: row_bytes,
        };
        let section = |i| Command::Section(&self.plans.prefill, step, i);
        let sections =
            (0..=self.config.n_layers).flat_map(|i| [section(i), copy(&self.state.x, i as u64 * row_bytes)]);
        self.gpu.run(&sections.collect::<Vec<_>>())?;
        let mut values = self.gpu.read_f32(&staging, row_bytes * n_marks).await?;
        self.gpu.run(&[copy(&self.state.normed, 0)])?;
        values.extend(self.gpu.read_f32(&staging, row_bytes).await?);
        Ok(values.chunks_exact(self.config.d_model).map(<[f32]>::to_vec).collect())
    }

    /// Mean over the positions of the residual stream after the output norm: `[D]`.
    ///
    /// # Errors
    /// As [`Model::forward`].
    pub async fn mean_hidden_state(&self, ids: &[u32], cancel: &Cancel) -> Result<Vec<f32>> {
        self.ready(ids, 0).await?;
        let (d_model, chunk) = (self.config.d_model, self.shape.chunk.min(ids.len()));
        let row_bytes = 4 * d_model as u64;
        let make =
            || Ok((self.norm_recorder().finish(), self.gpu.staging("hidden", row_bytes * chunk as u64)));
        let (norm, staging) = self.gpu.in_scope("the kernel of an embedding", make).await?;
        let mut sum = vec![0.0_f64; d_model];
        for (i, rows) in ids.chunks(chunk).enumerate() {
            cancel.check()?;
            let blocks = self.prefill(rows, i * chunk)?;
            let step = RunParams { n_tokens: rows.len() as u32, ..RunParams::default() };
            let bytes = row_bytes * rows.len() as u64;
            let read = Command::copy(&self.state.normed, &staging, bytes);
            self.gpu.run(&[blocks, Command::Plan(&norm, step), read])?;
            for row in self.gpu.read_f32(&staging, bytes).await?.chunks_exact(d_model) {
                sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += f64::from(*x));
            }
        }
        cancel.check()?;
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
        self.ready(ids, 0).await?;
        let scorer = self.make_scorer().await?;
        let row_bytes = 4 * self.config.n_vocab as u64;
        let n_scored = ids.len() - 1;
        for (i, rows) in ids.chunks(self.shape.chunk).enumerate() {
            let start = i * self.shape.chunk;
            let last = self.prefill(rows, start)?;
            self.gpu.run(&[last])?;
            let end = n_scored.min(start + rows.len());
            for first in (start..end).step_by(scorer.n_rows) {
                cancel.check()?;
                let n_rows = scorer.n_rows.min(end - first);
                let step = RunParams {
                    n_tokens: n_rows as u32,
                    first_row: (first - start) as u32,
                    ..RunParams::default()
                };
                let bytes = row_bytes * n_rows as u64;
                let read = Command::copy(&scorer.logits, &scorer.staging, bytes);
                self.gpu.run(&[Command::Plan(&scorer.plan, step), read])?;
                let logits = self.gpu.read_f32(&scorer.staging, bytes).await?;
                for (row, logits) in logits.chunks_exact(self.config.n_vocab).enumerate() {
                    check_finite("the logits", logits, first + row + 1)?;
                    on_row(first + row, logits);
                }
            }
        }
        Ok(())
    }

    /// A scorer, made for each use: few need it, and its logits take megabytes. The kernels are compiled
    /// once.
    async fn make_scorer(&self) -> Result<Scorer> {
        let fitting = self.gpu.limits().max_bound_bytes() / (4 * self.config.n_vocab as u64);
        let n_rows = SCORED_ROWS.min(self.shape.chunk).min(fitting.max(1) as usize);
        self.gpu.in_scope("the kernels of the scorer", || self.scorer(n_rows)).await
    }

    fn scorer(&self, n_rows: usize) -> Result<Scorer> {
        let n_vocab = self.config.n_vocab;
        let logits = self.gpu.tensor("logits", n_rows, n_vocab)?;
        let staging = self.gpu.staging("logits staging", 4 * (n_rows * n_vocab) as u64);
        let mut r = self.norm_recorder();
        r.product(self.weights.logits(), &self.state.normed, &logits);
        r.softcap(&logits);
        Ok(Scorer { plan: r.finish(), logits, staging, n_rows })
    }

    /// Rows of the residual stream → `normed [R, D]` f32, by the output norm.
    fn norm_recorder(&self) -> Recorder<'_> {
        let mut r = Recorder::exact(&self.gpu, &self.config, self.tuning, "head");
        r.norm(&self.state.x, &self.weights.output_norms, &self.state.normed);
        r
    }
}
