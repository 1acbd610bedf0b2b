//! A matrix times an activation of one token that lies ready, in f32 and as codes: attention's output and the feed-forward's.
//!
//! CPU twin: [`matmul`](super::matmul::matmul).

use super::rows::{Acts, Batch, grid};
use crate::gpu::{Dispatch, Gpu, Kernel, Matrix, Plan};

/// `shaders/row_matvec.wgsl`.
pub static KERNEL: Kernel =
    Kernel { name: "row_matvec", wgsl: include_str!("../../shaders/row_matvec.wgsl"), libs: &[] };

/// Multiplies the input at quad `x` (its codes at `codes`) by `w` into quads from `out` on.
pub fn record(plan: &mut Plan, gpu: &Gpu, acts: Acts<'_>, w: &Matrix, (x, codes): (u32, u32), out: u32) {
    for part in &w.parts {
        let batch = Batch::one(w, part);
        plan.add(
            gpu,
            batch.label(),
            &Dispatch {
                kernel: &KERNEL,
                variant: batch.variant(gpu, acts.tuning, false),
                params: bytemuck::bytes_of(&batch.params(out, None).with_input(x).with_codes(codes)),
                bindings: &[acts.buffer],
                group1: batch.group1(),
                grid: grid(batch.n_rows(), acts.tuning),
            },
        );
    }
}
