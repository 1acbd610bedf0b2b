//! A model on the GPU.

use std::cell::Cell;

use serde::Serialize;
use web_time::Instant;

use crate::gpu::{Buffer, Gpu, MemoryKind, Plan, Tuning};
use crate::model::config::Config;
use crate::model::gpu::decode::DecodeState;
use crate::model::gpu::self_test::tested::{Effort, Tested};
use crate::model::gpu::state::State;
use crate::model::gpu::token_ring::TokenRing;
use crate::model::gpu::weights::Weights;
use crate::model::state_shape::StateShape;

/// Bytes of GPU memory by kind.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GpuBytes {
    /// Weights, in planes.
    pub weights: u64,
    /// KV cache.
    pub kv: u64,
    /// Activations, parameters, tables, staging.
    pub scratch: u64,
    /// KV caches of sessions that wait for their turn.
    pub sessions: u64,
}

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
/// The surface that the engine uses. A model on another device would offer the same, except for the last two
/// rows:
///
/// | | |
/// |---|---|
/// | facts | [`Model::config`], [`Model::context`] |
/// | prompt, chunk by chunk | [`Model::ready`], [`Model::next_chunk`], [`Model::feed_chunk`] |
/// | logits | [`Model::forward`] |
/// | tokens | [`Model::begin`], [`Model::next_token`] |
/// | evaluation | [`Model::logits_per_position`], [`Model::hidden_states`], [`Model::mean_hidden_state`] |
/// | KV cache in use | [`Model::can_return`], [`Model::kv_layout`], [`Model::plane_bytes`], [`Model::kv_bytes_read`] |
/// | KV caches swapped out | [`Model::swap_out`], [`Model::swap_in`], [`Model::duplicate`], [`Model::allocate_swapped`], [`Model::read_planes`], [`Model::write_plane`] |
/// | of the GPU: description | [`Model::gpu`], [`Model::gpu_bytes`], [`Model::tuning`], [`Model::variants`], [`Model::tested`] |
/// | of the GPU: benchmark | [`Model::profile`], [`Model::rows`] |
#[derive(Debug)]
pub struct Model {
    pub(super) gpu: Gpu,
    pub(super) config: Config,
    pub(super) shape: StateShape,
    pub(super) weights: Weights,
    pub(super) state: State,
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
    pub fn gpu_bytes(&self) -> GpuBytes {
        GpuBytes {
            weights: self.gpu.bytes_of(MemoryKind::Weights),
            kv: self.gpu.bytes_of(MemoryKind::Kv),
            scratch: self.gpu.bytes_of(MemoryKind::Scratch),
            sessions: self.gpu.bytes_of(MemoryKind::Sessions),
        }
    }
}
