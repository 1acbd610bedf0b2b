//! Logits of one token, soft-capped, with the maximum of every block of 32, which the sampler looks at first.
//!
//! CPU twin: [`norm_input`](super::matvec_common::norm_input), [`matmul`](super::matmul::matmul),
//! [`softcap_logits`](super::softcap_logits::softcap_logits), and [`block_max`](super::sample::block_max).

use super::matvec_common::{Acts, Batch, NormInput, grid};
use crate::gpu::{Buffer, Dispatch, Gpu, Kernel, Matrix, Plan};

/// `shaders/logits.wgsl`.
pub static KERNEL: Kernel = Kernel { name: "logits", wgsl: include_str!("../../shaders/logits.wgsl") };

/// Writes `logits [V]` and `block_max [ceil(V / 32)]` (infinity or NaN if a logit of the block is not
/// finite), one dispatch per part of `w`. A `softcap` of 0 is none.
pub fn record(
    plan: &mut Plan,
    gpu: &Gpu,
    acts: Acts<'_>,
    w: &Matrix,
    input: NormInput<'_>,
    (logits, block_max): (&Buffer, &Buffer),
    softcap: f32,
) {
    for part in &w.parts {
        let batch = Batch::one(w, part);
        plan.add(
            gpu,
            batch.label(),
            &Dispatch {
                kernel: &KERNEL,
                variant: batch.variant(gpu, acts.tuning, true),
                params: bytemuck::bytes_of(&batch.params(0, Some(&input)).with_softcap(softcap)),
                bindings: &[acts.buffer, input.norms, logits, block_max],
                extra: batch.planes(),
                grid: grid(batch.n_rows(), acts.tuning),
            },
        );
    }
}
