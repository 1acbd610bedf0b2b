//! Record of an adapter, which callers keep from one load to the next.

use serde::{Deserialize, Serialize};

use crate::gpu::Tuning;
use crate::model::gpu::self_test::tested::Tested;
use crate::model::memory::DeviceKind;

/// Results of earlier loads on an adapter, which measure and test once.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AdapterRecord {
    /// The fastest variants of the kernels.
    pub tuning: Option<Tuning>,
    /// The kernels that passed a self-test, or were replaced.
    pub tested: Tested,
    /// The faster device, if the choice was left open: this adapter, or the CPU.
    #[serde(default)]
    pub device: Option<DeviceKind>,
}
