//! The KV cache of one layer: rotated keys and values by slot, split by heads if a buffer would exceed a
//! binding.

use super::accounts::MemoryKind;
use super::buffer::Buffer;
use super::device::Gpu;
use super::layout::KvShape;
use crate::error::Result;

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
    /// As [`super::limits::Limits::heads_per_part`].
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
