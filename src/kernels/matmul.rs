//! Matrix times many vectors: `y[t, n] = sum_k W[n, k] x[t, k]`, with `W` decoded to f32 once per tile.

use crate::gpu::plan::ExtraBindings;
use crate::gpu::shader::Variant;
use crate::gpu::{Buffer, Dispatch, Extent, Gpu, Grid, Kernel, Matrix, Plan};
use crate::quant::Format;

/// `shaders/matmul.wgsl`.
pub static KERNEL: Kernel = Kernel { name: "matmul", wgsl: include_str!("../../shaders/matmul.wgsl") };

/// Rows of W and tokens that a workgroup computes.
const TILE: u64 = 64;

/// The uniform of shaders/lib/product.wgsl.
#[repr(C)]
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    n_rows: u32,
    n_groups: u32,
    first_col: u32,
    n_total: u32,
    fold: u32,
    stride: u32,
}

/// Multiplies `x [T, K]` f32 by `w [N, K]` into the columns of `y` that are `w`'s, one dispatch per part of
/// `w`.
pub fn record(plan: &mut Plan, gpu: &Gpu, w: &Matrix, x: &Buffer, y: &Buffer) {
    record_parts(plan, gpu, &KERNEL, w, (x, y), (TILE, TILE));
}

/// One dispatch of `kernel`, whose workgroups compute `n_rows` rows of `w` times `n_tokens` tokens, for each
/// part of `w`.
pub(super) fn record_parts(
    plan: &mut Plan,
    gpu: &Gpu,
    kernel: &'static Kernel,
    w: &Matrix,
    (x, y): (&Buffer, &Buffer),
    (n_rows, n_tokens): (u64, u64),
) {
    for part in &w.parts {
        let range = &part.range;
        let params = Params {
            n_rows: range.n_rows as u32,
            n_groups: (w.n_cols / 16) as u32,
            first_col: (w.first_col + range.first_row) as u32,
            n_total: w.n_total as u32,
            fold: range.fold as u32,
            stride: range.stride as u32,
        };
        plan.add(
            gpu,
            &w.label,
            &Dispatch {
                kernel,
                variant: Variant::Weights(w.format),
                params: bytemuck::bytes_of(&params),
                bindings: &[x, y],
                extra: ExtraBindings::Planes(part),
                grid: Grid { x: (Extent::Fixed(range.n_rows), n_rows), y: (Extent::PerToken(1), n_tokens) },
            },
        );
    }
}

/// CPU twin of every product: `blocks` are the rows of W as in the file; `x [T, n_cols]`.
#[must_use]
pub fn matmul(format: &Format, blocks: &[u8], n_cols: usize, x: &[f32]) -> Vec<f32> {
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
