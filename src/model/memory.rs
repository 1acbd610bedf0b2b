//! Memory plan of a model: bytes by purpose, and a verdict.

use serde::Serialize;

/// Memory that a model takes on a device, and whether the device can hold it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MemoryPlan {
    /// Positions that the plan is for.
    pub context_length: usize,
    /// Bytes of each tensor, or fused tensors, as the device stores them, largest first.
    pub tensors: Vec<(String, u64)>,
    /// Bytes of all weights.
    pub weights: u64,
    /// Bytes of the KV cache.
    pub kv: u64,
    /// Bytes of activations, tables, parameters and staging.
    pub scratch: u64,
    /// Bytes of all three.
    pub total: u64,
    /// Whether they can be allocated.
    pub verdict: Verdict,
}

/// Verdict on a plan. WebGPU does not say how much memory there is, only how large one buffer may be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Verdict {
    /// As requested.
    Fits,
    /// Only with a shorter context.
    FitsWithContext {
        /// The longest context that fits.
        max_context_length: usize,
    },
    /// Not at all.
    DoesNotFit {
        /// The buffer.
        what: String,
        /// Bytes it needs.
        needs: u64,
        /// Bytes the device offers.
        offers: u64,
    },
}
