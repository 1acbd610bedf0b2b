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
mod revive;
mod snapshot;
mod stops;
mod writer;

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};

use web_time::{Instant, SystemTime, UNIX_EPOCH};

use crate::cancel::Cancel;
use crate::chat::{self, Template};
use crate::error::{Error, Result};
use crate::model::{Config, Model};
use crate::source::ByteSource;
use crate::tokenizer::Tokenizer;
use active::Active;
use conversation::Conversation;
use generate::Begun;
use revive::{Brought, Met, bring};

pub use crate::model::ModelOptions as LoadOptions;
pub use crate::model::gpu::self_test::{Effort, Replaced, SelfTest, Tested, Variants};
pub use crate::quant::KvType;
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
    /// None while it sleeps, and where a lost device was not replaced.
    model: Option<Model>,
    /// Those it was loaded with, the variants it then chose among them.
    options: LoadOptions,
    info: Info,
    tokenizer: Tokenizer,
    file: bench::ModelFile,
    template: Template,
    tokenizer_ms: f64,
    read_ms: f64,
    /// Tells this file from others.
    fingerprint: u64,
    /// Tells this model's KV caches from those of others.
    layout: u64,
    active: Active,
    sessions: BTreeMap<u32, Conversation>,
    /// A request whose device was lost.
    suspended: Option<Begun>,
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
        let mut found = None;
        let mut meet = |met: &Met<'_>| {
            let started = Instant::now();
            let tokenizer = Tokenizer::from_gguf(&met.header.metadata)?;
            found = Some((tokenizer, ms(started), met.fingerprint(), met.file()));
            Ok(())
        };
        let Brought { model, header, read_ms } =
            bring(source, options, cancel, on_progress, &mut meet).await?;
        let missing = || Error::Internal { what: "a model came without its tokenizer".to_owned() };
        let (tokenizer, tokenizer_ms, fingerprint, file) = found.ok_or_else(missing)?;
        let info = Info {
            config: model.config().clone(),
            context_length: model.context(),
            chat: chat::is_chat(&tokenizer, &header.metadata),
            quantisation: inspect::quantisation(&header)?,
            formats: inspect::formats(&header),
            adapter: model.gpu().info().clone(),
            gpu_bytes: model.gpu_bytes(),
            tuning: model.tuning(),
            variants: model.variants(),
            defaults: GenerateOptions::default(),
        };
        Ok(Self {
            layout: snapshot::layout(fingerprint, &model),
            fingerprint,
            options: revive::again(options, &model),
            model: Some(model),
            info,
            tokenizer,
            file,
            template: Template::from_gguf(&header.metadata)?,
            tokenizer_ms,
            read_ms,
            active: Active::default(),
            sessions: BTreeMap::new(),
            suspended: None,
            n_opened: 0,
        })
    }

    /// What is loaded, and on what.
    #[must_use]
    pub fn info(&self) -> Info {
        Info { gpu_bytes: self.memory().kinds, ..self.info.clone() }
    }

    /// What self-tests found on this adapter: to be kept for the next load, as [`LoadOptions::tested`].
    #[must_use]
    pub fn tested(&self) -> &Tested {
        &self.options.tested
    }

    /// Bytes of live GPU buffers by kind: none while it sleeps.
    #[must_use]
    pub fn memory(&self) -> Memory {
        let kinds = self.model.as_ref().map(Model::gpu_bytes).unwrap_or_default();
        Memory { kinds, total: kinds.weights + kinds.kv + kinds.scratch + kinds.sessions }
    }

    /// Running totals since the device was made.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            counters: self.model.as_ref().map(|model| model.gpu().counters()).unwrap_or_default(),
            gpu_bytes: self.memory().kinds,
            tokenizer_ms: self.tokenizer_ms,
            read_ms: self.read_ms,
        }
    }

    /// Hyper-parameters.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.info.config
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
        self.model()?.forward(ids, 0, cancel).await
    }

    /// Residual stream at the last position: embedding, each block, output norm: `[L + 2][D]`.
    ///
    /// # Errors
    /// As [`Engine::logits`].
    pub async fn hidden_states(&mut self, ids: &[u32]) -> Result<Vec<Vec<f32>>> {
        self.vacate().await?;
        self.model()?.hidden_states(ids, &Cancel::default()).await
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
