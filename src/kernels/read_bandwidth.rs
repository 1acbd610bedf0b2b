//! Read bandwidth of the adapter's memory: one pass over a buffer, whose sum is checked. It is the bound for
//! decoding, since a token reads every weight once.

use crate::gpu::plan::ExtraBindings;
use crate::gpu::shader::Variant;
use crate::gpu::{Buffer, Dispatch, Extent, Gpu, Grid, Kernel, Plan};

/// `shaders/read_bandwidth.wgsl`.
pub static KERNEL: Kernel =
    Kernel { name: "read_bandwidth", wgsl: include_str!("../../shaders/read_bandwidth.wgsl") };

/// Vectors that a workgroup reads, and sums that it writes.
const VECTORS: usize = 8192;
const SUMS: usize = 256;

/// Number of sums over `n_vectors` vectors of 16 bytes.
#[must_use]
pub fn n_sums(n_vectors: usize) -> usize {
    n_vectors.div_ceil(VECTORS) * SUMS
}

/// Sums `x [n_vectors, 4]` u32 into `y [n_sums]` f32.
pub fn record(plan: &mut Plan, gpu: &Gpu, x: &Buffer, y: &Buffer, n_vectors: usize) {
    plan.add(
        gpu,
        "read_bandwidth",
        &Dispatch {
            kernel: &KERNEL,
            variant: Variant::Plain,
            params: bytemuck::bytes_of(&(n_vectors as u32)),
            bindings: &[x, y],
            extra: ExtraBindings::None,
            grid: Grid { x: (Extent::Fixed(n_vectors as u64), VECTORS as u64), y: (Extent::Fixed(1), 1) },
        },
    );
}

/// CPU twin: the sums of `x`, four words a vector.
#[must_use]
pub fn read_bandwidth(x: &[u32], seed: u32) -> Vec<f32> {
    let n_vectors = x.len() / 4;
    let sum = |i: usize| {
        let first = i / SUMS * VECTORS + i % SUMS;
        let vectors = (first..n_vectors).step_by(SUMS).take(VECTORS / SUMS);
        let words = vectors.flat_map(|v| x.get(4 * v..4 * v + 4).unwrap_or_default());
        (words.fold(seed, |sum, word| sum.wrapping_add(*word)) & 0xff_ffff) as f32
    };
    (0..n_sums(n_vectors)).map(sum).collect()
}
