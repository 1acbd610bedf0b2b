//! Attention of one token out of its chunks: `[H, C]`, in f32 and as codes. CPU twin: see [`attend`](super::attend).

use super::rows::Acts;
use crate::gpu::plan::Group1;
use crate::gpu::shader::{CHUNKS, ENCODE, STEP, Variant};
use crate::gpu::{Buffer, Count, Dispatch, Gpu, Grid, Kernel, Plan};

/// `shaders/merge.wgsl`.
pub static KERNEL: Kernel =
    Kernel { name: "merge", wgsl: include_str!("../../shaders/merge.wgsl"), libs: &[STEP, CHUNKS, ENCODE] };

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    head_len: u32,
    n_heads: u32,
    window: u32,
    out: u32,
    codes: u32,
}

/// Merges the chunks of `n_heads` heads of `head_len` channels into quads from `out` on, and their codes from `codes` on.
pub fn record(
    plan: &mut Plan,
    gpu: &Gpu,
    acts: Acts<'_>,
    partials: &Buffer,
    (n_heads, head_len, window): (usize, usize, Option<usize>),
    (out, codes): (u32, u32),
) {
    let window = window.unwrap_or(0) as u32;
    let params = Params { head_len: head_len as u32, n_heads: n_heads as u32, window, out, codes };
    plan.add(
        gpu,
        "merge",
        &Dispatch {
            kernel: &KERNEL,
            variant: Variant::Plain,
            params: bytemuck::bytes_of(&params),
            bindings: &[acts.buffer, partials],
            group1: Group1::None,
            grid: Grid { x: (Count::Fixed((n_heads * head_len / 16) as u64), 64), y: (Count::Fixed(1), 1) },
        },
    );
}
