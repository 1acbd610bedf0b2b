//! Composer of shaders: a kernel's file and the fragments that it needs, joined by plain concatenation. WGSL
//! lets module-scope names stand in any order, so there are no text macros, and a variant is a choice of
//! files.
//!
//! A file names the fragments of shaders/lib that it calls in a line `// Uses: step math kv`. Such a name
//! stands for the file of that name, or for one with an ending that the variant gives: `kv` is `kv_f16.wgsl`
//! or `kv_f32.wgsl`. Two names have no file there: `weights` is the fragment of a block format, `lanes` one
//! line with the size of a workgroup.
//!
//! There is one exception to plain concatenation. If a kernel takes weights of two formats, `as_second`
//! edits the second's fragment as text: its names get a `_b`, and its bindings move from group 1 to group 2.

use super::tuning::{Arithmetic, Lanes, Tuning};
use crate::quant::{Format, KvType};

/// One kernel: a WGSL file whose entry point has the kernel's name.
#[derive(Debug)]
pub struct Kernel {
    /// Name of the file, the entry point and the CPU twin.
    pub name: &'static str,
    /// The file.
    pub wgsl: &'static str,
}

impl Kernel {
    /// Whether the kernel itself names a fragment.
    pub(super) fn names(&self, fragment: &str) -> bool {
        uses(self.wgsl).any(|name| name == fragment)
    }
}

/// Names and texts of the files in shaders/lib.
pub const FRAGMENTS: &[(&str, &str)] = &[
    ("acts", include_str!("../../shaders/lib/acts.wgsl")),
    ("bytes", include_str!("../../shaders/lib/bytes.wgsl")),
    ("chunks", include_str!("../../shaders/lib/chunks.wgsl")),
    ("codes", include_str!("../../shaders/lib/codes.wgsl")),
    ("encode", include_str!("../../shaders/lib/encode.wgsl")),
    ("input_int8", include_str!("../../shaders/lib/input_int8.wgsl")),
    ("kv_f16", include_str!("../../shaders/lib/kv_f16.wgsl")),
    ("kv_f32", include_str!("../../shaders/lib/kv_f32.wgsl")),
    ("math", include_str!("../../shaders/lib/math.wgsl")),
    ("operand_f32", include_str!("../../shaders/lib/operand_f32.wgsl")),
    ("operand_int8", include_str!("../../shaders/lib/operand_int8.wgsl")),
    ("product", include_str!("../../shaders/lib/product.wgsl")),
    ("rope", include_str!("../../shaders/lib/rope.wgsl")),
    ("step", include_str!("../../shaders/lib/step.wgsl")),
    ("sums", include_str!("../../shaders/lib/sums.wgsl")),
    ("sums_subgroups", include_str!("../../shaders/lib/sums_subgroups.wgsl")),
    ("tile", include_str!("../../shaders/lib/tile.wgsl")),
    ("matvec/common", include_str!("../../shaders/lib/matvec/common.wgsl")),
    ("matvec/input_direct_f32", include_str!("../../shaders/lib/matvec/input_direct_f32.wgsl")),
    ("matvec/input_direct_int8", include_str!("../../shaders/lib/matvec/input_direct_int8.wgsl")),
    ("matvec/input_staged_f32", include_str!("../../shaders/lib/matvec/input_staged_f32.wgsl")),
    ("matvec/input_staged_int8", include_str!("../../shaders/lib/matvec/input_staged_int8.wgsl")),
    ("matvec/lanes_1", include_str!("../../shaders/lib/matvec/lanes_1.wgsl")),
    ("matvec/lanes_32", include_str!("../../shaders/lib/matvec/lanes_32.wgsl")),
    ("matvec/lanes_32_subgroups", include_str!("../../shaders/lib/matvec/lanes_32_subgroups.wgsl")),
    ("matvec/normed", include_str!("../../shaders/lib/matvec/normed.wgsl")),
    ("matvec/product4", include_str!("../../shaders/lib/matvec/product4.wgsl")),
    ("matvec/rows_one_format", include_str!("../../shaders/lib/matvec/rows_one_format.wgsl")),
    ("matvec/rows_two_formats", include_str!("../../shaders/lib/matvec/rows_two_formats.wgsl")),
    ("matvec/times_f32", include_str!("../../shaders/lib/matvec/times_f32.wgsl")),
    ("matvec/times_int8", include_str!("../../shaders/lib/matvec/times_int8.wgsl")),
];

/// Names of the fragments that a file calls.
pub fn uses(wgsl: &'static str) -> impl Iterator<Item = &'static str> {
    wgsl.lines().find_map(|line| line.strip_prefix("// Uses:")).unwrap_or_default().split_whitespace()
}

/// Directive that a browser requires at the top of a text with subgroups. Natively they need none, and naga
/// knows none.
const ENABLE_SUBGROUPS: &str = if cfg!(target_arch = "wasm32") { "enable subgroups;\n" } else { "" };

/// A variant of a decode kernel over the rows of a matrix.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MatvecVariant {
    /// Format of the weights in group 1.
    pub format: &'static Format,
    /// Format of the weights in group 2, if any.
    pub second: Option<&'static Format>,
    /// Whether the kernel normalises its input into workgroup memory (staged), or reads it where it lies
    /// (direct).
    pub staged: bool,
    /// Arithmetic and shape.
    pub tuning: Tuning,
    /// Whether kernels compute sums by subgroups.
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
        let lanes = match self.tuning.lanes {
            Lanes::One => "1",
            Lanes::ThirtyTwo => "32",
        };
        let subgroups = if self.subgroups { " subgroups" } else { "" };
        format!("{}{second} {arithmetic} {lanes}{subgroups}", self.format.name)
    }

    /// The ending of the fragment that `name` stands for.
    fn ending(&self, name: &str) -> &'static str {
        let arithmetic = self.arithmetic();
        match name {
            "matvec/lanes" => match (self.tuning.lanes, self.subgroups) {
                (Lanes::One, _) => "_1",
                (Lanes::ThirtyTwo, false) => "_32",
                (Lanes::ThirtyTwo, true) => "_32_subgroups",
            },
            "matvec/input" => match (self.staged, arithmetic) {
                (true, Arithmetic::F32) => "_staged_f32",
                (true, Arithmetic::Int8) => "_staged_int8",
                (false, Arithmetic::F32) => "_direct_f32",
                (false, Arithmetic::Int8) => "_direct_int8",
            },
            "matvec/rows" if self.second.is_some() => "_two_formats",
            "matvec/rows" => "_one_format",
            "matvec/times" => of_arithmetic(arithmetic),
            "sums" if self.subgroups => "_subgroups",
            _ => "",
        }
    }
}

fn of_arithmetic(arithmetic: Arithmetic) -> &'static str {
    match arithmetic {
        Arithmetic::F32 => "_f32",
        Arithmetic::Int8 => "_int8",
    }
}

/// A second format's fragment, and copies of `shared` that call it: names get a `_b`, bindings move to group
/// 2.
fn as_second(format: &Format, shared: [&str; 2]) -> String {
    let text = format!("{}\n{}", format.wgsl.replace("@group(1)", "@group(2)"), shared.join("\n"));
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
        // A name after a dot is a member of a struct.
        if names.contains(&name) && !before.ends_with('.') {
            renamed.push_str("_b");
        }
        rest = after;
    }
    renamed + rest
}

/// Choice among the alternative fragments of a kernel.
#[derive(Clone, Copy, Debug)]
pub enum Variant {
    /// None.
    Plain,
    /// A block format; group 1 holds a matrix part's planes.
    Weights(&'static Format),
    /// Rows of one format or two; groups 1 and 2 hold their planes.
    Matvec(MatvecVariant),
    /// The type of a KV cache in group 1.
    Kv(KvType),
    /// Makes activations for products of this arithmetic.
    Operand(Arithmetic),
    /// Reads a KV cache in group 1 and makes activations for products of this arithmetic, by workgroups of
    /// that shape.
    KvOperand(KvType, Tuning),
}

impl Variant {
    /// Suffix of the kernel's name, for labels and the pipeline cache.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Plain => String::new(),
            Self::Weights(format) => format.name.to_owned(),
            Self::Matvec(rows) => rows.name(),
            Self::Kv(kv) => format!("{kv:?}"),
            Self::Operand(arithmetic) => format!("to {arithmetic:?}"),
            Self::KvOperand(kv, tuning) => format!("{kv:?} to {tuning}"),
        }
    }

    /// The ending of the fragment that `name` stands for.
    fn ending(self, name: &str) -> &'static str {
        match (self, name) {
            (Self::Kv(KvType::F16) | Self::KvOperand(KvType::F16, _), "kv") => "_f16",
            (Self::Kv(KvType::F32) | Self::KvOperand(KvType::F32, _), "kv") => "_f32",
            (Self::Operand(arithmetic), "operand") => of_arithmetic(arithmetic),
            (Self::KvOperand(_, tuning), "operand") => of_arithmetic(tuning.arithmetic),
            (Self::Matvec(rows), _) => rows.ending(name),
            _ => "",
        }
    }

    /// The text that `name` stands for; empty if there is none, which the tests of all variants notice.
    fn fragment(self, name: &str) -> &'static str {
        match (self, name) {
            (Self::Weights(format) | Self::Matvec(MatvecVariant { format, .. }), "weights") => format.wgsl,
            _ => {
                let ending = self.ending(name);
                let found = FRAGMENTS.iter().find(|(file, _)| file.strip_prefix(name) == Some(ending));
                found.map_or("", |(_, text)| text)
            }
        }
    }
}

/// The text of a kernel in one of its variants.
#[must_use]
pub fn compose(kernel: &Kernel, variant: Variant) -> String {
    let mut text = String::new();
    let mut names: Vec<&str> = uses(kernel.wgsl).collect();
    match variant {
        Variant::Matvec(rows) => {
            if rows.subgroups {
                text.push_str(ENABLE_SUBGROUPS);
            }
            if let Some(second) = rows.second {
                let shared = ["matvec/times", "matvec/product4"].map(|name| variant.fragment(name));
                text.push_str(&as_second(second, shared));
                names.extend(uses(second.wgsl));
            }
        }
        Variant::KvOperand(_, tuning) => {
            text.push_str(&format!("const LANES: u32 = {}u;\n", tuning.lanes.attention_lanes()));
        }
        _ => {}
    }
    // Each file once, and in turn the files that it uses.
    let mut next = 0;
    while let Some(name) = names.get(next).copied() {
        next += 1;
        if names.iter().position(|earlier| *earlier == name) == Some(next - 1) {
            let fragment = variant.fragment(name);
            names.extend(uses(fragment));
            text.push_str(fragment);
            text.push('\n');
        }
    }
    text.push_str(kernel.wgsl);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quant::{Q4_K, Q6_K};

    #[test]
    fn a_second_format_has_names_of_its_own() {
        let tuning = Tuning { arithmetic: Arithmetic::Int8, lanes: Lanes::One };
        let rows =
            MatvecVariant { format: &Q4_K, second: Some(&Q6_K), staged: true, tuning, subgroups: false };
        let shared = ["matvec/times", "matvec/product4"].map(|name| Variant::Matvec(rows).fragment(name));
        let text = as_second(&Q6_K, shared);
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
    fn a_fragment_is_there_once() {
        let kernel = Kernel { name: "k", wgsl: "// Uses: kv codes encode acts lanes\nfn k() {}" };
        let text = compose(&kernel, Variant::Kv(KvType::F16));
        for once in ["fn put_codes", "fn encode16", "var<storage, read_write> acts", "fn load_key8", "fn k()"]
        {
            assert_eq!(text.matches(once).count(), 1, "{once} in {text}");
        }
        assert!(kernel.names("codes") && !kernel.names("code"));
    }

    #[test]
    fn only_formats_with_codes_are_int8() {
        let tuning = Tuning { arithmetic: Arithmetic::Int8, lanes: Lanes::One };
        let rows = |format, second| MatvecVariant { format, second, staged: true, tuning, subgroups: false };
        assert_eq!(rows(&Q4_K, Some(&Q6_K)).arithmetic(), Arithmetic::Int8);
        assert_eq!(rows(&crate::quant::F16, None).arithmetic(), Arithmetic::F32);
    }
}
