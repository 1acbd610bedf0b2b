//! A model on the CPU, and the loop that feeds it: tokens at positions go in, logits come out.

use std::cell::Cell;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use serde::Serialize;
use web_time::Instant;

use crate::cancel::Cancel;
use crate::cpu::plan::{BufferId, Job, PlanId, Reply, Step};
use crate::cpu::team::{self, HasWorkers, Team};
use crate::error::{Error, Result};
use crate::model::config::Config;
use crate::model::cpu::memory::{HEAD, LOGITS, PREFILL};
use crate::model::cpu::share::Share;
use crate::model::gpu::AdapterInfo;
use crate::model::memory::DeviceBytes;
use crate::model::state_shape::{StateShape, check_finite};

/// Time of a chunk of a prompt: an abort waits for its end.
const BUDGET_MS: f64 = 100.0;
/// Rows of a prompt's first chunk.
pub(super) const FIRST_ROWS: usize = 32;
/// Smallest number of rows of a chunk.
const LEAST_ROWS: usize = 4;

/// Description of the processor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Processor {
    /// The instruction set that the kernels use.
    pub instruction_set: &'static str,
    /// Workers that share the model.
    pub workers: usize,
    /// Whether activations stay f32, also for weights that have codes.
    pub exact: bool,
}

/// A loaded model on the CPU. Its surface is described at [`crate::model::Model`].
#[derive(Debug)]
pub struct Model {
    pub(super) team: Rc<dyn Team>,
    pub(super) _proof: HasWorkers,
    pub(super) config: Config,
    pub(super) shape: StateShape,
    pub(super) shares: Vec<Share>,
    pub(super) processor: Processor,
    /// The adapter that was slower, if the choice was left open.
    pub(super) slow_adapter: Option<AdapterInfo>,
    /// Bytes of weights, KV cache and activations.
    pub(super) bytes: DeviceBytes,
    /// Bytes of swapped KV caches.
    pub(super) swapped_bytes: Rc<Cell<u64>>,
    /// Number of the next swapped KV cache.
    pub(super) next_copy: Cell<u64>,
    /// Rows of the next chunk of a prompt.
    pub(super) rows: Cell<usize>,
}

impl Model {
    /// Hyper-parameters.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The processor.
    #[must_use]
    pub fn processor(&self) -> &Processor {
        &self.processor
    }

    /// The adapter that was slower, if the choice was left open.
    #[must_use]
    pub fn slow_adapter(&self) -> Option<&AdapterInfo> {
        self.slow_adapter.as_ref()
    }

    /// Positions that fit.
    #[must_use]
    pub fn context(&self) -> usize {
        self.shape.context
    }

    /// Bytes of memory held by the workers.
    #[must_use]
    pub fn bytes(&self) -> DeviceBytes {
        DeviceBytes { sessions: self.swapped_bytes.get(), ..self.bytes }
    }

    /// Bytes of keys and values that a token at `position` reads.
    #[must_use]
    pub fn kv_bytes_read(&self, position: usize) -> u64 {
        self.shape.kv_bytes_read(&self.config, position)
    }

    /// Feeds tokens from `position` on, and returns the logits `[V]` after the last.
    ///
    /// # Errors
    /// [`Error::InvalidOption`], [`Error::ContextFull`], [`Error::Aborted`] between chunks,
    /// [`Error::NumericError`], [`Error::DeviceLost`] if a worker is gone.
    pub async fn forward(&self, ids: &[u32], position: usize, cancel: &Cancel) -> Result<Vec<f32>> {
        let start = self.feed(ids, position, cancel).await?;
        let rows = ids.get(start..).unwrap_or_default();
        let fed = self.run(PREFILL, step(rows, position + start));
        let head = Step { n_tokens: 1, first_row: rows.len() - 1, ..Step::default() };
        let (head, logits) = (self.run(HEAD, head), self.read(LOGITS, 0..1));
        fed.await?;
        head.await?;
        let logits = logits.await?.concat();
        cancel.check()?;
        check_finite("the logits", &logits, position + ids.len())?;
        Ok(logits)
    }

    /// Checks `ids` that are to be fed from `position` on.
    ///
    /// # Errors
    /// [`Error::InvalidOption`], [`Error::ContextFull`].
    pub fn ready(&self, ids: &[u32], position: usize) -> Result<()> {
        self.shape.check_ids(&self.config, ids, position)
    }

    /// Rows of the next chunk when `n_left` tokens are left; `None` if they are the last chunk.
    #[must_use]
    pub fn next_chunk(&self, n_left: usize) -> Option<usize> {
        Some(self.rows.get()).filter(|rows| n_left > *rows)
    }

    /// Feeds a chunk, as many `ids` as [`Model::next_chunk`] said, and waits for it.
    ///
    /// # Errors
    /// [`Error::DeviceLost`] if a worker is gone.
    pub async fn feed_chunk(&self, ids: &[u32], position: usize) -> Result<()> {
        let begun = Instant::now();
        self.run(PREFILL, step(ids, position)).await?;
        let (rows, chunk_ms) = (self.rows.get(), begun.elapsed().as_secs_f64() * 1e3);
        if chunk_ms < BUDGET_MS / 2.0 {
            self.rows.set((2 * rows).min(self.shape.chunk));
        } else if chunk_ms > BUDGET_MS {
            self.rows.set((rows / 2).max(LEAST_ROWS.min(self.shape.chunk)));
        }
        Ok(())
    }

    /// Feeds every chunk but the last, waiting for each, and returns the index at which the last begins.
    pub(super) async fn feed(&self, ids: &[u32], position: usize, cancel: &Cancel) -> Result<usize> {
        self.ready(ids, position)?;
        let mut start = 0;
        while let Some(rows) = self.next_chunk(ids.len() - start) {
            cancel.check()?;
            self.feed_chunk(ids.get(start..start + rows).unwrap_or_default(), position + start).await?;
            start += rows;
        }
        cancel.check()?;
        Ok(start)
    }

    /// Starts a plan on every worker.
    pub(super) fn run(&self, plan: PlanId, step: Step) -> impl Future<Output = Result<()>> + use<> {
        self.run_section(plan, None, step)
    }

    /// As [`Model::run`], one section of it.
    pub(super) fn run_section(
        &self,
        plan: PlanId,
        section: Option<usize>,
        step: Step,
    ) -> impl Future<Output = Result<()>> + use<> {
        let done = self.all(&|_| Job::Run { plan, section, step: step.clone() });
        async { done.await.map(drop) }
    }

    /// Gives each worker a job, now; the future waits for all.
    pub(super) fn all(&self, job: &dyn Fn(usize) -> Job) -> impl Future<Output = Result<Vec<Reply>>> + use<> {
        team::all(self.team.as_ref(), job)
    }

    /// Rows of a buffer, of each worker.
    pub(super) fn read(
        &self,
        buffer: BufferId,
        rows: Range<usize>,
    ) -> impl Future<Output = Result<Vec<Vec<f32>>>> + use<> {
        let read = self.all(&|_| Job::Read { buffer, rows: rows.clone() });
        async { read.await?.into_iter().map(numbers).collect() }
    }
}

/// Parameters of a run over `ids`.
pub(super) fn step(ids: &[u32], position: usize) -> Step {
    Step { ids: Arc::from(ids), n_tokens: ids.len(), position, first_row: 0 }
}

/// The numbers of a reply.
pub(super) fn numbers(reply: Reply) -> Result<Vec<f32>> {
    match reply {
        Reply::Numbers(numbers) => Ok(numbers),
        _ => Err(Error::Internal { what: "a worker sent no numbers".to_owned() }),
    }
}
