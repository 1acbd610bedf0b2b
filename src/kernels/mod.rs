//! One Rust file per WGSL kernel, of the same name: its parameters, its dispatch, and its CPU twin.
//!
//! A twin is plain Rust over slices that states the result, not the parallel scheme; sums are taken in f64,
//! so that a twin is nearer to the exact value than any order of f32 additions. Tensors are row-major,
//! `[T, N]` unless said otherwise.

pub mod attention_decode;
pub mod attention_prefill;
pub mod attention_reduce;
pub mod dequant;
pub mod embed;
pub mod geglu_decode;
pub mod geglu_prefill;
pub mod logits;
pub mod matmul;
pub mod matmul_direct;
pub mod matmul_int8;
pub mod matvec;
pub mod matvec_common;
pub mod norm_add;
pub mod norm_gate_up_matvec;
pub mod norm_matvec;
pub mod qk_norm_rope;
pub mod quantize;
pub mod read_bandwidth;
pub mod rope_table;
pub mod sample;
pub mod softcap_logits;

use crate::gpu::shader::{MatvecVariant, Variant};
use crate::gpu::{Arithmetic, Kernel, Tuning};
use crate::quant::{FORMATS, KvType};

const ARITHMETICS: [Arithmetic; 2] = [Arithmetic::F32, Arithmetic::Int8];

/// The variants that a kernel is compiled in.
#[derive(Clone, Copy, Debug)]
enum Family {
    Plain,
    Weights,
    Codes,
    Kv,
    Operand,
    KvOperand,
    /// Matrix-vector products: staged or direct input, second formats or none.
    Matvec {
        staged: bool,
        seconds: bool,
    },
}

/// Every kernel with its family of variants.
const KERNELS: &[(&Kernel, Family)] = &[
    (&attention_decode::KERNEL, Family::Kv),
    (&geglu_decode::KERNEL, Family::Plain),
    (&logits::KERNEL, Family::Matvec { staged: true, seconds: false }),
    (&attention_reduce::KERNEL, Family::Plain),
    (&norm_gate_up_matvec::KERNEL, Family::Matvec { staged: true, seconds: true }),
    (&norm_matvec::KERNEL, Family::Matvec { staged: true, seconds: true }),
    (&matvec::KERNEL, Family::Matvec { staged: false, seconds: false }),
    (&attention_prefill::KERNEL, Family::KvOperand),
    (&softcap_logits::KERNEL, Family::Plain),
    (&dequant::KERNEL, Family::Weights),
    (&embed::KERNEL, Family::Weights),
    (&geglu_prefill::KERNEL, Family::Operand),
    (&matmul::KERNEL, Family::Weights),
    (&matmul_direct::KERNEL, Family::Codes),
    (&matmul_int8::KERNEL, Family::Codes),
    (&norm_add::KERNEL, Family::Operand),
    (&qk_norm_rope::KERNEL, Family::Kv),
    (&sample::KERNEL, Family::Plain),
];

/// Every kernel in every variant that can be compiled, for validation.
pub fn every_variant() -> impl Iterator<Item = (&'static Kernel, Variant)> {
    KERNELS.iter().flat_map(|&(kernel, family)| {
        let variants: Vec<Variant> = match family {
            Family::Plain => vec![Variant::Plain],
            Family::Weights => FORMATS.iter().map(|f| Variant::Weights(f)).collect(),
            Family::Codes => FORMATS.iter().filter(|f| f.has_codes()).map(|f| Variant::Weights(f)).collect(),
            Family::Operand => ARITHMETICS.map(Variant::Operand).to_vec(),
            Family::KvOperand => [KvType::F16, KvType::F32]
                .into_iter()
                .flat_map(|kv| Tuning::ALL.map(|tuning| Variant::KvOperand(kv, tuning)))
                .collect(),
            Family::Kv => [KvType::F16, KvType::F32].map(Variant::Kv).to_vec(),
            Family::Matvec { staged, seconds } => every_matvec(staged, seconds),
        };
        variants.into_iter().map(move |variant| (kernel, variant))
    })
}

fn every_matvec(staged: bool, seconds: bool) -> Vec<Variant> {
    let mut variants = Vec::new();
    for tuning in Tuning::ALL {
        for format in FORMATS.into_iter().filter(|f| f.has_codes() || tuning.arithmetic == Arithmetic::F32) {
            variants.push(MatvecVariant { format, second: None, staged, tuning, subgroups: false });
            variants.push(MatvecVariant { format, second: None, staged, tuning, subgroups: true });
            let others =
                FORMATS.into_iter().filter(|f| seconds && matvec_common::planes_fit_together(format, f, 8));
            variants.extend(others.map(|f| MatvecVariant {
                format,
                second: Some(f),
                staged,
                tuning,
                subgroups: false,
            }));
        }
    }
    variants.into_iter().map(Variant::Matvec).collect()
}
