//! A matrix times a stored activation of one token, in f32 and as codes: the output projections of attention
//! and of the feed-forward.
//!
//! CPU twin: [`matmul`](super::matmul::matmul).

use super::matvec_common::{Acts, Batch, Span, grid};
use crate::gpu::{Dispatch, Gpu, Kernel, Matrix, Plan};

/// `shaders/matvec.wgsl`.
pub static KERNEL: Kernel = Kernel { name: "matvec", wgsl: include_str!("../../shaders/matvec.wgsl") };

/// Multiplies the input at `x` by `w` into quads from `out` on.
pub fn record(plan: &mut Plan, gpu: &Gpu, acts: Acts<'_>, w: &Matrix, x: Span, out: u32) {
    for part in &w.parts {
        let batch = Batch::one(w, part);
        plan.add(
            gpu,
            batch.label(),
            &Dispatch {
                kernel: &KERNEL,
                variant: batch.variant(gpu, acts.tuning, false),
                params: bytemuck::bytes_of(&batch.params(out, None).with_input(x)),
                bindings: &[acts.buffer],
                extra: batch.planes(),
                grid: grid(batch.n_rows(), acts.tuning),
            },
        );
    }
}
