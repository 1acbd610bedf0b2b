//! Variants of the kernels that a model runs, for its description.

use serde::Serialize;

use crate::gpu::{Arithmetic, Lanes};
use crate::model::gpu::model::Model;
use crate::model::gpu::self_test::run::kernels_of;
use crate::model::gpu::self_test::tested::{Effort, Replaced};
use crate::quant::KvType;

/// Variants of the kernels that run, and those that do not because they are wrong here.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Variants {
    /// `f32` or `int8`.
    pub arithmetic: &'static str,
    /// Lanes that share rows of a matrix.
    pub lanes: u32,
    /// Whether kernels compute sums by subgroups.
    pub subgroups: bool,
    /// Type of the KV cache.
    pub kv: KvType,
    /// Every kernel that the model takes, with its variant.
    pub kernels: Vec<String>,
    /// Variants that self-tests found wrong on this adapter, with any model.
    pub replaced: Vec<Replaced>,
    /// Effort of the self-test of this load; its findings count for the next one.
    pub self_test: Effort,
}

impl Model {
    /// Variants of the kernels that run, and those that the self-test replaced.
    #[must_use]
    pub fn variants(&self) -> Variants {
        Variants {
            arithmetic: if self.tuning.arithmetic == Arithmetic::Int8 { "int8" } else { "f32" },
            lanes: if self.tuning.lanes == Lanes::One { 1 } else { 32 },
            subgroups: self.gpu.subgroups(),
            kv: self.shape.kv,
            kernels: kernels_of(&self.plans.all()).into_iter().map(|(name, _)| name).collect(),
            replaced: self.tested.failed.iter().map(|(_, about)| about.clone()).collect(),
            self_test: self.effort,
        }
    }
}
