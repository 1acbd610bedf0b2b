//! Quantised matrix times many int8 vectors, by `dot4I8Packed` over tiles in workgroup memory. The prefill path of GPUs.
//!
//! Its CPU twin is [`super::matvec::matvec`] of what [`super::quantize::dequantized`] says the codes stand for.

use super::matvec::record_parts;
use super::quantize::Codes;
use crate::gpu::shader::STEP;
use crate::gpu::{Buffer, Count, Gpu, Grid, Kernel, Matrix, Plan};

/// `shaders/matmul_int8.wgsl`.
pub static KERNEL: Kernel =
    Kernel { name: "matmul_int8", wgsl: include_str!("../../shaders/matmul_int8.wgsl"), libs: &[STEP] };

/// Rows of W and tokens that a workgroup makes.
const TILE: u64 = 64;

/// Multiplies `x [T, K]` by `w [N, K]`, of a format with codes, into `y [T, N]`, one dispatch a part of `w`.
pub fn record(plan: &mut Plan, gpu: &Gpu, w: &Matrix, x: &Codes, y: &Buffer) {
    let grid = |n_rows| Grid { x: (Count::Fixed(n_rows), TILE), y: (Count::PerToken(1), TILE) };
    record_parts(plan, gpu, &KERNEL, w, &[&x.codes, &x.scales, y], grid);
}
