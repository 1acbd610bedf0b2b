//! How a model is loaded, and what that means for the sizes of its state.

use crate::error::{Error, Result};
use crate::gpu::GpuOptions;
use crate::gpu::{KvType, Tuning};
use crate::model::Config;
use crate::model::self_test::{SelfTest, Tested};
use crate::model::state::Extents;

/// How a model is loaded.
#[derive(Clone, Debug)]
pub struct ModelOptions {
    /// Positions to keep; `None`: the model's own, at most [`DEFAULT_CONTEXT`].
    pub context_length: Option<usize>,
    /// Rows of the largest run.
    pub prefill_chunk: usize,
    /// Type of the KV cache.
    pub kv: KvType,
    /// Which variants of the decode kernels to use; `None`: those that are fastest on the adapter.
    pub tuning: Option<Tuning>,
    /// Whether the kernels are compared with their CPU twins first.
    pub self_test: SelfTest,
    /// What earlier loads on the same adapter found: not tested again where that is [`SelfTest::Fast`].
    pub tested: Tested,
    /// Adapter and limits.
    pub gpu: GpuOptions,
}

/// Default of [`ModelOptions::context_length`]: a cache that phones hold too.
pub const DEFAULT_CONTEXT: usize = 4096;
const MAX_CHUNK: usize = 1024;

impl Default for ModelOptions {
    fn default() -> Self {
        Self {
            context_length: None,
            prefill_chunk: 256,
            kv: KvType::F16,
            tuning: None,
            self_test: SelfTest::Fast,
            tested: Tested::default(),
            gpu: GpuOptions::default(),
        }
    }
}

impl ModelOptions {
    /// The sizes of a model's state.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] for a context or a chunk out of range.
    pub(super) fn extents(&self, config: &Config) -> Result<Extents> {
        let context = self.context_length.unwrap_or(config.context_length.min(DEFAULT_CONTEXT));
        if context == 0 || context > config.context_length {
            return Err(Error::invalid_option(
                "contextLength",
                context,
                format!("1 to {}", config.context_length),
            ));
        }
        let chunk = self.prefill_chunk;
        if chunk == 0 || chunk > MAX_CHUNK {
            return Err(Error::invalid_option("prefillChunk", chunk, format!("1 to {MAX_CHUNK}")));
        }
        Ok(Extents { context, chunk: chunk.min(context), kv: self.kv })
    }
}
