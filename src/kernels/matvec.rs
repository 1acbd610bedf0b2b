//! Matrix times few vectors: `y[t, n] = sum_k W[n, k] x[t, k]`, one pass over `W` for each token. The decode path.

use crate::gpu::plan::Group1;
use crate::gpu::shader::{STEP, Variant};
use crate::gpu::{Buffer, Count, Dispatch, Gpu, Grid, Kernel, Matrix, Plan};
use crate::quant::Format;

/// `shaders/matvec.wgsl`.
pub static KERNEL: Kernel =
    Kernel { name: "matvec", wgsl: include_str!("../../shaders/matvec.wgsl"), libs: &[STEP] };

/// Rows of W that a workgroup makes.
const ROWS: u64 = 16;

/// Parameters of both products of a matrix with activations.
#[repr(C)]
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Params {
    n_rows: u32,
    n_groups: u32,
    first_row: u32,
    n_total: u32,
}

/// Multiplies `x [T, K]` by `w [N, K]` into `y [T, N]`, one dispatch a part of `w`.
pub fn record(plan: &mut Plan, gpu: &Gpu, w: &Matrix, x: &Buffer, y: &Buffer) {
    let grid = |n_rows| Grid { x: (Count::Fixed(n_rows), ROWS), y: (Count::PerToken(1), 1) };
    record_parts(plan, gpu, &KERNEL, w, &[x, y], grid);
}

/// One dispatch of `kernel` for each part of `w`.
pub(super) fn record_parts(
    plan: &mut Plan,
    gpu: &Gpu,
    kernel: &'static Kernel,
    w: &Matrix,
    bindings: &[&Buffer],
    grid: impl Fn(u64) -> Grid,
) {
    for part in &w.parts {
        let params = Params {
            n_rows: part.range.n_rows as u32,
            n_groups: (w.n_cols / 16) as u32,
            first_row: part.range.first_row as u32,
            n_total: w.n_rows as u32,
        };
        plan.add(
            gpu,
            &w.label,
            &Dispatch {
                kernel,
                variant: Variant::Weights(w.format),
                params: bytemuck::bytes_of(&params),
                bindings,
                group1: Group1::Planes(part),
                grid: grid(part.range.n_rows),
            },
        );
    }
}

/// CPU twin of [`record`] and of `matmul`: `blocks` are the rows of W as in the file; `x [T, n_cols]`.
#[must_use]
pub fn matvec(format: &Format, blocks: &[u8], n_cols: usize, x: &[f32]) -> Vec<f32> {
    let n_rows = blocks.len() / format.bytes_of(n_cols as u64).max(1) as usize;
    let n_tokens = x.len() / n_cols;
    let mut y = vec![0.0; n_tokens * n_rows];
    let mut row = Vec::with_capacity(n_cols);
    for (n, raw) in blocks.chunks_exact(format.bytes_of(n_cols as u64) as usize).enumerate() {
        row.clear();
        format.decode(raw, &mut row);
        for (t, x) in x.chunks_exact(n_cols).enumerate() {
            let sum: f64 = row.iter().zip(x).map(|(w, x)| f64::from(*w) * f64::from(*x)).sum();
            if let Some(y) = y.get_mut(t * n_rows + n) {
                *y = sum as f32;
            }
        }
    }
    y
}
