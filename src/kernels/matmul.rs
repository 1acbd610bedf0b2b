//! Matrix times many vectors: `y[t, n] = sum_k W[n, k] x[t, k]`, `W` decoded once a tile. The prefill path.
//!
//! Its CPU twin is [`super::matvec::matvec`]: the result is the same, only the order of the sums differs.

use super::matvec::record_parts;
use crate::gpu::shader::STEP;
use crate::gpu::{Buffer, Count, Gpu, Grid, Kernel, Matrix, Plan};

/// `shaders/matmul.wgsl`.
pub static KERNEL: Kernel =
    Kernel { name: "matmul", wgsl: include_str!("../../shaders/matmul.wgsl"), libs: &[STEP] };

/// Rows of W and tokens that a workgroup makes.
const TILE: u64 = 64;

/// Multiplies `x [T, K]` by `w [N, K]` into `y [T, N]`, one dispatch a part of `w`.
pub fn record(plan: &mut Plan, gpu: &Gpu, w: &Matrix, x: &Buffer, y: &Buffer) {
    let grid = |n_rows| Grid { x: (Count::Fixed(n_rows), TILE), y: (Count::PerToken(1), TILE) };
    record_parts(plan, gpu, &KERNEL, w, &[x, y], grid);
}
