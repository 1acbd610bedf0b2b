//! A model on the GPU.

use std::cell::Cell;

use web_time::Instant;

use crate::gpu::{Buffer, Gpu, MemoryKind, Plan, Tuning};
use crate::model::config::Config;
use crate::model::device::{State, Weights};
use crate::model::gpu::decode::DecodeState;
use crate::model::gpu::self_test::tested::{Effort, Tested};
use crate::model::gpu::token_ring::TokenRing;
use crate::model::memory::DeviceBytes;
use crate::model::state_shape::StateShape;

/// Plans that run many times.
#[derive(Debug)]
pub(super) struct Plans {
    /// ids to the residual stream after the last block.
    pub prefill: Plan,
    /// The last row of a prefill to its logits.
    pub head: Plan,
    /// A token's id to its logits.
    pub decode: Plan,
    /// Logits to the next token's id.
    pub sample: Plan,
}

impl Plans {
    pub(super) fn all(&self) -> [&Plan; 4] {
        [&self.decode, &self.sample, &self.head, &self.prefill]
    }
}

/// A loaded model. Positions are fed in order; to start over, feed position 0 again.
///
/// Its surface is described at [`crate::model::Model`].
#[derive(Debug)]
pub struct Model {
    pub(super) gpu: Gpu,
    pub(super) config: Config,
    pub(super) shape: StateShape,
    pub(super) weights: Weights<Gpu>,
    pub(super) state: State<Gpu>,
    pub(super) decode: DecodeState,
    pub(super) plans: Plans,
    pub(super) staging: Buffer,
    pub(super) ring: TokenRing,
    pub(super) tuning: Tuning,
    /// Findings of self-tests on this adapter, and the effort of the last one.
    pub(super) tested: Tested,
    pub(super) effort: Effort,
    /// Rows of the next chunk of a prompt: more, as long as a chunk stays within the time budget.
    pub(super) rows: Cell<usize>,
    /// Submissions that a chunk is divided into.
    pub(super) pieces: Cell<usize>,
    /// Milliseconds that a read-back takes on an idle GPU, and a step.
    pub(super) readback_ms: f64,
    pub(super) step_ms: Cell<f64>,
    /// Arrival of the latest token of a generation.
    pub(super) last_token: Cell<Option<Instant>>,
}

impl Model {
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

    /// Variants of the kernels that run.
    #[must_use]
    pub fn tuning(&self) -> Tuning {
        self.tuning
    }

    /// Findings of self-tests on this adapter, for the next load.
    #[must_use]
    pub fn tested(&self) -> &Tested {
        &self.tested
    }

    /// Positions that fit.
    #[must_use]
    pub fn context(&self) -> usize {
        self.shape.context
    }

    /// Bytes of GPU memory held.
    #[must_use]
    pub fn gpu_bytes(&self) -> DeviceBytes {
        DeviceBytes {
            weights: self.gpu.bytes_of(MemoryKind::Weights),
            kv: self.gpu.bytes_of(MemoryKind::Kv),
            scratch: self.gpu.bytes_of(MemoryKind::Scratch),
            sessions: self.gpu.bytes_of(MemoryKind::Sessions),
        }
    }
}
