//! From a file and a prompt to streamed text: loads the engine, feeds the prompt in chunks, samples, stops, and keeps time.

pub mod bench;
mod conversation;
mod inspect;
mod logit_bias;
mod measure;
mod options;
mod prompt;
mod report;
mod result;
mod writer;

use std::hash::{BuildHasher, Hasher, RandomState};

use futures_util::future::try_join;
use web_time::{Instant, SystemTime, UNIX_EPOCH};

use crate::cancel::Cancel;
use crate::chat::{self, Template};
use crate::error::{Error, Result};
use crate::gguf;
use crate::kernels::sample::Settings;
use crate::model::load::{Opened, Prepared};
use crate::model::tensors::checked_config;
use crate::model::{Config, Model};
use crate::sampler::{Sampling, choose};
use crate::source::ByteSource;
use crate::source::prefixed::Prefixed;
use crate::source::timed::Timed;
use crate::tokenizer::Tokenizer;
use writer::Writer;

pub use crate::gpu::KvType;
pub use crate::model::ModelOptions as LoadOptions;
pub use conversation::SessionOptions;
pub use inspect::{Inspection, inspect};
pub use measure::{Score, ScoredToken};
pub use options::{GenerateOptions, Overflow};
pub use prompt::{Prompt, Request, Signals};
pub use report::{Info, Memory, Phase, Progress, Stats};
pub use result::{Event, FinishReason, Generation, Likely, Piece, Prefill, Timings, TokenLogprob, Usage};

/// A loaded model with its tokenizer. One request runs at a time.
#[derive(Debug)]
pub struct Engine {
    model: Model,
    tokenizer: Tokenizer,
    file: bench::ModelFile,
    quantisation: String,
    formats: Vec<(String, u64)>,
    chat: bool,
    template: Template,
    tokenizer_ms: f64,
    read_ms: f64,
}

impl Engine {
    /// Reads the header, builds the tokenizer, streams the weights to the GPU.
    ///
    /// # Errors
    /// Every variant of [`Error`] about files, sources and devices.
    pub async fn load<S: ByteSource>(
        source: S,
        options: &LoadOptions,
        cancel: &Cancel,
        on_progress: &mut dyn FnMut(Progress),
    ) -> Result<Self> {
        let mut source = Timed::new(source);
        let total = source.len();
        let mut report = |phase, loaded| on_progress(Progress { phase, loaded, total });
        report(Phase::Header, 0);
        let reading = gguf::read_header(&mut source, cancel);
        let ((header, prefix), opened) = try_join(reading, Opened::new(options)).await?;
        // The architecture is checked before the tokenizer: a file of another model is refused for what it is.
        let config = checked_config(&header)?;
        // The kernels are compiled, in a browser by another process, while the tokenizer is built.
        let prepared = Prepared::new(opened, &header, config, options)?;
        let started = Instant::now();
        let tokenizer = Tokenizer::from_gguf(&header.metadata)?;
        let tokenizer_ms = ms(started);
        report(Phase::Header, header.data_start);
        let file = bench::model_file(source.name(), total, &header);
        let mut rest = Prefixed::new(prefix, &mut source);
        let mut on_bytes = |loaded| report(Phase::Weights, loaded);
        let model = prepared.finish(&header, &mut rest, cancel, &mut on_bytes).await?;
        source.finish(cancel).await?;
        report(Phase::Ready, total.unwrap_or(header.data_start));
        let chat = chat::is_chat(&tokenizer, &header.metadata);
        let template = Template::from_gguf(&header.metadata)?;
        Ok(Self {
            model,
            tokenizer,
            file,
            quantisation: inspect::quantisation(&header)?,
            formats: inspect::formats(&header),
            chat,
            template,
            tokenizer_ms,
            read_ms: source.spent().as_secs_f64() * 1e3,
        })
    }

    /// What is loaded, and on what.
    #[must_use]
    pub fn info(&self) -> Info {
        Info {
            config: self.model.config().clone(),
            context_length: self.model.context(),
            chat: self.chat,
            quantisation: self.quantisation.clone(),
            formats: self.formats.clone(),
            adapter: self.model.gpu().info().clone(),
            gpu_bytes: self.model.gpu_bytes(),
            tuning: self.model.tuning(),
            defaults: GenerateOptions::default(),
        }
    }

    /// Bytes of live GPU buffers by kind.
    #[must_use]
    pub fn memory(&self) -> Memory {
        let kinds = self.model.gpu_bytes();
        Memory { kinds, total: kinds.weights + kinds.kv + kinds.scratch + kinds.sessions }
    }

    /// Running totals.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            counters: self.model.gpu().counters(),
            gpu_bytes: self.model.gpu_bytes(),
            tokenizer_ms: self.tokenizer_ms,
            read_ms: self.read_ms,
        }
    }

    /// Hyper-parameters.
    #[must_use]
    pub fn config(&self) -> &Config {
        self.model.config()
    }

    /// The tokenizer.
    #[must_use]
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Logits `[V]` after the last of `ids`, from an empty cache.
    ///
    /// # Errors
    /// [`Error::InvalidOption`], [`Error::ContextFull`], [`Error::Aborted`], faults of the device.
    pub async fn logits(&mut self, ids: &[u32], cancel: &Cancel) -> Result<Vec<f32>> {
        self.model.forward(ids, 0, cancel).await
    }

    /// Residual stream at the last position: embedding, each block, output norm: `[L + 2][D]`.
    ///
    /// # Errors
    /// As [`Engine::logits`].
    pub async fn hidden(&mut self, ids: &[u32]) -> Result<Vec<Vec<f32>>> {
        self.model.hidden(ids, &Cancel::default()).await
    }

    /// Generates after `ids`, from an empty cache. `on_token` hears each token as it is chosen.
    ///
    /// # Errors
    /// [`Error::InvalidOption`], [`Error::ContextFull`] where the prompt alone doesn't fit, [`Error::Aborted`], faults of the device.
    pub async fn generate(
        &mut self,
        ids: &[u32],
        options: &GenerateOptions,
        cancel: &Cancel,
        on_token: &mut dyn FnMut(&Piece),
    ) -> Result<Generation> {
        options.validate()?;
        let (sampling, seed) = (options.sampling(), options.seed.unwrap_or_else(random_seed));
        sampling.validate_ids(self.model.config().n_vocab)?;
        let mut writer = Writer::new(self, ids, options);
        let finish_reason = match sampling.on_gpu(seed) {
            Some(settings) => self.chosen_by_gpu(&settings, cancel, (&mut writer, on_token)).await?,
            None => self.chosen_by_cpu(&sampling, seed, cancel, (&mut writer, on_token)).await?,
        };
        Ok(writer.finish(finish_reason, seed))
    }

    /// Several tokens are under way at once, each step reading on the GPU what the one before it chose. Those past a stop are dropped:
    /// what they left in the KV cache lies behind the text, where the next tokens overwrite it.
    async fn chosen_by_gpu(
        &self,
        settings: &Settings,
        cancel: &Cancel,
        (writer, on_token): (&mut Writer<'_>, &mut dyn FnMut(&Piece)),
    ) -> Result<FinishReason> {
        let start = writer.ids.len();
        self.model.begin(&writer.ids, 0, settings, cancel).await?;
        // Text positions whose tokens are to be chosen.
        let (mut next, end) = (start + 1, (start + writer.options.max_tokens).min(self.model.context() + 1));
        loop {
            let id = self.model.next_choice(&mut next, end).await?;
            cancel.check()?;
            if let Some(reason) = writer.take(id, self.model.context(), on_token) {
                return Ok(reason);
            }
        }
    }

    /// Logits are read back whole and a token is chosen from all of them.
    async fn chosen_by_cpu(
        &self,
        sampling: &Sampling,
        seed: u64,
        cancel: &Cancel,
        (writer, on_token): (&mut Writer<'_>, &mut dyn FnMut(&Piece)),
    ) -> Result<FinishReason> {
        let mut logits = self.model.forward(&writer.ids, 0, cancel).await?;
        loop {
            let position = writer.ids.len();
            let id = choose(&mut logits, sampling, &writer.ids, seed).ok_or_else(|| Error::Gpu {
                what: format!("the forward pass at position {position}"),
                why: "no logit is finite".to_owned(),
            })?;
            if let Some(reason) = writer.take(id, self.model.context(), on_token) {
                return Ok(reason);
            }
            logits = self.model.forward(&[id], position, cancel).await?;
        }
    }
}

fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

fn log_sum_exp(logits: &[f32]) -> f64 {
    let largest = f64::from(logits.iter().copied().fold(f32::MIN, f32::max));
    largest + logits.iter().map(|l| (f64::from(*l) - largest).exp()).sum::<f64>().ln()
}

/// Another seed each time, below 2^53 so that JS holds it exactly.
fn random_seed() -> u64 {
    // Natively the standard library seeds its hash maps from the system's randomness; in a browser it has none, and the
    // clock tells two texts apart.
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u128(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos()));
    hasher.finish() >> 11
}
