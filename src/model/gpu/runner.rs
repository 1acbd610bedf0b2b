//! A model on the GPU: feeds tokens at positions, gives logits or chooses tokens. It knows no text.

use std::cell::Cell;
use std::collections::BTreeMap;

use serde::Serialize;
use web_time::Instant;

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::gpu::{Buffer, Gpu, Kind, Plan, Step, Tuning, Work};
use crate::kernels::sample::Settings;
use crate::model::Config;
use crate::model::choices::{Choices, MAX_DEPTH};
use crate::model::decode::Decode;
use crate::model::self_test::{Effort, Tested, Variants};
use crate::model::state::{Extents, State};
use crate::model::weights::Weights;

/// How long a submission may take before the page's other work on the GPU is felt to wait.
const BUDGET_MS: f64 = 50.0;
/// Submissions of a chunk at most.
const MAX_PIECES: usize = 16;
/// Rows of a prompt's first chunk; below it a tile is not full.
pub(super) const FIRST_ROWS: usize = 64;

/// Bytes of GPU memory by kind.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GpuBytes {
    /// Weights, in planes.
    pub weights: u64,
    /// KV cache.
    pub kv: u64,
    /// Activations, parameters, tables, staging.
    pub scratch: u64,
    /// KV caches of conversations that wait for their turn.
    pub sessions: u64,
}

/// Dispatches that run many times.
#[derive(Debug)]
pub(super) struct Plans {
    /// ids to the residual stream after the last block.
    pub prefill: Plan,
    /// The last row of a prefill to its logits.
    pub head: Plan,
    /// A token's id to its logits.
    pub step: Plan,
    /// Logits to the next token's id.
    pub choose: Plan,
}

impl Plans {
    pub(super) fn all(&self) -> [&Plan; 4] {
        [&self.step, &self.choose, &self.head, &self.prefill]
    }
}

/// A loaded model. Positions are fed in order; to start over, feed position 0 again.
#[derive(Debug)]
pub struct Model {
    pub(super) gpu: Gpu,
    pub(super) config: Config,
    pub(super) extents: Extents,
    pub(super) weights: Weights,
    pub(super) state: State,
    pub(super) decode: Decode,
    pub(super) plans: Plans,
    pub(super) staging: Buffer,
    pub(super) choices: Choices,
    pub(super) tuning: Tuning,
    /// What self-tests found here, and what the last one did.
    pub(super) tested: Tested,
    pub(super) effort: Effort,
    /// Rows of the next chunk of a prompt: more as long as chunks stay within the budget.
    pub(super) rows: Cell<usize>,
    /// Submissions that a chunk is shared out to.
    pub(super) pieces: Cell<usize>,
    /// Milliseconds that a read-back takes on an idle GPU, and a step.
    pub(super) readback_ms: f64,
    pub(super) step_ms: Cell<f64>,
    /// When the last choice of a generation came.
    pub(super) last_choice: Cell<Option<Instant>>,
}

impl Model {
    /// Hyper-parameters.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The device, for its description and counters.
    #[must_use]
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// Which variants of the kernels run.
    #[must_use]
    pub fn tuning(&self) -> Tuning {
        self.tuning
    }

    /// The same, with what the self-test replaced.
    #[must_use]
    pub fn variants(&self) -> Variants {
        Variants::new(self)
    }

    /// What self-tests found on this adapter, for the next load.
    #[must_use]
    pub fn tested(&self) -> &Tested {
        &self.tested
    }

    /// Positions that fit.
    #[must_use]
    pub fn context(&self) -> usize {
        self.extents.context
    }

    /// Bytes of GPU memory held.
    #[must_use]
    pub fn gpu_bytes(&self) -> GpuBytes {
        GpuBytes {
            weights: self.gpu.bytes_of(Kind::Weights),
            kv: self.gpu.bytes_of(Kind::Kv),
            scratch: self.gpu.bytes_of(Kind::Scratch),
            sessions: self.gpu.bytes_of(Kind::Sessions),
        }
    }

    /// # Errors
    /// [`Error::InvalidOption`] for an id outside the vocabulary or no id at all, [`Error::ContextFull`] beyond the context.
    pub(super) fn check_ids(&self, ids: &[u32], position: usize) -> Result<()> {
        let n_vocab = self.config.n_vocab;
        let expected = || format!("at least one id, each below {n_vocab}");
        if ids.is_empty() {
            return Err(Error::invalid_option("ids", "empty", expected()));
        }
        if let Some(id) = ids.iter().find(|id| **id as usize >= n_vocab) {
            return Err(Error::invalid_option("ids", id, expected()));
        }
        let needs = position + ids.len();
        if needs > self.extents.context {
            return Err(Error::ContextFull { needs, context: self.extents.context });
        }
        Ok(())
    }

    /// Feeds tokens from `position` on, and returns the logits `[V]` after the last.
    ///
    /// # Errors
    /// [`Error::InvalidOption`], [`Error::ContextFull`], [`Error::Aborted`] between chunks, faults of the device.
    pub async fn forward(&self, ids: &[u32], position: usize, cancel: &Cancel) -> Result<Vec<f32>> {
        let last = self.feed(ids, position, cancel).await?;
        let bytes = 4 * self.config.n_vocab as u64;
        let read = Work::Copy { from: &self.decode.logits, offset: 0, to: &self.staging, bytes };
        self.gpu.run_works(&[self.last_works(ids, last, position)?.as_slice(), &[read]].concat())?;
        let logits = self.gpu.read_f32(&self.staging, bytes).await?;
        cancel.check()?;
        finite("the logits", &logits, position + ids.len())?;
        Ok(logits)
    }

    /// Feeds `text` from index `from` on, which the KV cache holds up to there, and lets the GPU choose what follows, which
    /// [`Model::next_choice`] tells. Penalties count all of `text`.
    ///
    /// # Errors
    /// As [`Model::forward`].
    pub async fn begin(
        &self,
        text: &[u32],
        from: usize,
        (settings, biases): (&Settings, &BTreeMap<u32, f32>),
        cancel: &Cancel,
    ) -> Result<()> {
        let ids = text.get(from..).unwrap_or_default();
        let last = self.feed(ids, from, cancel).await?;
        self.decode.sample.begin(&self.gpu, settings, biases, text);
        let next = text.len();
        let end = Step { n_tokens: 1, position: next as u32 - 1, ..Step::default() };
        let mut works = self.last_works(ids, last, from)?;
        works.push(Work::Plan(&self.plans.choose, end));
        self.last_choice.set(None);
        self.choices.submit(&self.gpu, &works, &self.decode.sample, next)
    }

    /// The oldest choice under way, after more were queued: for the positions from `next` on, which moves, up to `end`.
    ///
    /// # Errors
    /// [`Error::NumericError`] where a logit was not finite; faults of the device.
    pub async fn next_choice(&self, next: &mut usize, end: usize) -> Result<u32> {
        while self.choices.len() < self.depth() && *next < end {
            let step = Step { n_tokens: 1, position: *next as u32 - 1, ..Step::default() };
            let works = [Work::Plan(&self.plans.step, step), Work::Plan(&self.plans.choose, step)];
            self.choices.submit(&self.gpu, &works, &self.decode.sample, *next)?;
            *next += 1;
        }
        let id = self.choices.next(&self.gpu).await?;
        let now = Instant::now();
        if let Some(last) = self.last_choice.replace(Some(now)) {
            self.step_ms.set((now - last).as_secs_f64() * 1e3);
        }
        Ok(id)
    }

    /// How many choices should be under way: as many as hide the time of a read-back, two to four.
    fn depth(&self) -> usize {
        let steps = self.readback_ms / self.step_ms.get().max(1e-3);
        (1 + steps.ceil() as usize).clamp(2, MAX_DEPTH)
    }

    /// Readies the feeding of `ids` from `position` on: waits for what an earlier generation left under way.
    ///
    /// # Errors
    /// [`Error::InvalidOption`], [`Error::ContextFull`], faults of the device.
    pub async fn ready(&self, ids: &[u32], position: usize) -> Result<()> {
        self.check_ids(ids, position)?;
        self.choices.drain(&self.gpu).await
    }

    /// Rows of the next chunk where so many tokens are left; `None` where they are the last chunk, which [`Model::forward`] and
    /// [`Model::begin`] feed.
    #[must_use]
    pub fn next_chunk(&self, n_left: usize) -> Option<usize> {
        Some(self.rows.get()).filter(|rows| n_left > *rows)
    }

    /// Feeds a chunk, as many `ids` as [`Model::next_chunk`] said, and waits for it.
    ///
    /// # Errors
    /// Faults of the device.
    pub async fn feed_chunk(&self, ids: &[u32], position: usize) -> Result<()> {
        let begun = Instant::now();
        let last = self.prefill(ids, position)?;
        self.gpu.run_works(&[last])?;
        self.gpu.finish().await?;
        self.pace(begun.elapsed().as_secs_f64() * 1e3);
        Ok(())
    }

    /// Feeds every chunk but the last, waiting for each, and returns where the last begins.
    pub(super) async fn feed(&self, ids: &[u32], position: usize, cancel: &Cancel) -> Result<usize> {
        self.ready(ids, position).await?;
        let mut start = 0;
        while let Some(rows) = self.next_chunk(ids.len() - start) {
            cancel.check()?;
            self.feed_chunk(ids.get(start..start + rows).unwrap_or_default(), position + start).await?;
            start += rows;
        }
        cancel.check()?;
        Ok(start)
    }

    /// Makes chunks larger while twice the rows would stay within the budget, smaller where they exceed it; the smallest are
    /// submitted in pieces instead.
    fn pace(&self, chunk_ms: f64) {
        let (rows, least) = (self.rows.get(), FIRST_ROWS.min(self.extents.chunk));
        if chunk_ms < BUDGET_MS / 2.0 {
            self.rows.set((2 * rows).min(self.extents.chunk));
        } else if chunk_ms > BUDGET_MS {
            self.rows.set((rows / 2).max(least));
        }
        let smallest = rows == least && chunk_ms > BUDGET_MS;
        self.pieces.set(if smallest { ((chunk_ms / BUDGET_MS).ceil() as usize).min(MAX_PIECES) } else { 1 });
    }

    /// Submits a chunk of a prompt but for its last piece, which is returned.
    ///
    /// # Errors
    /// Faults of the device.
    pub(super) fn prefill(&self, ids: &[u32], position: usize) -> Result<Work<'_>> {
        self.gpu.write(&self.state.ids, 0, bytemuck::cast_slice(ids));
        let step = Step { n_tokens: ids.len() as u32, position: position as u32, ..Step::default() };
        let n = self.pieces.get();
        for piece in 0..n - 1 {
            self.gpu.run_works(&[Work::Piece(&self.plans.prefill, step, piece, n)])?;
        }
        Ok(Work::Piece(&self.plans.prefill, step, n - 1, n))
    }

    /// The last chunk of `ids`, from `start` on, to its last row's logits.
    fn last_works(&self, ids: &[u32], start: usize, position: usize) -> Result<Vec<Work<'_>>> {
        let rows = ids.get(start..).unwrap_or_default();
        let end = Step { n_tokens: 1, position: (position + ids.len() - 1) as u32, ..Step::default() };
        if rows.len() == 1 {
            self.gpu.write(&self.state.ids, 0, bytemuck::cast_slice(rows));
            return Ok(vec![Work::Plan(&self.plans.step, end)]);
        }
        let bytes = 4 * self.config.width as u64;
        let offset = (rows.len() as u64 - 1) * bytes;
        Ok(vec![
            self.prefill(rows, position + start)?,
            Work::Copy { from: &self.state.x, offset, to: &self.decode.acts, bytes },
            Work::Plan(&self.plans.head, end),
        ])
    }
}

/// # Errors
/// [`Error::NumericError`] where a value is not finite.
pub(super) fn finite(what: &str, values: &[f32], position: usize) -> Result<()> {
    if values.iter().all(|value| value.is_finite()) {
        return Ok(());
    }
    Err(Error::NumericError { what: what.to_owned(), position })
}
