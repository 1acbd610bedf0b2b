//! Rotates the keys and stores keys and values in the cache: slot `(position + t) mod n_slots`, `[n_slots, K, C]`.

use serde::{Deserialize, Serialize};

use crate::gpu::plan::Group1;
use crate::gpu::shader::{ROPE, STEP, Variant};
use crate::gpu::{Buffer, Count, Dispatch, Gpu, Grid, Kernel, Plan};

/// `shaders/kv_write.wgsl`.
pub static KERNEL: Kernel = Kernel {
    name: "kv_write",
    wgsl: include_str!("../../shaders/kv_write.wgsl"),
    libs: &[STEP, ROPE],
};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    n_channels: u32,
    head_len: u32,
    n_slots: u32,
    pad: u32,
}

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

/// The cache of one layer: keys and values `[n_slots, K, C]`.
#[derive(Debug)]
pub struct KvCache {
    /// Type of both.
    pub kv: KvType,
    /// Positions kept: the whole context, or a ring for layers with a window.
    pub n_slots: usize,
    /// K.
    pub n_kv_heads: usize,
    /// C.
    pub head_len: usize,
    /// Rotated keys.
    pub keys: Buffer,
    /// Values.
    pub values: Buffer,
}

/// Stores `k` and `v`, `[T, K, C]` f32.
pub fn record(
    plan: &mut Plan,
    gpu: &Gpu,
    label: &str,
    table: &Buffer,
    k: &Buffer,
    v: &Buffer,
    cache: &KvCache,
) {
    let n_channels = cache.n_kv_heads * cache.head_len;
    let params = Params {
        n_channels: n_channels as u32,
        head_len: cache.head_len as u32,
        n_slots: cache.n_slots as u32,
        pad: 0,
    };
    plan.add(
        gpu,
        label,
        &Dispatch {
            kernel: &KERNEL,
            variant: cache.kv.variant(),
            params: bytemuck::bytes_of(&params),
            bindings: &[table, k, v],
            group1: Group1::Kv(&cache.keys, &cache.values),
            grid: Grid {
                x: (Count::Fixed(n_channels as u64 / 8), 64),
                y: (Count::PerToken(1), 1),
            },
        },
    );
}

/// CPU twin of the store: copies rows of `row_len` of `new` (already rotated) to their slots of `cache [n_slots, row_len]`.
pub fn kv_write(new: &[f32], cache: &mut [f32], row_len: usize, n_slots: usize, position: usize, kv: KvType) {
    for (t, row) in new.chunks_exact(row_len).enumerate() {
        let slot = (position + t) % n_slots;
        if let Some(kept) = cache.chunks_exact_mut(row_len).nth(slot) {
            for (kept, new) in kept.iter_mut().zip(row) {
                *kept = match kv {
                    KvType::F16 => half::f16::from_f32(*new).to_f32(),
                    KvType::F32 => *new,
                };
            }
        }
    }
}
