//! Shaders are whole files joined by plain concatenation: WGSL lets module-scope names stand in any order, so there are no
//! text macros, and a variant is a choice of files. One exception: where a kernel takes weights of two formats, the names of the
//! second's fragment get a `_b` and its bindings group 2.

use super::tuning::{Arithmetic, Lanes, Tuning};
use crate::quant::{Format, KvType};

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
/// What products with many tokens share.
pub const PRODUCT: &str = include_str!("../../shaders/lib/product.wgsl");
/// Products of 64 rows and 64 tokens a workgroup.
pub const TILE_64: &str = include_str!("../../shaders/lib/tile.wgsl");
/// The int8 activations of a product.
pub const INPUT_INT8: &str = include_str!("../../shaders/lib/input_int8.wgsl");
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

/// The int8 form of activations.
pub const ENCODE: &str = include_str!("../../shaders/lib/encode.wgsl");
/// What the decode kernels over rows share.
pub const ROWS: &str = include_str!("../../shaders/lib/rows.wgsl");
/// The normalised input of a sub-layer.
pub const NORMED: &str = include_str!("../../shaders/lib/normed.wgsl");
/// How the keys of a query are shared out.
pub const CHUNKS: &str = include_str!("../../shaders/lib/chunks.wgsl");
/// What a browser wants to see first where subgroups are used; natively they need no directive, and naga knows none.
const ENABLE_SUBGROUPS: &str =
    if cfg!(target_arch = "wasm32") { include_str!("../../shaders/lib/enable_subgroups.wgsl") } else { "" };
const SUMS: &str = include_str!("../../shaders/lib/sums.wgsl");
const SUMS_SUBGROUPS: &str = include_str!("../../shaders/lib/sums_subgroups.wgsl");
const UNIT_SUMS: &str = include_str!("../../shaders/lib/unit_sums.wgsl");
const UNIT_SUMS_SUBGROUPS: &str = include_str!("../../shaders/lib/unit_sums_subgroups.wgsl");
const LANES_32: &str = include_str!("../../shaders/lib/lanes_32.wgsl");
const LANES_64: &str = include_str!("../../shaders/lib/lanes_64.wgsl");
const UNIT_1: &str = include_str!("../../shaders/lib/unit_1.wgsl");
const UNIT_32: &str = include_str!("../../shaders/lib/unit_32.wgsl");
const PRODUCT_4: &str = include_str!("../../shaders/lib/product4.wgsl");
const TIMES_F32: &str = include_str!("../../shaders/lib/times_f32.wgsl");
const TIMES_INT8: &str = include_str!("../../shaders/lib/times_int8.wgsl");
const DOT_CODES: &str = include_str!("../../shaders/lib/dot_codes.wgsl");
const ONE_FORMAT: &str = include_str!("../../shaders/lib/one_format.wgsl");
const TWO_FORMATS: &str = include_str!("../../shaders/lib/two_formats.wgsl");
const DIRECT_F32: &str = include_str!("../../shaders/lib/direct_f32.wgsl");
const DIRECT_INT8: &str = include_str!("../../shaders/lib/direct_int8.wgsl");
const STAGED_F32: &str = include_str!("../../shaders/lib/staged_f32.wgsl");
const STAGED_INT8: &str = include_str!("../../shaders/lib/staged_int8.wgsl");

/// A variant of a decode kernel over the rows of a matrix.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MatvecVariant {
    /// Format of the weights in group 1.
    pub format: &'static Format,
    /// Format of those in group 2, if there are any.
    pub second: Option<&'static Format>,
    /// Whether the input is normalised into workgroup memory, or read where it lies.
    pub staged: bool,
    /// Arithmetic and shape.
    pub tuning: Tuning,
    /// Whether sums are taken by subgroups.
    pub subgroups: bool,
}

impl MatvecVariant {
    /// The arithmetic that the formats allow.
    #[must_use]
    pub fn arithmetic(&self) -> Arithmetic {
        let coded = self.format.has_codes() && self.second.is_none_or(Format::has_codes);
        if coded { self.tuning.arithmetic } else { Arithmetic::F32 }
    }

    fn name(&self) -> String {
        let second = self.second.map_or(String::new(), |s| format!("+{}", s.name));
        let arithmetic = match self.arithmetic() {
            Arithmetic::F32 => "f32",
            Arithmetic::Int8 => "int8",
        };
        let unit = match self.tuning.lanes {
            Lanes::One => "1",
            Lanes::ThirtyTwo => "32",
        };
        let subgroups = if self.subgroups { " subgroups" } else { "" };
        format!("{}{second} {arithmetic} {unit}{subgroups}", self.format.name)
    }

    fn fragments(&self) -> Vec<String> {
        let (unit, unit_sums) = match (self.tuning.lanes, self.subgroups) {
            (Lanes::One, _) => (UNIT_1, ""),
            (Lanes::ThirtyTwo, false) => (UNIT_32, UNIT_SUMS),
            (Lanes::ThirtyTwo, true) => (UNIT_32, UNIT_SUMS_SUBGROUPS),
        };
        let (times, input, dots) = match (self.arithmetic(), self.staged) {
            (Arithmetic::F32, true) => (TIMES_F32, STAGED_F32, ""),
            (Arithmetic::F32, false) => (TIMES_F32, DIRECT_F32, ""),
            (Arithmetic::Int8, true) => (TIMES_INT8, STAGED_INT8, DOT_CODES),
            (Arithmetic::Int8, false) => (TIMES_INT8, DIRECT_INT8, DOT_CODES),
        };
        let sums = if self.subgroups { SUMS_SUBGROUPS } else { SUMS };
        let first =
            [unit, unit_sums, sums, BYTES, ENCODE, ROWS, input, dots, self.format.wgsl, times, PRODUCT_4];
        let mut fragments = first.map(str::to_owned).to_vec();
        match self.second {
            None => fragments.push(ONE_FORMAT.to_owned()),
            Some(second) => {
                fragments.push(TWO_FORMATS.to_owned());
                fragments.push(as_second(second, times));
            }
        }
        fragments
    }
}

/// The fragments of a second format, whose names must differ from the first's.
fn as_second(format: &Format, times: &str) -> String {
    let text = format!("{}\n{times}\n{PRODUCT_4}", format.wgsl.replace("@group(1)", "@group(2)"));
    let functions = text.split("\nfn ").skip(1).filter_map(|rest| rest.split('(').next());
    let names: Vec<&str> = functions.chain(format.planes.iter().map(|plane| plane.name)).collect();
    let mut renamed = String::with_capacity(text.len() + 256);
    let mut rest = text.as_str();
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    while let Some(start) = rest.find(is_name) {
        let (before, from_name) = rest.split_at(start);
        let (name, after) = from_name.split_at(from_name.find(|c| !is_name(c)).unwrap_or(from_name.len()));
        renamed.push_str(before);
        renamed.push_str(name);
        // What follows a dot is a member of a struct.
        if names.contains(&name) && !before.ends_with('.') {
            renamed.push_str("_b");
        }
        rest = after;
    }
    renamed + rest
}

/// The fragment that a kernel's variants differ in, and that owns bind group 1.
#[derive(Clone, Copy, Debug)]
pub enum Variant {
    /// No group 1.
    Plain,
    /// A block format; group 1 holds a matrix part's planes.
    Weights(&'static Format),
    /// Rows of one format or two; groups 1 and 2 hold their planes.
    Matvec(MatvecVariant),
    /// KV cache in f16.
    KvF16,
    /// KV cache in f32.
    KvF32,
    /// Makes activations for products of this arithmetic, in group 1.
    Operand(Arithmetic),
    /// Reads a KV cache in group 1 and makes activations for products of this arithmetic in group 2, by workgroups of that shape.
    KvOperand(KvType, Tuning),
}

impl Variant {
    /// The variant that reads and writes a KV cache of a type.
    #[must_use]
    pub fn kv(kv: KvType) -> Self {
        match kv {
            KvType::F16 => Self::KvF16,
            KvType::F32 => Self::KvF32,
        }
    }

    /// What is added to the kernel's name: labels and the pipeline cache use it.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Plain => String::new(),
            Self::Weights(format) => format.name.to_owned(),
            Self::Matvec(rows) => rows.name(),
            Self::KvF16 => "F16".to_owned(),
            Self::KvF32 => "F32".to_owned(),
            Self::Operand(arithmetic) => format!("to {arithmetic:?}"),
            Self::KvOperand(kv, tuning) => format!("{kv:?} to {tuning}"),
        }
    }
}

fn operand(arithmetic: Arithmetic) -> Vec<String> {
    match arithmetic {
        Arithmetic::F32 => vec![OPERAND_F32.to_owned()],
        Arithmetic::Int8 => [ENCODE, OPERAND_INT8].map(str::to_owned).to_vec(),
    }
}

/// The text of a kernel in one of its variants.
#[must_use]
pub fn compose(kernel: &Kernel, variant: Variant) -> String {
    let mut fragments: Vec<String> = Vec::new();
    if matches!(variant, Variant::Matvec(MatvecVariant { subgroups: true, .. })) {
        fragments.push(ENABLE_SUBGROUPS.to_owned());
    }
    fragments.extend(kernel.libs.iter().map(|text| (*text).to_owned()));
    match variant {
        Variant::Plain => {}
        Variant::Weights(format) => fragments.extend([BYTES, format.wgsl].map(str::to_owned)),
        Variant::Matvec(rows) => fragments.extend(rows.fragments()),
        Variant::KvF16 => fragments.push(KV_F16.to_owned()),
        Variant::KvF32 => fragments.push(KV_F32.to_owned()),
        Variant::Operand(arithmetic) => fragments.extend(operand(arithmetic)),
        Variant::KvOperand(kv, tuning) => {
            fragments.push(if tuning.lanes == Lanes::One { LANES_32 } else { LANES_64 }.to_owned());
            fragments.push(if kv == KvType::F16 { KV_F16 } else { KV_F32 }.to_owned());
            fragments
                .extend(operand(tuning.arithmetic).iter().map(|text| text.replace("@group(1)", "@group(2)")));
        }
    }
    fragments.push(kernel.wgsl.to_owned());
    fragments.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quant::{Q4_K, Q6_K};

    #[test]
    fn a_second_format_has_names_of_its_own() {
        let text = as_second(&Q6_K, TIMES_INT8);
        for name in [
            "low_b: array",
            "d_b[block",
            "fn codes16_b(",
            "fn product4_b(",
            "times16_b(rows.x",
            "codes16_b(group)",
        ] {
            assert!(text.contains(name), "{name} is not in {text}");
        }
        assert!(text.contains("@group(2) @binding(3)") && !text.contains("@group(1)"), "{text}");
        assert!(text.contains("centred16(c.q, 32.0, c.d)"), "a member is no plane: {text}");
    }

    #[test]
    fn only_formats_with_codes_are_int8() {
        let tuning = Tuning { arithmetic: Arithmetic::Int8, lanes: Lanes::One };
        let rows = |format, second| MatvecVariant { format, second, staged: true, tuning, subgroups: false };
        assert_eq!(rows(&Q4_K, Some(&Q6_K)).arithmetic(), Arithmetic::Int8);
        assert_eq!(rows(&crate::quant::F16, None).arithmetic(), Arithmetic::F32);
    }
}
