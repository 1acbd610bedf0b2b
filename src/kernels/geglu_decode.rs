//! Gated GELU of one token where gate and up could not be made together: `out = gelu_tanh(gate) * up`, in f32 and as codes.
//!
//! CPU twin: [`geglu`](super::geglu::geglu).

use super::rows::Acts;
use crate::gpu::plan::Group1;
use crate::gpu::shader::{ENCODE, MATH, Variant};
use crate::gpu::{Count, Dispatch, Gpu, Grid, Kernel, Plan};

/// `shaders/gate.wgsl`.
pub static KERNEL: Kernel =
    Kernel { name: "gate", wgsl: include_str!("../../shaders/gate.wgsl"), libs: &[MATH, ENCODE] };

/// Joins gate and up, `[2 * width]` f32 at the first quad, into `[width]` at the second and its codes at the third.
pub fn record(
    plan: &mut Plan,
    gpu: &Gpu,
    acts: Acts<'_>,
    (gate_up, out, codes): (u32, u32, u32),
    width: usize,
) {
    let n_groups = width as u32 / 16;
    plan.add(
        gpu,
        "gate",
        &Dispatch {
            kernel: &KERNEL,
            variant: Variant::Plain,
            params: bytemuck::bytes_of(&[n_groups, gate_up, out, codes]),
            bindings: &[acts.buffer],
            group1: Group1::None,
            grid: Grid { x: (Count::Fixed(u64::from(n_groups)), 64), y: (Count::Fixed(1), 1) },
        },
    );
}
