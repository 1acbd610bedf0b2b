//! End of a sub-layer and beginning of the next: `x += post_norm(out)` (or `x += out`), then `norm(x)` for
//! the next product.

use crate::gpu::plan::ExtraBindings;
use crate::gpu::shader::Variant;
use crate::gpu::{Arithmetic, Buffer, Dispatch, Extent, Gpu, Grid, Kernel, Plan};

/// `shaders/norm_add.wgsl`.
pub static KERNEL: Kernel = Kernel { name: "norm_add", wgsl: include_str!("../../shaders/norm_add.wgsl") };

/// Flag of this kernel and of [`NormInput`](super::matvec_common::NormInput): a residual stream gets an
/// addition.
pub const ADDED: u32 = 1;
/// Flag of both: the addition is normalised first.
pub const POST_NORM: u32 = 2;

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    n_groups: u32,
    flags: u32,
    eps: f32,
}

/// The norms on both sides of the addition.
#[derive(Clone, Copy, Debug)]
pub struct Norms<'a> {
    /// Weights `[D]` f32 of the norm of the sum, or `[2, D]` with the post-norm's weights first.
    pub weights: &'a Buffer,
    /// Whether `weights` has both.
    pub has_post: bool,
    /// D, a multiple of 16.
    pub d_model: usize,
    /// Added to the mean squares.
    pub eps: f32,
}

/// Adds `out` to the residual stream `x`, both `[T, D]` f32, and writes the sum's norm to `rows [T, D]` for
/// products of that arithmetic. Without `adds` nothing is added, and `out` is not read. The rows of `x` and
/// `out` are those from the step's `first_row` on.
pub fn record(
    plan: &mut Plan,
    gpu: &Gpu,
    label: &str,
    (out, x, adds): (&Buffer, &Buffer, bool),
    norms: Norms<'_>,
    (rows, arithmetic): (&Buffer, Arithmetic),
) {
    let params = Params {
        n_groups: (norms.d_model / 16) as u32,
        flags: if adds { ADDED } else { 0 } | if norms.has_post { POST_NORM } else { 0 },
        eps: norms.eps,
    };
    plan.add(
        gpu,
        label,
        &Dispatch {
            kernel: &KERNEL,
            variant: Variant::Operand(arithmetic),
            params: bytemuck::bytes_of(&params),
            bindings: &[out, norms.weights, x],
            extra: ExtraBindings::One(rows),
            grid: Grid { x: (Extent::PerToken(1), 1), y: (Extent::Fixed(1), 1) },
        },
    );
}

/// CPU twin: `x` becomes the sum, the result is its norm.
#[must_use]
pub fn norm_add(
    out: Option<&[f32]>,
    x: &mut [f32],
    post: Option<&[f32]>,
    norm: &[f32],
    eps: f32,
) -> Vec<f32> {
    match (out, post) {
        (Some(out), Some(post)) => add(&rms_norm(out, post, eps), x),
        (Some(out), None) => add(out, x),
        (None, _) => {}
    }
    rms_norm(x, norm, eps)
}

/// `x += y`.
pub fn add(y: &[f32], x: &mut [f32]) {
    for (x, y) in x.iter_mut().zip(y) {
        *x += y;
    }
}

/// `x rsqrt(mean(x^2) + eps) w`, rows as long as `w`, which already holds Gemma's `1 + w`.
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
