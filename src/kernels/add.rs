//! Residual addition: `x += y`, `[T, N]`.

use crate::gpu::plan::Group1;
use crate::gpu::shader::{STEP, Variant};
use crate::gpu::{Buffer, Count, Dispatch, Gpu, Grid, Kernel, Plan};

/// `shaders/add.wgsl`.
pub static KERNEL: Kernel =
    Kernel { name: "add", wgsl: include_str!("../../shaders/add.wgsl"), libs: &[STEP] };

/// Adds `y` to `x`, both `[T, n_cols]` f32 with `n_cols` a multiple of 4.
pub fn record(plan: &mut Plan, gpu: &Gpu, label: &str, y: &Buffer, x: &Buffer, n_cols: usize) {
    let n_quads = n_cols as u32 / 4;
    plan.add(
        gpu,
        label,
        &Dispatch {
            kernel: &KERNEL,
            variant: Variant::Plain,
            params: bytemuck::bytes_of(&n_quads),
            bindings: &[y, x],
            group1: Group1::None,
            grid: Grid { x: (Count::Fixed(u64::from(n_quads)), 64), y: (Count::PerToken(1), 1) },
        },
    );
}

/// CPU twin.
pub fn add(y: &[f32], x: &mut [f32]) {
    for (x, y) in x.iter_mut().zip(y) {
        *x += y;
    }
}
