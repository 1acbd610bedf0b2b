//! The KV cache of one layer: rotated keys and values by slot, split by heads where a buffer would exceed a binding.

use serde::{Deserialize, Serialize};

use super::buffer::{Buffer, MemoryKind};
use super::device::Gpu;
use super::shader::Variant;
use crate::error::Result;

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
    /// Bytes a channel.
    #[must_use]
    pub fn bytes(self) -> u64 {
        match self {
            Self::F16 => 2,
            Self::F32 => 4,
        }
    }

    /// The shader variant that reads and writes it.
    #[must_use]
    pub fn variant(self) -> Variant {
        match self {
            Self::F16 => Variant::KvF16,
            Self::F32 => Variant::KvF32,
        }
    }
}

/// Extents of a layer's cache.
#[derive(Clone, Copy, Debug)]
pub struct KvShape {
    /// Type of keys and values.
    pub kv: KvType,
    /// Positions kept: the whole context, or a ring for layers with a window.
    pub n_slots: usize,
    /// K.
    pub n_kv_heads: usize,
    /// C.
    pub head_dim: usize,
}

impl KvShape {
    /// Bytes of the keys (or the values) of one head.
    #[must_use]
    pub fn head_bytes(&self) -> u64 {
        (self.n_slots * self.head_dim) as u64 * self.kv.bytes()
    }
}

/// Keys and values of some heads, each `[n_slots, heads, C]`.
#[derive(Debug)]
pub struct KvPart {
    /// First key/value head of this part.
    pub first_head: usize,
    /// Key/value heads in this part.
    pub n_heads: usize,
    /// Rotated keys.
    pub keys: Buffer,
    /// Values.
    pub values: Buffer,
}

impl KvPart {
    /// Bytes of a slot of the keys, and of the values.
    #[must_use]
    pub fn slot_bytes(&self, shape: &KvShape) -> u64 {
        (self.n_heads * shape.head_dim) as u64 * shape.kv.bytes()
    }
}

/// The cache of one layer.
#[derive(Debug)]
pub struct KvCache {
    /// Extents.
    pub shape: KvShape,
    /// Consecutive runs of heads.
    pub parts: Vec<KvPart>,
}

impl KvCache {
    /// Allocates keys and values.
    ///
    /// # Errors
    /// As [`super::Limits::heads_per_part`].
    pub fn allocate(gpu: &Gpu, label: &str, shape: KvShape) -> Result<Self> {
        let per_part = gpu.limits().heads_per_part(&shape)?;
        let part = |first_head: usize| {
            let n_heads = per_part.min(shape.n_kv_heads - first_head);
            let half = |name: &str| {
                gpu.storage(MemoryKind::Kv, &format!("{label} {name}"), n_heads as u64 * shape.head_bytes())
            };
            Ok(KvPart { first_head, n_heads, keys: half("keys")?, values: half("values")? })
        };
        let parts = (0..shape.n_kv_heads).step_by(per_part).map(part).collect::<Result<_>>()?;
        Ok(Self { shape, parts })
    }
}
