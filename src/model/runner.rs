//! A model on the GPU: loads, feeds tokens at positions, gives logits. It knows no text and chooses no token.

use serde::Serialize;

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::gguf::Header;
use crate::gpu::{Arithmetic, Buffer, Gpu, Kind, Plan, Step, Tuning, Unit, Work};
use crate::model::Config;
use crate::model::decode::{self, Decode};
use crate::model::forward::Page;
use crate::model::options::ModelOptions;
use crate::model::state::{Extents, State};
use crate::model::weights::Weights;
use crate::source::ByteSource;

/// Rows of logits that are made at once when every position is scored.
const SCORED_ROWS: usize = 64;

/// Bytes of GPU memory by kind.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GpuBytes {
    /// Weights, in planes.
    pub weights: u64,
    /// KV cache.
    pub kv: u64,
    /// Activations, parameters, tables, staging.
    pub scratch: u64,
}

/// Rows of logits and what is needed to make and read them.
#[derive(Debug)]
struct Head {
    plan: Plan,
    logits: Buffer,
    staging: Buffer,
    n_rows: usize,
}

/// A loaded model. Positions are fed in order; to start over, feed position 0 again.
#[derive(Debug)]
pub struct Model {
    gpu: Gpu,
    config: Config,
    extents: Extents,
    weights: Weights,
    state: State,
    decode: Decode,
    /// A token's id to its logits.
    step: Plan,
    /// The last row of a prefill to its logits.
    head: Plan,
    staging: Buffer,
    prefill: Plan,
    tuning: Tuning,
    /// Made when a caller first asks for the score of every position.
    scorer: Option<Head>,
}

impl Model {
    /// Allocates, compiles, and streams in the weights of a header whose `config` is [`crate::model::tensors::checked_config`]'s.
    ///
    /// # Errors
    /// Those of the options, the device and the source.
    pub async fn load<S: ByteSource>(
        header: &Header,
        config: Config,
        source: &mut S,
        options: &ModelOptions,
        cancel: &Cancel,
        on_bytes: &mut dyn FnMut(u64),
    ) -> Result<Self> {
        let extents = options.extents(&config)?;
        let gpu = Gpu::open(&options.gpu).await?;
        let weights =
            gpu.checked("the weights' buffers", || Weights::allocate(&gpu, header, &config)).await?;
        let state = gpu.checked("the state's buffers", || State::allocate(&gpu, &config, extents)).await?;
        let decode = gpu.checked("the buffers of a decode step", || Decode::allocate(&gpu, &config)).await?;
        let tuning = options.tuning.unwrap_or(Tuning { arithmetic: Arithmetic::F32, unit: Unit::One });
        let page = decode::Page {
            config: &config,
            weights: &weights,
            state: &state,
            decode: &decode,
            gpu: &gpu,
            tuning,
        };
        let (step, head) =
            gpu.checked("the kernels of a decode step", || Ok((page.step(), page.head()))).await?;
        let page = Page { config: &config, weights: &weights, state: &state, gpu: &gpu, tuning };
        let prefill = gpu.checked("the kernels of the prefill", || Ok(page.blocks())).await?;
        let staging = gpu.staging("logits staging", 4 * config.n_vocab as u64);
        weights.stream(&gpu, header, source, cancel, on_bytes).await?;
        gpu.check()?;
        Ok(Self {
            gpu,
            config,
            extents,
            weights,
            state,
            decode,
            step,
            head,
            staging,
            prefill,
            tuning,
            scorer: None,
        })
    }

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
        }
    }

    /// # Errors
    /// [`Error::InvalidOption`] for an id outside the vocabulary or no id at all, [`Error::ContextFull`] beyond the context.
    fn check_ids(&self, ids: &[u32], position: usize) -> Result<()> {
        let n_vocab = self.config.n_vocab;
        let invalid = |found: String| Error::InvalidOption {
            option: "ids".to_owned(),
            found,
            expected: format!("at least one id, each below {n_vocab}"),
        };
        if ids.is_empty() {
            return Err(invalid("empty".to_owned()));
        }
        if let Some(id) = ids.iter().find(|id| **id as usize >= n_vocab) {
            return Err(invalid(id.to_string()));
        }
        let needs = position + ids.len();
        if needs > self.extents.context {
            return Err(Error::ContextFull { needs, context: self.extents.context });
        }
        Ok(())
    }

    /// Queues one run of at most a chunk of tokens; the residual rows stay on the GPU.
    fn queue(&self, ids: &[u32], position: usize, more: &[Work<'_>]) -> Result<()> {
        let step = Step { n_tokens: ids.len() as u32, position: position as u32, ..Step::default() };
        self.gpu.write(&self.state.ids, 0, bytemuck::cast_slice(ids));
        let mut works = vec![Work::Plan(&self.prefill, step)];
        works.extend_from_slice(more);
        self.gpu.run_works(&works)
    }

    /// Feeds tokens from `position` on, and returns the logits `[V]` after the last.
    ///
    /// # Errors
    /// [`Error::InvalidOption`], [`Error::ContextFull`], [`Error::Aborted`] between chunks, faults of the device.
    pub async fn forward(&self, ids: &[u32], position: usize, cancel: &Cancel) -> Result<Vec<f32>> {
        self.check_ids(ids, position)?;
        let last = self.feed_all_but_last_chunk(ids, position, cancel).await?;
        let rows = ids.get(last..).unwrap_or_default();
        let bytes = 4 * self.config.n_vocab as u64;
        let read = Work::Copy { from: &self.decode.logits, offset: 0, to: &self.staging, bytes };
        let one = Step { n_tokens: 1, position: (position + last) as u32, ..Step::default() };
        if rows.len() == 1 {
            self.gpu.write(&self.state.ids, 0, bytemuck::cast_slice(rows));
            self.gpu.run_works(&[Work::Plan(&self.step, one), read])?;
        } else {
            // The decode page's head takes the residual stream from the beginning of its activations.
            let row_bytes = 4 * self.config.width as u64;
            let offset = (rows.len() as u64 - 1) * row_bytes;
            let row = Work::Copy { from: &self.state.x, offset, to: &self.decode.acts, bytes: row_bytes };
            self.queue(rows, position + last, &[row, Work::Plan(&self.head, one), read])?;
        }
        let logits = self.gpu.read_f32(&self.staging, bytes).await?;
        cancel.check()?;
        Ok(logits)
    }

    /// Feeds every chunk but the last, waiting for each, and returns where the last begins.
    async fn feed_all_but_last_chunk(&self, ids: &[u32], position: usize, cancel: &Cancel) -> Result<usize> {
        let chunk = self.extents.chunk;
        let last = (ids.len() - 1) / chunk * chunk;
        for (i, rows) in ids.get(..last).unwrap_or_default().chunks(chunk).enumerate() {
            cancel.check()?;
            self.queue(rows, position + i * chunk, &[])?;
            self.gpu.finish().await?;
        }
        cancel.check()?;
        Ok(last)
    }

    /// Residual stream at the last position: after the embedding, after each block, after the output norm: `[L + 2][D]`.
    ///
    /// # Errors
    /// As [`Model::forward`].
    pub async fn hidden(&self, ids: &[u32], cancel: &Cancel) -> Result<Vec<Vec<f32>>> {
        self.check_ids(ids, 0)?;
        let last = self.feed_all_but_last_chunk(ids, 0, cancel).await?;
        let rows = ids.get(last..).unwrap_or_default();
        let row_bytes = 4 * self.config.width as u64;
        let n_marks = self.config.n_layers as u64 + 1;
        let staging = self.gpu.staging("hidden", row_bytes * n_marks);
        self.gpu.write(&self.state.ids, 0, bytemuck::cast_slice(rows));
        let n_rows = rows.len() as u32;
        let step = Step { n_tokens: n_rows, position: last as u32, ..Step::default() };
        let watched = (&self.state.x, u64::from(n_rows - 1) * row_bytes, row_bytes);
        self.gpu.run_sections(&self.prefill, step, watched, &staging)?;
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
        &mut self,
        ids: &[u32],
        cancel: &Cancel,
        on_row: &mut dyn FnMut(usize, &[f32]),
    ) -> Result<()> {
        self.check_ids(ids, 0)?;
        if self.scorer.is_none() {
            self.scorer = Some(self.make_scorer().await?);
        }
        let Some(scorer) = &self.scorer else { return Ok(()) };
        let row_bytes = 4 * self.config.n_vocab as u64;
        let n_scored = ids.len() - 1;
        for (i, rows) in ids.chunks(self.extents.chunk).enumerate() {
            let start = i * self.extents.chunk;
            self.queue(rows, start, &[])?;
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
