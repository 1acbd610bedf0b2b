//! Embedding look-up: `x[t, :] = scale * E[ids[t], :]`, `E [V, D]` block-quantised, `x [T, D]` f32.

use crate::gpu::plan::ExtraBindings;
use crate::gpu::shader::Variant;
use crate::gpu::{Buffer, Dispatch, Extent, Gpu, Grid, Kernel, Matrix, Plan};
use crate::quant::Format;

/// `shaders/embed.wgsl`.
pub static KERNEL: Kernel = Kernel { name: "embed", wgsl: include_str!("../../shaders/embed.wgsl") };

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    n_groups: u32,
    first_row: u32,
    n_rows: u32,
    scale: f32,
}

/// Looks `ids [T]` up in `table`, one dispatch per part of it.
pub fn record(plan: &mut Plan, gpu: &Gpu, table: &Matrix, ids: &Buffer, x: &Buffer, scale: f32) {
    let n_groups = table.n_cols / 16;
    for part in &table.parts {
        let params = Params {
            n_groups: n_groups as u32,
            first_row: part.range.first_row as u32,
            n_rows: part.range.n_rows as u32,
            scale,
        };
        plan.add(
            gpu,
            &table.label,
            &Dispatch {
                kernel: &KERNEL,
                variant: Variant::Weights(table.format),
                params: bytemuck::bytes_of(&params),
                bindings: &[ids, x],
                extra: ExtraBindings::Lookup(part),
                grid: Grid { x: (Extent::Fixed(n_groups), 64), y: (Extent::PerToken(1), 1) },
            },
        );
    }
}

/// CPU twin: `blocks` are the rows of the table as in the file.
#[must_use]
pub fn embed(ids: &[u32], format: &Format, blocks: &[u8], n_cols: usize, scale: f32) -> Vec<f32> {
    let row_bytes = format.bytes_of(n_cols as u64) as usize;
    let mut x = Vec::with_capacity(ids.len() * n_cols);
    for id in ids {
        let row = blocks.chunks_exact(row_bytes).nth(*id as usize).unwrap_or_default();
        format.decode(row, &mut x);
    }
    x.iter_mut().for_each(|x| *x *= scale);
    x
}
