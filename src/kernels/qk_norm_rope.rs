//! Norms (Gemma 3) and rotation of queries and keys, and the store of keys and values in the cache. One
//! dispatch per part of the cache.
//!
//! Its CPU twins are [`super::norm_add::rms_norm`], [`super::rope_table::rope`] and [`kv_write`], one after
//! the other.

use crate::gpu::plan::ExtraBindings;
use crate::gpu::shader::Variant;
use crate::gpu::{Buffer, Dispatch, Extent, Gpu, Grid, Kernel, KvCache, Plan};
use crate::quant::KvType;

/// `shaders/qk_norm_rope.wgsl`.
pub static KERNEL: Kernel =
    Kernel { name: "qk_norm_rope", wgsl: include_str!("../../shaders/qk_norm_rope.wgsl") };

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    head_dim: u32,
    n_heads: u32,
    heads_per_kv: u32,
    n_kv_heads: u32,
    first_kv_head: u32,
    total_kv_heads: u32,
    n_slots: u32,
    has_norms: u32,
    eps: f32,
}

/// Queries, keys and values, and what rotates them.
#[derive(Clone, Copy, Debug)]
pub struct Heads<'a> {
    /// `[T, (H + 2 K) C]` f32: queries, keys, values.
    pub qkv: &'a Buffer,
    /// H.
    pub n_heads: usize,
    /// Weights `[2, C]` f32 of the norms of queries and of keys, if the model has them.
    pub norms: Option<&'a Buffer>,
    /// Added to the mean square.
    pub eps: f32,
    /// The layer's RoPE table.
    pub table: &'a Buffer,
}

/// Writes `q_rotated [T, H, C]` f32, and the keys and values of the run into `cache`.
pub fn record(
    plan: &mut Plan,
    gpu: &Gpu,
    label: &str,
    heads: Heads<'_>,
    cache: &KvCache,
    q_rotated: &Buffer,
) {
    let shape = cache.shape;
    let heads_per_kv = heads.n_heads / shape.n_kv_heads;
    // Without norms any buffer will do: it is bound but not read.
    let norms = heads.norms.unwrap_or(heads.table);
    for part in &cache.parts {
        let params = Params {
            head_dim: shape.head_dim as u32,
            n_heads: heads.n_heads as u32,
            heads_per_kv: heads_per_kv as u32,
            n_kv_heads: part.n_heads as u32,
            first_kv_head: part.first_head as u32,
            total_kv_heads: shape.n_kv_heads as u32,
            n_slots: shape.n_slots as u32,
            has_norms: u32::from(heads.norms.is_some()),
            eps: heads.eps,
        };
        let n_heads = part.n_heads * (heads_per_kv + 2);
        plan.add(
            gpu,
            label,
            &Dispatch {
                kernel: &KERNEL,
                variant: Variant::Kv(shape.kv),
                params: bytemuck::bytes_of(&params),
                bindings: &[heads.table, norms, heads.qkv, q_rotated],
                extra: ExtraBindings::Kv(&part.keys, &part.values),
                grid: Grid { x: (Extent::Fixed(n_heads as u64), 1), y: (Extent::PerToken(1), 1) },
            },
        );
    }
}

/// CPU twin of the store: copies rows of `row_len` of `new` (already rotated) to their slots of
/// `cache [n_slots, row_len]`.
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
