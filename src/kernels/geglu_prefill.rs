//! Gated GELU: `y = gelu_tanh(gate) * up`, `[T, F]`.

use crate::gpu::plan::ExtraBindings;
use crate::gpu::shader::Variant;
use crate::gpu::{Arithmetic, Buffer, Dispatch, Extent, Gpu, Grid, Kernel, Plan};

/// `shaders/geglu_prefill.wgsl`.
pub static KERNEL: Kernel =
    Kernel { name: "geglu_prefill", wgsl: include_str!("../../shaders/geglu_prefill.wgsl") };

/// Writes `gelu(gate) * up` of `gate_up [T, 2 F]` f32 into `rows [T, F]`, for products of that arithmetic. F
/// is a multiple of 16.
pub fn record(
    plan: &mut Plan,
    gpu: &Gpu,
    label: &str,
    gate_up: &Buffer,
    (rows, arithmetic): (&Buffer, Arithmetic),
    n_cols: usize,
) {
    let n_groups = n_cols as u32 / 16;
    plan.add(
        gpu,
        label,
        &Dispatch {
            kernel: &KERNEL,
            variant: Variant::Operand(arithmetic),
            params: bytemuck::bytes_of(&n_groups),
            bindings: &[gate_up],
            extra: ExtraBindings::One(rows),
            grid: Grid { x: (Extent::Fixed(u64::from(n_groups)), 64), y: (Extent::PerToken(1), 1) },
        },
    );
}

/// CPU twin.
#[must_use]
pub fn geglu(gate: &[f32], up: &[f32]) -> Vec<f32> {
    gate.iter().zip(up).map(|(g, u)| gelu_tanh(f64::from(*g)) as f32 * u).collect()
}

/// `0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))`.
fn gelu_tanh(x: f64) -> f64 {
    0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3))).tanh())
}
