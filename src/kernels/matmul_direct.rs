//! Quantised matrix times many int8 vectors, in registers alone. The prefill path of adapters that run on the
//! CPU, where barriers, workgroup memory and integer dot products are expensive, and kernels with barriers
//! take seconds to compile.
//!
//! Its CPU twin is [`super::matmul::matmul`] of the activations that [`super::quantize::dequantized`]
//! returns.

use super::matmul::record_parts;
use crate::gpu::{Buffer, Gpu, Kernel, Matrix, Plan};

/// `shaders/matmul_direct.wgsl`.
pub static KERNEL: Kernel =
    Kernel { name: "matmul_direct", wgsl: include_str!("../../shaders/matmul_direct.wgsl") };

/// Rows of W that a workgroup computes.
const ROWS: u64 = 128;
/// Tokens that a workgroup computes.
const TOKENS: u64 = 8;

/// Multiplies `x [T, K]` int8 by `w [N, K]`, of a format with codes, into the columns of `y` that are `w`'s,
/// one dispatch per part.
pub fn record(plan: &mut Plan, gpu: &Gpu, w: &Matrix, x: &Buffer, y: &Buffer) {
    record_parts(plan, gpu, &KERNEL, w, (x, y), (ROWS, TOKENS));
}
