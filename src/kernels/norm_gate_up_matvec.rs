//! The gated half of a feed-forward for one token: `gelu(gate) * up` of the normalised residual stream, in f32 and as codes.
//!
//! CPU twin: [`norm_input`](super::rows::norm_input), [`matmul`](super::matmul::matmul), [`geglu`](super::geglu::geglu).

use super::rows::{Acts, Batch, NormInput, grid};
use super::{gate, norm_matvec};
use crate::gpu::shader::{MATH, NORMED};
use crate::gpu::{Dispatch, Gpu, Kernel, Matrix, Plan};

/// `shaders/norm_geglu.wgsl`.
pub static KERNEL: Kernel =
    Kernel { name: "norm_geglu", wgsl: include_str!("../../shaders/norm_geglu.wgsl"), libs: &[MATH, NORMED] };

/// Where results go, in quads.
#[derive(Clone, Copy, Debug)]
pub struct Out {
    /// `[F]`, gated.
    pub gated: u32,
    /// Its codes.
    pub codes: u32,
    /// `[2F]`, gate and up, where they cannot be made by one dispatch.
    pub gate_up: u32,
}

/// Writes `gelu(gate) * up`. One dispatch a part of a stack of both, one where two formats can be bound together, else one for each
/// of gate and up and one that joins them.
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
        let width = gate_up.iter().map(|m| m.n_rows).sum::<u64>() / 2;
        norm_matvec::record(plan, gpu, acts, gate_up, input, out.gate_up);
        gate::record(plan, gpu, acts, (out.gate_up, out.gated, out.codes), width as usize);
        return;
    }
    for batch in batches {
        // Codes are two quads for sixteen values, a part begins at a multiple of sixteen.
        let params = batch.params(out.gated, Some(&input)).halved(&batch);
        let codes = out.codes + (params.first_row() / 8);
        plan.add(
            gpu,
            batch.label(),
            &Dispatch {
                kernel: &KERNEL,
                variant: batch.variant(gpu, acts.tuning, true),
                params: bytemuck::bytes_of(&params.with_codes(codes)),
                bindings: &[acts.buffer, input.norms],
                group1: batch.group1(),
                grid: grid(batch.half_rows(), acts.tuning),
            },
        );
    }
}
