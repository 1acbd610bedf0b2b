//! Storage types of cached keys and values.

use serde::{Deserialize, Serialize};

/// Type of the cached keys and values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KvType {
    /// Half the memory; logits move by a few hundredths.
    #[default]
    F16,
    /// For comparisons with exact results.
    F32,
}

impl KvType {
    /// Bytes of a channel.
    #[must_use]
    pub fn bytes(self) -> u64 {
        match self {
            Self::F16 => 2,
            Self::F32 => 4,
        }
    }
}
