//! The gated half of a feed-forward for one token: `gelu(gate) * up` of the normalised residual stream, in
//! f32 and as codes.
//!
//! CPU twin: [`norm_input`](super::matvec_common::norm_input), [`matmul`](super::matmul::matmul),
//! [`geglu`](super::geglu_prefill::geglu).

use super::matvec_common::{Acts, Batch, NormInput, Span, grid};
use super::{geglu_decode, norm_matvec};
use crate::gpu::{Dispatch, Gpu, Kernel, Matrix, Plan};

/// `shaders/norm_gate_up_matvec.wgsl`.
pub static KERNEL: Kernel =
    Kernel { name: "norm_gate_up_matvec", wgsl: include_str!("../../shaders/norm_gate_up_matvec.wgsl") };

/// Places of the results.
#[derive(Clone, Copy, Debug)]
pub struct Out {
    /// `[F]`, `gelu(gate) * up`.
    pub gated: Span,
    /// First quad of `[2F]`, gate and up, used if one dispatch cannot compute both.
    pub gate_up: u32,
}

/// Writes `gelu(gate) * up`. It takes one dispatch for each part if gate and up are fused, one in all if
/// their two formats can be bound together, otherwise one for gate, one for up, and one that joins them.
pub fn record(
    plan: &mut Plan,
    gpu: &Gpu,
    acts: Acts<'_>,
    gate_up: &[Matrix],
    input: NormInput<'_>,
    out: Out,
) {
    let batches = Batch::all(gpu, gate_up);
    if !batches.iter().all(Batch::is_paired) {
        let d_ff = gate_up.iter().map(|m| m.n_rows).sum::<u64>() / 2;
        norm_matvec::record(plan, gpu, acts, gate_up, input, out.gate_up);
        geglu_decode::record(plan, gpu, acts, out.gate_up, out.gated, d_ff as usize);
        return;
    }
    for batch in batches {
        // Codes are two quads for sixteen values, a part begins at a multiple of sixteen.
        let params = batch.params(out.gated.values, Some(&input)).halved(&batch);
        let codes = out.gated.codes + (params.first_row() / 8);
        plan.add(
            gpu,
            batch.label(),
            &Dispatch {
                kernel: &KERNEL,
                variant: batch.variant(gpu, acts.tuning, true),
                params: bytemuck::bytes_of(&params.with_codes(codes)),
                bindings: &[acts.buffer, input.norms],
                extra: batch.planes(),
                grid: grid(batch.half_rows(), acts.tuning),
            },
        );
    }
}
