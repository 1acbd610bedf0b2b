//! Activations as int8: groups of sixteen signed bytes with a scale, `x = s * code`, for products with integer weights.

use crate::error::Result;
use crate::gpu::plan::Group1;
use crate::gpu::shader::{STEP, Variant};
use crate::gpu::{Buffer, Count, Dispatch, Gpu, Grid, Kernel, Kind, Plan};

/// `shaders/quantize.wgsl`.
pub static KERNEL: Kernel =
    Kernel { name: "quantize", wgsl: include_str!("../../shaders/quantize.wgsl"), libs: &[STEP] };

/// Values that share a scale.
const GROUP: usize = 16;
/// A group whose largest value is below counts as zeros: its scale could not be inverted.
const SMALLEST: f32 = 1e-30;

/// `[T, K]` activations in int8 on the GPU.
#[derive(Debug)]
pub struct Codes {
    /// `[T, K]` signed bytes, in order.
    pub codes: Buffer,
    /// `[T, K / 16]` pairs of f32: scale, scale times the sum of the codes.
    pub scales: Buffer,
}

impl Codes {
    /// Allocates `rows` x `cols`, `cols` a multiple of 16.
    ///
    /// # Errors
    /// [`crate::Error::LimitTooLow`] where a buffer exceeds the adapter's limits.
    pub fn allocate(gpu: &Gpu, label: &str, rows: usize, cols: usize) -> Result<Self> {
        let bytes = (rows * cols) as u64;
        Ok(Self {
            codes: gpu.storage(Kind::Scratch, &format!("{label} codes"), bytes)?,
            scales: gpu.storage(Kind::Scratch, &format!("{label} scales"), bytes / 2)?,
        })
    }
}

/// The activations that a product takes, as it takes them.
#[derive(Clone, Copy, Debug)]
pub enum Operand<'a> {
    /// `[T, K]` f32.
    F32(&'a Buffer),
    /// Codes and scales.
    Int8(&'a Codes),
}

impl<'a> Operand<'a> {
    /// The variant and bind group 1 of a kernel that makes this operand.
    pub(super) fn target(self) -> (Variant, Group1<'a>) {
        match self {
            Self::F32(rows) => (Variant::OperandF32, Group1::One(rows)),
            Self::Int8(rows) => (Variant::OperandInt8, Group1::Two(&rows.codes, &rows.scales)),
        }
    }
}

/// Quantises `x [T, n_cols]` f32 into `to`.
pub fn record(plan: &mut Plan, gpu: &Gpu, label: &str, x: &Buffer, to: &Codes, n_cols: usize) {
    let n_groups = (n_cols / GROUP) as u32;
    let (variant, group1) = Operand::Int8(to).target();
    plan.add(
        gpu,
        label,
        &Dispatch {
            kernel: &KERNEL,
            variant,
            params: bytemuck::bytes_of(&n_groups),
            bindings: &[x],
            group1,
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
