//! Attention of one token in chunks of keys, with everything around it: norms and rotation of queries and of the newest key, the
//! store of key and value. [`merge`](super::merge) makes one result of the chunks.
//!
//! CPU twin, of both: [`rms_norm`](super::norm_add::rms_norm), [`rope`](super::rope::rope), [`kv_write`](super::rotate::kv_write),
//! [`attention`](super::attention::attention).

use super::attention::Shape;
use super::rows::Acts;
use crate::gpu::plan::Group1;
use crate::gpu::shader::{CHUNKS, MATH, ROPE, STEP};
use crate::gpu::{Buffer, Count, Dispatch, Gpu, Grid, Kernel, KvCache, Plan};

/// `shaders/attend.wgsl`.
pub static KERNEL: Kernel = Kernel {
    name: "attend",
    wgsl: include_str!("../../shaders/attend.wgsl"),
    libs: &[STEP, MATH, ROPE, CHUNKS],
};

/// Query heads that a workgroup takes together.
const HEADS: usize = 4;

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    head_len: u32,
    n_heads: u32,
    n_kv_heads: u32,
    part_kv_heads: u32,
    first_kv_head: u32,
    n_slots: u32,
    window: u32,
    qkv: u32,
    scale: f32,
    cap: f32,
    eps: f32,
    has_norms: u32,
}

/// What attention of a layer reads beside the cache.
#[derive(Clone, Copy, Debug)]
pub struct Heads<'a> {
    /// Quad of the raw queries, keys and values, `[(H + 2K) C]`.
    pub qkv: u32,
    /// `[2, C]`: norms of queries and keys (Gemma 3).
    pub norms: Option<&'a Buffer>,
    /// RoPE table of the layer.
    pub rope_table: &'a Buffer,
    /// Added to the mean square.
    pub eps: f32,
}

/// Bytes of the results of all chunks, for heads of C channels.
#[must_use]
pub fn partial_bytes(n_heads: usize, head_len: usize) -> u64 {
    4 * crate::gpu::plan::MAX_CHUNKS * (n_heads * (head_len + 4)) as u64
}

/// Stores the newest key and value in `cache` and attends over it, one dispatch a part of it.
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
            head_len: cache.shape.head_len as u32,
            n_heads: shape.n_heads as u32,
            n_kv_heads: cache.shape.n_kv_heads as u32,
            part_kv_heads: part.n_heads as u32,
            first_kv_head: part.first_head as u32,
            n_slots: cache.shape.n_slots as u32,
            window: window as u32,
            qkv: heads.qkv,
            scale: shape.scale,
            cap: shape.cap,
            eps: heads.eps,
            has_norms: u32::from(heads.norms.is_some()),
        };
        plan.add(
            gpu,
            "attend",
            &Dispatch {
                kernel: &KERNEL,
                variant: cache.shape.kv.variant(),
                params: bytemuck::bytes_of(&params),
                // Something must be bound for the norms; what it is makes no difference where there are none.
                bindings: &[acts.buffer, heads.rope_table, heads.norms.unwrap_or(heads.rope_table), partials],
                group1: Group1::Kv(&part.keys, &part.values),
                grid: Grid {
                    x: (Count::Chunks(window as u64), 1),
                    y: (Count::Fixed((part.n_heads * groups) as u64), 1),
                },
            },
        );
    }
}
