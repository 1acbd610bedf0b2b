//! Quantised matrix times many int8 vectors, in registers alone. The prefill path of adapters that run on the CPU, where barriers,
//! workgroup memory and integer dot products are dear, and kernels with barriers take seconds to compile.
//!
//! Its CPU twin is [`super::matvec::matvec`] of what [`super::quantize::dequantized`] says the codes stand for.

use super::matvec::record_parts;
use super::quantize::Codes;
use crate::gpu::shader::STEP;
use crate::gpu::{Buffer, Count, Gpu, Grid, Kernel, Matrix, Plan};

/// `shaders/matmul_direct.wgsl`.
pub static KERNEL: Kernel =
    Kernel { name: "matmul_direct", wgsl: include_str!("../../shaders/matmul_direct.wgsl"), libs: &[STEP] };

/// Rows of W that a workgroup makes.
const ROWS: u64 = 128;
/// Tokens that a workgroup makes.
const TOKENS: u64 = 8;

/// Multiplies `x [T, K]` by `w [N, K]`, of a format with codes, into `y [T, N]`, one dispatch a part of `w`.
pub fn record(plan: &mut Plan, gpu: &Gpu, w: &Matrix, x: &Codes, y: &Buffer) {
    let grid = |n_rows| Grid { x: (Count::Fixed(n_rows), ROWS), y: (Count::PerToken(1), TOKENS) };
    record_parts(plan, gpu, &KERNEL, w, &[&x.codes, &x.scales, y], grid);
}
