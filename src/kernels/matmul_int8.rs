//! Quantised matrix times many int8 vectors, by `dot4I8Packed` over tiles in workgroup memory. The prefill
//! path of GPUs.
//!
//! Its CPU twin is [`super::matmul::matmul`] of the activations that [`super::quantize::dequantized`]
//! returns.

use super::matmul::record_parts;
use crate::gpu::{Buffer, Gpu, Kernel, Matrix, Plan};

/// `shaders/matmul_int8.wgsl`.
pub static KERNEL: Kernel =
    Kernel { name: "matmul_int8", wgsl: include_str!("../../shaders/matmul_int8.wgsl") };

/// Rows of W and tokens that a workgroup computes.
const TILE: u64 = 64;

/// Multiplies `x [T, K]` int8 by `w [N, K]`, of a format with codes, into the columns of `y` that are `w`'s,
/// one dispatch per part.
pub fn record(plan: &mut Plan, gpu: &Gpu, w: &Matrix, x: &Buffer, y: &Buffer) {
    record_parts(plan, gpu, &KERNEL, w, (x, y), (TILE, TILE));
}
