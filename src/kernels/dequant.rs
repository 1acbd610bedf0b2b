//! Block-quantised weights to f32: `x[t, :] = W[first_row + t, :]`. Not part of a forward pass, but the proof
//! that a format's fragment decodes bit for bit. Its CPU twin is
//! [`Format::decode`](crate::quant::Format::decode).

use crate::gpu::plan::ExtraBindings;
use crate::gpu::shader::Variant;
use crate::gpu::{Buffer, Dispatch, Extent, Gpu, Grid, Kernel, Matrix, Plan};

/// `shaders/dequant.wgsl`.
pub static KERNEL: Kernel = Kernel { name: "dequant", wgsl: include_str!("../../shaders/dequant.wgsl") };

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    n_groups: u32,
    first_row: u32,
    n_rows: u32,
}

/// Writes the T rows of `w` from the step's `first_row` on to `x [T, K]` f32, one dispatch per part of `w`.
pub fn record(plan: &mut Plan, gpu: &Gpu, w: &Matrix, x: &Buffer) {
    let n_groups = w.n_cols / 16;
    for part in &w.parts {
        let params = Params {
            n_groups: n_groups as u32,
            first_row: part.range.first_row as u32,
            n_rows: part.range.n_rows as u32,
        };
        plan.add(
            gpu,
            &w.label,
            &Dispatch {
                kernel: &KERNEL,
                variant: Variant::Weights(w.format),
                params: bytemuck::bytes_of(&params),
                bindings: &[x],
                extra: ExtraBindings::Planes(part),
                grid: Grid { x: (Extent::Fixed(n_groups), 64), y: (Extent::PerToken(1), 1) },
            },
        );
    }
}
