//! From a file and a prompt to streamed text: loads the engine, feeds the prompt in chunks, samples, stops, and keeps time.

mod active;
pub mod bench;
mod conversation;
mod dialogue;
mod generate;
mod inspect;
mod logit_bias;
mod logprobs;
mod measure;
mod options;
mod overflow;
mod prompt;
mod report;
mod respond;
mod result;
mod snapshot;
mod stops;
mod writer;

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};

use futures_util::future::try_join;
use web_time::{Instant, SystemTime, UNIX_EPOCH};

use crate::cancel::Cancel;
use crate::chat::{self, Template};
#[cfg(doc)]
use crate::error::Error;
use crate::error::Result;
use crate::gguf;
use crate::model::load::{Opened, Prepared};
use crate::model::tensors::checked_config;
use crate::model::{Config, Model};
use crate::source::ByteSource;
use crate::source::prefixed::Prefixed;
use crate::source::timed::Timed;
use crate::tokenizer::Tokenizer;
use active::Active;
use conversation::Conversation;

pub use crate::gpu::KvType;
pub use crate::model::ModelOptions as LoadOptions;
pub use conversation::SessionOptions;
pub use inspect::{Inspection, inspect};
pub use measure::{Score, ScoredToken};
pub use options::{GenerateOptions, Overflow};
pub use prompt::{Prompt, Request, Signals};
pub use report::{Info, Memory, Phase, Progress, Stats};
pub use result::{Event, FinishReason, Generation, Likely, Piece, Prefill, Timings, TokenLogprob, Usage};

/// A loaded model with its tokenizer, and the conversations it keeps. One request runs at a time.
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
    /// Tells this model's KV caches from those of others.
    layout: u64,
    active: Active,
    sessions: BTreeMap<u32, Conversation>,
    /// No number is given twice.
    n_opened: u32,
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
        let fingerprint = snapshot::fingerprint(&header, &prefix);
        let mut rest = Prefixed::new(prefix, &mut source);
        let mut on_bytes = |loaded| report(Phase::Weights, loaded);
        let model = prepared.finish(&header, &mut rest, cancel, &mut on_bytes).await?;
        source.finish(cancel).await?;
        report(Phase::Ready, total.unwrap_or(header.data_start));
        let chat = chat::is_chat(&tokenizer, &header.metadata);
        let template = Template::from_gguf(&header.metadata)?;
        Ok(Self {
            layout: snapshot::layout(fingerprint, &model),
            model,
            tokenizer,
            file,
            quantisation: inspect::quantisation(&header)?,
            formats: inspect::formats(&header),
            chat,
            template,
            tokenizer_ms,
            read_ms: source.spent().as_secs_f64() * 1e3,
            active: Active::default(),
            sessions: BTreeMap::new(),
            n_opened: 0,
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
        self.vacate().await?;
        self.model.forward(ids, 0, cancel).await
    }

    /// Residual stream at the last position: embedding, each block, output norm: `[L + 2][D]`.
    ///
    /// # Errors
    /// As [`Engine::logits`].
    pub async fn hidden(&mut self, ids: &[u32]) -> Result<Vec<Vec<f32>>> {
        self.vacate().await?;
        self.model.hidden(ids, &Cancel::default()).await
    }

    /// Generates after `ids`, from an empty cache. `on_token` hears each token as it is chosen.
    ///
    /// # Errors
    /// As [`Engine::respond`].
    pub async fn generate(
        &mut self,
        ids: &[u32],
        options: &GenerateOptions,
        cancel: &Cancel,
        on_token: &mut dyn FnMut(&Piece),
    ) -> Result<Generation> {
        let prompt = Prompt::Ids(ids.to_vec());
        let request = Request { prompt, session: None, options: options.clone() };
        let signals = Signals { cancel: cancel.clone(), ..Signals::default() };
        let mut on_event = |event: &Event| {
            if let Event::Token(piece) = event {
                on_token(piece);
            }
        };
        self.respond(&request, &signals, &mut on_event).await
    }
}

fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

/// Another seed each time, below 2^53 so that JS holds it exactly.
fn random_seed() -> u64 {
    // Natively the standard library seeds its hash maps from the system's randomness; in a browser it has none, and the
    // clock tells two texts apart.
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u128(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos()));
    hasher.finish() >> 11
}
