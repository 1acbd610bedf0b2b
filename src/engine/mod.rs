//! The engine: a loaded model, the sessions it keeps, and one request at a time from a prompt to streamed
//! text.

mod context_fit;
mod generate;
mod history;
mod info;
mod inspect;
mod live_kv;
mod load;
mod options;
mod output;
mod prompt;
mod request;
mod result;
mod save;
mod score;
mod session;
mod sleep;
mod stops;

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};

use web_time::{Instant, SystemTime, UNIX_EPOCH};

use crate::cancel::Cancel;
use crate::chat::Template;
use crate::error::Result;
use crate::model::{Config, Model};
use crate::tokenizer::Tokenizer;
use history::ChatFormat;
use live_kv::LiveKv;
use request::RequestState;
use session::Session;

pub use crate::model::ModelOptions as LoadOptions;
pub use crate::model::gpu::adapter_record::AdapterRecord;
pub use crate::model::gpu::self_test::{Effort, Replaced, SelfTest, Tested, Variants};
pub use crate::quant::KvType;
pub use info::{Info, Memory, ModelFile, Phase, Progress, Stats};
pub use inspect::{Inspection, inspect};
pub use options::{GenerateOptions, Overflow};
pub use prompt::Prompt;
pub use request::{Request, Signals};
pub use result::{Event, FinishReason, Generation, Likely, Piece, Prefill, Timings, TokenLogprob, Usage};
pub use score::{Score, ScoredToken};
pub use session::SessionOptions;

/// A loaded model with its tokenizer and its sessions. One request runs at a time.
#[derive(Debug)]
pub struct Engine {
    /// `None` while the engine sleeps, or when a lost device was not replaced.
    model: Option<Model>,
    /// Options for the next load of the same model: the caller's, with the variants that were chosen.
    options: LoadOptions,
    info: Info,
    tokenizer: Tokenizer,
    file: ModelFile,
    template: Template,
    tokenizer_ms: f64,
    read_ms: f64,
    /// Hash of the file's beginning and tensor table: tells this file from others.
    fingerprint: u64,
    /// Hash of everything that the bytes of a KV cache depend on: tells this model's caches from those of
    /// others.
    kv_layout: u64,
    live_kv: LiveKv,
    sessions: BTreeMap<u32, Session>,
    /// The request whose device was lost.
    suspended: Option<RequestState>,
    /// Number of sessions opened so far: no number is given twice.
    n_opened: u32,
}

impl Engine {
    /// Description of the model and of the adapter it runs on.
    #[must_use]
    pub fn info(&self) -> Info {
        Info { gpu_bytes: self.memory().kinds, ..self.info.clone() }
    }

    /// Results of the self-tests on this adapter. Keep them for the next load, as [`LoadOptions::tested`].
    #[must_use]
    pub fn tested(&self) -> &Tested {
        &self.options.tested
    }

    /// Bytes of live GPU buffers by kind: none while the engine sleeps.
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

    /// Hyper-parameters of the model.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.info.config
    }

    /// Tokenizer of the model.
    #[must_use]
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The loaded file.
    #[must_use]
    pub fn file(&self) -> &ModelFile {
        &self.file
    }

    /// Tokens that fit in the context.
    #[must_use]
    pub fn context_length(&self) -> usize {
        self.info.context_length
    }

    /// The model on its device.
    ///
    /// # Errors
    /// [`crate::Error::DeviceLost`] while there is no device.
    pub(crate) fn model(&self) -> Result<&Model> {
        self.model.as_ref().ok_or_else(sleep::no_device)
    }

    fn chat_format(&self) -> ChatFormat<'_> {
        ChatFormat { tokenizer: &self.tokenizer, template: self.template }
    }

    /// Logits `[V]` after the last of `ids`, from an empty cache.
    ///
    /// # Errors
    /// [`crate::Error::InvalidOption`], [`crate::Error::ContextFull`], [`crate::Error::Aborted`], faults of
    /// the device.
    pub async fn logits(&mut self, ids: &[u32], cancel: &Cancel) -> Result<Vec<f32>> {
        self.clear_kv().await?;
        self.model()?.forward(ids, 0, cancel).await
    }

    /// Residual stream at the last position: embedding, each block, output norm: `[L + 2][D]`.
    ///
    /// # Errors
    /// As [`Engine::logits`].
    pub async fn hidden_states(&mut self, ids: &[u32]) -> Result<Vec<Vec<f32>>> {
        self.clear_kv().await?;
        self.model()?.hidden_states(ids, &Cancel::default()).await
    }

    /// Generates a continuation of `ids` from an empty cache. `on_token` hears each token as it is chosen.
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

/// A new seed at each call, below 2^53 so that JS holds it exactly.
fn random_seed() -> u64 {
    // Natively the standard library seeds its hash maps from the system's randomness; in a browser it has
    // none, and the clock tells two texts apart.
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u128(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos()));
    hasher.finish() >> 11
}
