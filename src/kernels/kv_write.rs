//! Rotates the keys and stores keys and values in the cache: slot `(position + t) mod n_slots`, `[n_slots, K, C]`.

use crate::gpu::plan::Group1;
use crate::gpu::shader::{ROPE, STEP};
use crate::gpu::{Buffer, Count, Dispatch, Gpu, Grid, Kernel, KvCache, KvType, Plan};

/// `shaders/kv_write.wgsl`.
pub static KERNEL: Kernel =
    Kernel { name: "kv_write", wgsl: include_str!("../../shaders/kv_write.wgsl"), libs: &[STEP, ROPE] };

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    n_channels: u32,
    head_len: u32,
    n_slots: u32,
    first_channel: u32,
    row_channels: u32,
}

/// Stores `k` and `v`, `[T, K, C]` f32, one dispatch a part of the cache.
pub fn record(
    plan: &mut Plan,
    gpu: &Gpu,
    label: &str,
    table: &Buffer,
    k: &Buffer,
    v: &Buffer,
    cache: &KvCache,
) {
    let shape = cache.shape;
    for part in &cache.parts {
        let n_channels = part.n_heads * shape.head_len;
        let params = Params {
            n_channels: n_channels as u32,
            head_len: shape.head_len as u32,
            n_slots: shape.n_slots as u32,
            first_channel: (part.first_head * shape.head_len) as u32,
            row_channels: (shape.n_kv_heads * shape.head_len) as u32,
        };
        plan.add(
            gpu,
            label,
            &Dispatch {
                kernel: &KERNEL,
                variant: shape.kv.variant(),
                params: bytemuck::bytes_of(&params),
                bindings: &[table, k, v],
                group1: Group1::Kv(&part.keys, &part.values),
                grid: Grid { x: (Count::Fixed(n_channels as u64 / 8), 64), y: (Count::PerToken(1), 1) },
            },
        );
    }
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
