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
mod respond;
mod result;
mod save;
mod score;
mod session;
mod sessions;
mod sleep;
mod state;
mod stops;

pub use crate::model::ModelOptions as LoadOptions;
pub use crate::model::gpu::adapter_record::AdapterRecord;
pub use crate::model::gpu::self_test::{Effort, Replaced, SelfTest, Tested, Variants};
pub use crate::quant::KvType;
pub use info::{Info, Memory, ModelFile, Phase, Progress, Stats};
pub use inspect::{Inspection, inspect};
pub use options::{GenerateOptions, Overflow};
pub use request::{Prompt, Request, Signals};
pub use result::{Event, FinishReason, Generation, Likely, Piece, Prefill, Timings, TokenLogprob, Usage};
pub use score::{Score, ScoredToken};
pub use session::SessionOptions;
pub use state::Engine;
