//! RMS normalisation: `y = x rsqrt(mean(x^2) + eps) w`, rows of `N`; `w` already holds Gemma's `1 + w`.

use crate::gpu::plan::Group1;
use crate::gpu::shader::{REDUCE, STEP, Variant};
use crate::gpu::{Buffer, Count, Dispatch, Gpu, Grid, Kernel, Plan};

/// `shaders/rms_norm.wgsl`.
pub static KERNEL: Kernel =
    Kernel { name: "rms_norm", wgsl: include_str!("../../shaders/rms_norm.wgsl"), libs: &[STEP, REDUCE] };

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    n_quads: u32,
    rows_per_token: u32,
    eps: f32,
    pad: u32,
}

/// What is normalised: rows of `n_cols` (a multiple of 4), `rows_per_token` of them a token.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// N.
    pub n_cols: usize,
    /// 1 for the residual stream, the number of heads for queries and keys.
    pub rows_per_token: usize,
    /// Added to the mean square.
    pub eps: f32,
}

/// Normalises `x` into `y` (different buffers) with weights `w [N]`.
pub fn record(plan: &mut Plan, gpu: &Gpu, label: &str, x: &Buffer, w: &Buffer, y: &Buffer, shape: Shape) {
    let params = Params {
        n_quads: shape.n_cols as u32 / 4,
        rows_per_token: shape.rows_per_token as u32,
        eps: shape.eps,
        pad: 0,
    };
    plan.add(
        gpu,
        label,
        &Dispatch {
            kernel: &KERNEL,
            variant: Variant::Plain,
            params: bytemuck::bytes_of(&params),
            bindings: &[x, w, y],
            group1: Group1::None,
            grid: Grid { x: (Count::PerToken(shape.rows_per_token as u64), 1), y: (Count::Fixed(1), 1) },
        },
    );
}

/// CPU twin: rows are as long as `w`.
#[must_use]
pub fn rms_norm(x: &[f32], w: &[f32], eps: f32) -> Vec<f32> {
    let mut y = Vec::with_capacity(x.len());
    for row in x.chunks_exact(w.len()) {
        let squares: f64 = row.iter().map(|x| f64::from(*x).powi(2)).sum();
        let scale = 1.0 / (squares / w.len() as f64 + f64::from(eps)).sqrt();
        y.extend(row.iter().zip(w).map(|(x, w)| (f64::from(*x) * scale) as f32 * w));
    }
    y
}
