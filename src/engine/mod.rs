//! The engine: a loaded model, the sessions it keeps, and one request at a time from a prompt to streamed
//! text.
//!
//! Callers hold one object, [`Engine`]. Its methods are in several files, by subject:
//!
//! - `load`, `sleep`, `state`: the engine from load to reload, and its state between calls,
//! - `inspect`, `info`: descriptions of a file, a loaded model, and the progress of a load,
//! - `request`, `options`, `result`: the input and the output of a request,
//! - `respond`, `generate`, `output`, `stops`: one request, from the fit into the context to the end of the
//!   text,
//! - `prompt`, `history`, `context_fit`: the ids of prompts and conversations, cut to the context,
//! - `session`, `sessions`, `live_kv`, `save`: conversations, the KV cache that one of them has, and saved
//!   ones,
//! - `score`: logits, embeddings and likelihoods of given text.

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
mod respond;
mod result;
mod save;
mod score;
mod session;
mod sessions;
mod sleep;
mod state;
mod stops;

pub use crate::model::cpu::model::Processor;
pub use crate::model::gpu::adapter_record::AdapterRecord;
pub use crate::model::gpu::self_test::{Effort, Replaced, SelfTest, Tested, Variants};
pub use crate::model::memory::DeviceKind;
pub use crate::model::{DeviceChoice, ModelOptions as LoadOptions};
pub use crate::quant::KvType;
pub use info::{GpuFacts, Info, Memory, ModelFile, Phase, Progress, Stats};
pub use inspect::{Inspection, inspect};
pub use options::{GenerateOptions, Overflow};
pub use request::{Prompt, Request, Signals};
pub use result::{Event, FinishReason, Generation, Likely, Piece, Prefill, Timings, TokenLogprob, Usage};
pub use score::{Score, ScoredToken};
pub use session::SessionOptions;
pub use state::Engine;
