//! Reduction of the chunks of one token's attention: `[H, C]`, in f32 and as codes. CPU twin: see
//! [`attention_decode`](super::attention_decode).

use super::matvec_common::{Acts, Span};
use crate::gpu::plan::ExtraBindings;
use crate::gpu::shader::Variant;
use crate::gpu::{Buffer, Dispatch, Extent, Gpu, Grid, Kernel, Plan};

/// `shaders/attention_reduce.wgsl`.
pub static KERNEL: Kernel =
    Kernel { name: "attention_reduce", wgsl: include_str!("../../shaders/attention_reduce.wgsl") };

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    head_dim: u32,
    n_heads: u32,
    window: u32,
    out: u32,
    codes: u32,
}

/// Reduces the chunks of `n_heads` heads of `head_dim` channels to `out`.
pub fn record(
    plan: &mut Plan,
    gpu: &Gpu,
    acts: Acts<'_>,
    partials: &Buffer,
    (n_heads, head_dim, window): (usize, usize, Option<usize>),
    out: Span,
) {
    let window = window.unwrap_or(0) as u32;
    let params = Params {
        head_dim: head_dim as u32,
        n_heads: n_heads as u32,
        window,
        out: out.values,
        codes: out.codes,
    };
    plan.add(
        gpu,
        "attention_reduce",
        &Dispatch {
            kernel: &KERNEL,
            variant: Variant::Plain,
            params: bytemuck::bytes_of(&params),
            bindings: &[acts.buffer, partials],
            extra: ExtraBindings::None,
            grid: Grid { x: (Extent::Fixed((n_heads * head_dim / 16) as u64), 64), y: (Extent::Fixed(1), 1) },
        },
    );
}
