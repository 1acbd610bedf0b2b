//! Final soft-cap: `x = cap tanh(x / cap)`, `[T, V]`.

use crate::gpu::plan::Group1;
use crate::gpu::shader::{MATH, STEP, Variant};
use crate::gpu::{Buffer, Count, Dispatch, Gpu, Grid, Kernel, Plan};

/// `shaders/cap_logits.wgsl`.
pub static KERNEL: Kernel =
    Kernel { name: "cap_logits", wgsl: include_str!("../../shaders/cap_logits.wgsl"), libs: &[STEP, MATH] };

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    n_cols: u32,
    cap: f32,
}

/// Caps `x`, `[T, n_cols]` f32, in place.
pub fn record(plan: &mut Plan, gpu: &Gpu, x: &Buffer, n_cols: usize, cap: f32) {
    plan.add(
        gpu,
        "cap_logits",
        &Dispatch {
            kernel: &KERNEL,
            variant: Variant::Plain,
            params: bytemuck::bytes_of(&Params { n_cols: n_cols as u32, cap }),
            bindings: &[x],
            group1: Group1::None,
            grid: Grid { x: (Count::Fixed(n_cols as u64), 64), y: (Count::PerToken(1), 1) },
        },
    );
}

/// CPU twin.
pub fn cap_logits(x: &mut [f32], cap: f32) {
    for x in x {
        *x = soft_cap(*x, cap);
    }
}

/// `cap tanh(x / cap)`; `x` itself where `cap` is 0.
#[must_use]
pub fn soft_cap(x: f32, cap: f32) -> f32 {
    if cap > 0.0 { cap * (x / cap).tanh() } else { x }
}
