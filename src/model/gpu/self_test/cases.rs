//! Table of cases: the kernels of a model, each with the method that makes its cases.

use crate::error::{Error, Result};
use crate::gpu::shader::Variant;
use crate::kernels::{matmul, matmul_direct, matmul_int8};
use crate::model::gpu::self_test::fixture::{Cases, Ran};

impl Cases<'_> {
    /// Adds the cases of a kernel.
    ///
    /// # Errors
    /// [`Error::Internal`] for a kernel that has no case: `tests/gpu/self_test.rs` loads every architecture.
    pub(super) fn add(&mut self, number: usize, (kernel, variant): Ran) -> Result<()> {
        self.begin(number);
        match (kernel.name, variant) {
            ("embed", Variant::Weights(format)) => self.embed(format),
            ("matmul", Variant::Weights(format)) => self.product(false, matmul::record, format),
            ("matmul_direct", Variant::Weights(format)) => self.product(true, matmul_direct::record, format),
            ("matmul_int8", Variant::Weights(format)) => self.product(true, matmul_int8::record, format),
            ("norm_add", Variant::Operand(arithmetic)) => self.norm_add(arithmetic),
            ("geglu_prefill", Variant::Operand(arithmetic)) => self.geglu_prefill(arithmetic),
            ("qk_norm_rope", _) => self.attention_prefill(None, None),
            ("attention_prefill", Variant::KvOperand(_, to)) => {
                self.windows().iter().try_for_each(|window| self.attention_prefill(*window, Some(to)))
            }
            ("attention_decode", _) => {
                self.windows().iter().try_for_each(|window| self.attention_decode(*window))
            }
            ("attention_reduce", _) => self.attention_reduce(),
            ("norm_matvec", Variant::Matvec(variant)) => self.norm_matvec(variant),
            ("norm_gate_up_matvec", Variant::Matvec(variant)) => self.norm_gate_up_matvec(variant),
            ("matvec", Variant::Matvec(variant)) => self.matvec(variant),
            ("logits", Variant::Matvec(variant)) => self.logits(variant),
            ("geglu_decode", _) => self.geglu_decode(),
            ("sample", _) => self.sample(),
            _ => Err(Error::Internal { what: format!("the kernel {} has no self-test", kernel.name) }),
        }
    }
}
