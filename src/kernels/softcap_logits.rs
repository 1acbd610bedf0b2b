//! Final soft-cap: `x = cap tanh(x / cap)`, `[T, V]`.

use crate::gpu::plan::ExtraBindings;
use crate::gpu::shader::Variant;
use crate::gpu::{Buffer, Dispatch, Extent, Gpu, Grid, Kernel, Plan};

/// `shaders/softcap_logits.wgsl`.
pub static KERNEL: Kernel =
    Kernel { name: "softcap_logits", wgsl: include_str!("../../shaders/softcap_logits.wgsl") };

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    n_cols: u32,
    softcap: f32,
}

/// Caps `x`, `[T, n_cols]` f32, in place.
pub fn record(plan: &mut Plan, gpu: &Gpu, x: &Buffer, n_cols: usize, cap: f32) {
    plan.add(
        gpu,
        "softcap_logits",
        &Dispatch {
            kernel: &KERNEL,
            variant: Variant::Plain,
            params: bytemuck::bytes_of(&Params { n_cols: n_cols as u32, softcap: cap }),
            bindings: &[x],
            extra: ExtraBindings::None,
            grid: Grid { x: (Extent::Fixed(n_cols as u64), 64), y: (Extent::PerToken(1), 1) },
        },
    );
}

/// CPU twin.
pub fn softcap_logits(x: &mut [f32], cap: f32) {
    for x in x {
        *x = softcap(*x, cap);
    }
}

/// `cap tanh(x / cap)`; `x` itself if `cap` is 0.
#[must_use]
pub fn softcap(x: f32, cap: f32) -> f32 {
    if cap > 0.0 { cap * (x / cap).tanh() } else { x }
}
