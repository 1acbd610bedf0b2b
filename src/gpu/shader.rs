//! Shaders are whole files joined by plain concatenation: WGSL lets module-scope names stand in any order, so there are no
//! text macros, and a variant is a choice of files.

use crate::quant::Format;

/// One kernel: a WGSL file whose entry point has the kernel's name, and the fragments it is joined with.
#[derive(Debug)]
pub struct Kernel {
    /// Name of the file, the entry point and the CPU twin.
    pub name: &'static str,
    /// The file.
    pub wgsl: &'static str,
    /// Library fragments that it always needs.
    pub libs: &'static [&'static str],
}

/// Helpers of the format fragments.
pub const BYTES: &str = include_str!("../../shaders/lib/bytes.wgsl");
/// The per-run uniform.
pub const STEP: &str = include_str!("../../shaders/lib/step.wgsl");
/// tanh, GELU, soft-cap.
pub const MATH: &str = include_str!("../../shaders/lib/math.wgsl");
/// Workgroup reductions.
pub const REDUCE: &str = include_str!("../../shaders/lib/reduce.wgsl");
/// Rotary embedding.
pub const ROPE: &str = include_str!("../../shaders/lib/rope.wgsl");
/// Operand of a product in f32.
pub const OPERAND_F32: &str = include_str!("../../shaders/lib/operand_f32.wgsl");
/// Operand of a product in int8.
pub const OPERAND_INT8: &str = include_str!("../../shaders/lib/operand_int8.wgsl");
/// The KV cache in f16.
pub const KV_F16: &str = include_str!("../../shaders/lib/kv_f16.wgsl");
/// The KV cache in f32.
pub const KV_F32: &str = include_str!("../../shaders/lib/kv_f32.wgsl");

/// The fragment that a kernel's variants differ in, and that owns bind group 1.
#[derive(Clone, Copy, Debug)]
pub enum Variant {
    /// No group 1.
    Plain,
    /// A block format; group 1 holds a matrix part's planes.
    Weights(&'static Format),
    /// KV cache in f16.
    KvF16,
    /// KV cache in f32.
    KvF32,
    /// Operand of a product, made in f32.
    OperandF32,
    /// Operand of a product, made in int8.
    OperandInt8,
}

impl Variant {
    /// What is added to the kernel's name: labels and the pipeline cache use it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Weights(format) => format.name,
            Self::KvF16 => "F16",
            Self::KvF32 | Self::OperandF32 => "F32",
            Self::OperandInt8 => "int8",
        }
    }
}

/// The text of a kernel in one of its variants.
#[must_use]
pub fn compose(kernel: &Kernel, variant: Variant) -> String {
    let mut fragments: Vec<&str> = kernel.libs.to_vec();
    match variant {
        Variant::Plain => {}
        Variant::Weights(format) => fragments.extend([BYTES, format.wgsl]),
        Variant::KvF16 => fragments.push(KV_F16),
        Variant::KvF32 => fragments.push(KV_F32),
        Variant::OperandF32 => fragments.push(OPERAND_F32),
        Variant::OperandInt8 => fragments.push(OPERAND_INT8),
    }
    fragments.push(kernel.wgsl);
    fragments.join("\n")
}
