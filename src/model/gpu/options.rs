//! Options of a load.

use crate::error::Result;
use crate::gpu::{GpuOptions, Tuning};
use crate::model::config::Config;
use crate::model::gpu::self_test::tested::{SelfTest, Tested};
use crate::model::state_shape::StateShape;
use crate::quant::KvType;

/// Options of a load.
#[derive(Clone, Debug)]
pub struct ModelOptions {
    /// Positions to keep; `None`: the model's own, at most [`crate::model::state_shape::DEFAULT_CONTEXT`].
    pub context_length: Option<usize>,
    /// Rows of the largest run.
    pub prefill_chunk: usize,
    /// Type of the KV cache.
    pub kv: KvType,
    /// Variants of the kernels; `None`: those that are fastest on the adapter.
    pub tuning: Option<Tuning>,
    /// Comparison of the kernels with their CPU twins before the model is used.
    pub self_test: SelfTest,
    /// Findings of earlier loads on the same adapter, which [`SelfTest::Fast`] does not test again.
    pub tested: Tested,
    /// Adapter and limits.
    pub gpu: GpuOptions,
}

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
    /// Shape of a model's state.
    ///
    /// # Errors
    /// As [`StateShape::new`].
    pub(super) fn shape(&self, config: &Config) -> Result<StateShape> {
        StateShape::new(config, self.context_length, self.prefill_chunk, self.kv)
    }
}
