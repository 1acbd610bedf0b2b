//! Attention of one token over chunks of keys (split-K, as in `FlashDecoding`), fused with the norms and the
//! rotation of the queries and of the newest key, and with the store of the newest key and value.
//! [`attention_reduce`](super::attention_reduce) combines the results of the chunks.
//!
//! CPU twin of both: [`rms_norm`](super::norm_add::rms_norm), [`rope`](super::rope_table::rope),
//! [`kv_write`](super::qk_norm_rope::kv_write), [`attention`](super::attention_prefill::attention).

use super::attention_prefill::Shape;
use super::matvec_common::Acts;
use crate::gpu::plan::ExtraBindings;
use crate::gpu::shader::Variant;
use crate::gpu::{Buffer, Dispatch, Extent, Gpu, Grid, Kernel, KvCache, Plan, RunParams};

/// `shaders/attention_decode.wgsl`.
pub static KERNEL: Kernel =
    Kernel { name: "attention_decode", wgsl: include_str!("../../shaders/attention_decode.wgsl") };

/// Query heads that a workgroup computes together.
const HEADS: usize = 4;

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    head_dim: u32,
    n_heads: u32,
    n_kv_heads: u32,
    part_kv_heads: u32,
    first_kv_head: u32,
    n_slots: u32,
    window: u32,
    qkv: u32,
    scale: f32,
    softcap: f32,
    eps: f32,
    has_norms: u32,
}

/// Inputs of a layer's attention besides the cache.
#[derive(Clone, Copy, Debug)]
pub struct Heads<'a> {
    /// First quad of the raw queries, keys and values, `[(H + 2K) C]`.
    pub qkv: u32,
    /// `[2, C]`: norms of queries and keys (Gemma 3).
    pub norms: Option<&'a Buffer>,
    /// RoPE table of the layer.
    pub rope_table: &'a Buffer,
    /// Added to the mean square.
    pub eps: f32,
}

/// Keys of a block; shaders/lib/chunks.wgsl has the same constant.
pub const BLOCK: u64 = 64;
/// Maximum number of chunks for the keys of a query; shaders/lib/chunks.wgsl has the same constant.
pub const MAX_CHUNKS: u64 = 32;

/// Number of chunks for the query of a run: at most [`MAX_CHUNKS`], each of whole blocks of keys. If `window`
/// is 0, the query sees all keys before it.
#[must_use]
pub fn n_chunks(params: RunParams, window: u64) -> u64 {
    let n_seen = u64::from(params.position) + 1;
    let n_keys = if window == 0 { n_seen } else { window.min(n_seen) };
    let per_chunk = n_keys.div_ceil(BLOCK).div_ceil(MAX_CHUNKS) * BLOCK;
    n_keys.div_ceil(per_chunk)
}

/// Bytes of the results of all chunks, for heads of C channels.
#[must_use]
pub fn partial_bytes(n_heads: usize, head_dim: usize) -> u64 {
    4 * MAX_CHUNKS * (n_heads * (head_dim + 4)) as u64
}

/// Stores the newest key and value in `cache` and attends over it, one dispatch per part of it.
pub fn record(
    plan: &mut Plan,
    gpu: &Gpu,
    acts: Acts<'_>,
    heads: Heads<'_>,
    cache: &KvCache,
    partials: &Buffer,
    shape: Shape,
) {
    let window = shape.window.unwrap_or(0);
    let groups = (shape.n_heads / cache.shape.n_kv_heads).div_ceil(HEADS);
    for part in &cache.parts {
        let params = Params {
            head_dim: cache.shape.head_dim as u32,
            n_heads: shape.n_heads as u32,
            n_kv_heads: cache.shape.n_kv_heads as u32,
            part_kv_heads: part.n_heads as u32,
            first_kv_head: part.first_head as u32,
            n_slots: cache.shape.n_slots as u32,
            window: window as u32,
            qkv: heads.qkv,
            scale: shape.scale,
            softcap: shape.softcap,
            eps: heads.eps,
            has_norms: u32::from(heads.norms.is_some()),
        };
        plan.add(
            gpu,
            "attention_decode",
            &Dispatch {
                kernel: &KERNEL,
                variant: Variant::Kv(cache.shape.kv),
                params: bytemuck::bytes_of(&params),
                // Without norms any buffer will do: it is bound but not read.
                bindings: &[acts.buffer, heads.rope_table, heads.norms.unwrap_or(heads.rope_table), partials],
                extra: ExtraBindings::Kv(&part.keys, &part.values),
                grid: Grid {
                    x: (Extent::Of(n_chunks, window as u64), 1),
                    y: (Extent::Fixed((part.n_heads * groups) as u64), 1),
                },
            },
        );
    }
}
