//! Gated GELU of one token, for a gate and up that one dispatch could not compute together:
//! `out = gelu_tanh(gate) * up`, in f32 and as codes.
//!
//! CPU twin: [`geglu`](super::geglu_prefill::geglu).

use super::matvec_common::{Acts, Span};
use crate::gpu::plan::ExtraBindings;
use crate::gpu::shader::Variant;
use crate::gpu::{Dispatch, Extent, Gpu, Grid, Kernel, Plan};

/// `shaders/geglu_decode.wgsl`.
pub static KERNEL: Kernel =
    Kernel { name: "geglu_decode", wgsl: include_str!("../../shaders/geglu_decode.wgsl") };

/// Joins gate and up, `[2 F]` f32 from quad `gate_up` on, into `out [F]`.
pub fn record(plan: &mut Plan, gpu: &Gpu, acts: Acts<'_>, gate_up: u32, out: Span, d_ff: usize) {
    let n_groups = d_ff as u32 / 16;
    plan.add(
        gpu,
        "geglu_decode",
        &Dispatch {
            kernel: &KERNEL,
            variant: Variant::Plain,
            params: bytemuck::bytes_of(&[n_groups, gate_up, out.values, out.codes]),
            bindings: &[acts.buffer],
            extra: ExtraBindings::None,
            grid: Grid { x: (Extent::Fixed(u64::from(n_groups)), 64), y: (Extent::Fixed(1), 1) },
        },
    );
}
