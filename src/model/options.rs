//! Options of a load.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::model::config::Config;
use crate::model::gpu::self_test::tested::{SelfTest, Tested};
use crate::model::gpu::{Arithmetic, GpuOptions, Tuning};
use crate::model::state_shape::StateShape;
use crate::quant::KvType;

/// Choice of the device that a model runs on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceChoice {
    /// The GPU if there is one, else the CPU.
    #[default]
    Auto,
    /// The GPU, or an error.
    Gpu,
    /// The CPU.
    Cpu,
}

/// Options of a load.
#[derive(Clone, Debug)]
pub struct ModelOptions {
    /// The device.
    pub device: DeviceChoice,
    /// Threads of the CPU; `None`: one for each core.
    pub threads: Option<usize>,
    /// Positions to keep; `None`: the model's own, at most [`crate::model::state_shape::DEFAULT_CONTEXT`].
    pub context_length: Option<usize>,
    /// Rows of the largest run.
    pub prefill_chunk: usize,
    /// Type of the KV cache.
    pub kv: KvType,
    /// Variants of the kernels; `None`: those that are fastest on the adapter. The CPU only looks at the
    /// arithmetic, which is int8 unless this says otherwise.
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
            device: DeviceChoice::Auto,
            threads: None,
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

    /// Whether activations stay f32 on the CPU.
    pub(super) fn is_exact(&self) -> bool {
        self.tuning.is_some_and(|tuning| tuning.arithmetic == Arithmetic::F32)
    }
}
