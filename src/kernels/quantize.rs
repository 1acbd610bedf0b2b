//! Activations as int8: groups of sixteen signed bytes with a scale, `x = s * code`, for products with integer weights.
//!
//! On the GPU a group takes two quads, half of what its sixteen f32 take: the codes in order, then the scale and the scale times
//! the sum of the codes. So a buffer for f32 activations holds int8 ones as well.

use crate::gpu::plan::Group1;
use crate::gpu::shader::{STEP, Variant};
use crate::gpu::{Arithmetic, Buffer, Count, Dispatch, Gpu, Grid, Kernel, Plan};

/// `shaders/quantize.wgsl`.
pub static KERNEL: Kernel =
    Kernel { name: "quantize", wgsl: include_str!("../../shaders/quantize.wgsl"), libs: &[STEP] };

/// Values that share a scale.
const GROUP: usize = 16;
/// A group whose largest value is not above counts as zeros: its scale could not be inverted.
const SMALLEST: f32 = 1e-30;

/// The variant of a kernel that makes activations for products of this arithmetic.
pub(super) fn operand(arithmetic: Arithmetic) -> Variant {
    match arithmetic {
        Arithmetic::F32 => Variant::OperandF32,
        Arithmetic::Int8 => Variant::OperandInt8,
    }
}

/// Quantises `x [T, n_cols]` f32 into `to`, a buffer of half the size at least.
pub fn record(plan: &mut Plan, gpu: &Gpu, label: &str, x: &Buffer, to: &Buffer, n_cols: usize) {
    let n_groups = (n_cols / GROUP) as u32;
    plan.add(
        gpu,
        label,
        &Dispatch {
            kernel: &KERNEL,
            variant: Variant::OperandInt8,
            params: bytemuck::bytes_of(&n_groups),
            bindings: &[x],
            group1: Group1::One(to),
            grid: Grid { x: (Count::Fixed(u64::from(n_groups)), 64), y: (Count::PerToken(1), 1) },
        },
    );
}

/// CPU twin: the codes, and for each sixteen of them the scale and the scale times their sum.
#[must_use]
pub fn quantize(x: &[f32]) -> (Vec<i8>, Vec<[f32; 2]>) {
    let (mut codes, mut scales) = (Vec::with_capacity(x.len()), Vec::with_capacity(x.len() / GROUP));
    for group in x.chunks_exact(GROUP) {
        let largest = group.iter().fold(0f32, |m, x| m.max(x.abs()));
        let scale = if largest > SMALLEST { largest / 127.0 } else { 0.0 };
        let code = |x: &f32| if scale > 0.0 { (x / scale).round_ties_even() as i8 } else { 0 };
        let start = codes.len();
        codes.extend(group.iter().map(code));
        let sum: i32 = codes.iter().skip(start).map(|c| i32::from(*c)).sum();
        scales.push([scale, scale * sum as f32]);
    }
    (codes, scales)
}

/// What the codes stand for: the activations that a product with int8 really sees.
#[must_use]
pub fn dequantized(codes: &[i8], scales: &[[f32; 2]]) -> Vec<f32> {
    let group = |(codes, [scale, _]): (&[i8], &[f32; 2])| {
        let scale = *scale;
        codes.iter().map(move |c| f32::from(*c) * scale).collect::<Vec<_>>()
    };
    codes.chunks_exact(GROUP).zip(scales).flat_map(group).collect()
}
