//! Memory of a model: bytes by purpose, and the plan of them with a verdict.

use std::ops::Add;

use serde::{Deserialize, Serialize};

/// A device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceKind {
    /// The graphics card.
    Gpu,
    /// The processor.
    Cpu,
}

/// Bytes of a device's memory by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceBytes {
    /// Weights, as the device stores them.
    pub weights: u64,
    /// KV cache.
    pub kv: u64,
    /// Activations, parameters, tables, staging.
    pub scratch: u64,
    /// KV caches of sessions that wait for their turn.
    pub sessions: u64,
}

impl DeviceBytes {
    /// The sum of all kinds.
    #[must_use]
    pub fn total(self) -> u64 {
        self.weights + self.kv + self.scratch + self.sessions
    }
}

impl Add for DeviceBytes {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            weights: self.weights + other.weights,
            kv: self.kv + other.kv,
            scratch: self.scratch + other.scratch,
            sessions: self.sessions + other.sessions,
        }
    }
}

/// Memory that a model takes on a device, and whether the device can hold it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MemoryPlan {
    /// The device.
    pub device: DeviceKind,
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
