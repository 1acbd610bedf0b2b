//! Matrices times the normalised residual stream of one token: q, k and v of a layer.
//!
//! CPU twin: [`norm_input`](super::matvec_common::norm_input), then [`matmul`](super::matmul::matmul).

use super::matvec_common::{Acts, Batch, NormInput, grid};
use crate::gpu::{Dispatch, Gpu, Kernel, Matrix, Plan};

/// `shaders/norm_matvec.wgsl`.
pub static KERNEL: Kernel =
    Kernel { name: "norm_matvec", wgsl: include_str!("../../shaders/norm_matvec.wgsl") };

/// Writes the product of `matrices`, which lie side by side, from quad `out` on.
pub fn record(
    plan: &mut Plan,
    gpu: &Gpu,
    acts: Acts<'_>,
    matrices: &[Matrix],
    input: NormInput<'_>,
    out: u32,
) {
    for batch in Batch::all(gpu, matrices) {
        plan.add(
            gpu,
            batch.label(),
            &Dispatch {
                kernel: &KERNEL,
                variant: batch.variant(gpu, acts.tuning, true),
                params: bytemuck::bytes_of(&batch.params(out, Some(&input))),
                bindings: &[acts.buffer, input.norms],
                extra: batch.planes(),
                grid: grid(batch.n_rows(), acts.tuning),
            },
        );
    }
}
