//! Rotary position embedding: pairs are `(i, i + C/2)`, whole head. The kernels that rotate share
//! shaders/lib/rope.wgsl and this table.

use crate::error::Result;
use crate::gpu::{Buffer, Gpu, MemoryKind};

/// Positions that the low half of the split angle covers (`shaders/lib/rope.wgsl`).
const N_LOW: usize = 64;

/// Bytes of [`Rotary::table`].
#[must_use]
pub fn table_bytes(n_pairs: usize, context: usize) -> u64 {
    8 * ((N_LOW + context.div_ceil(N_LOW)) * n_pairs) as u64
}

/// Angles of a layer: base of the frequencies and divisor of the positions (linear RoPE scaling).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rotary {
    /// theta.
    pub base: f64,
    /// Divisor of the positions; 1 without scaling.
    pub divisor: f64,
}

impl Rotary {
    /// Radians of pair `i` of `n_pairs` at a position.
    #[must_use]
    pub fn angle(self, position: usize, i: usize, n_pairs: usize) -> f64 {
        position as f64 / self.divisor * self.base.powf(-(i as f64) / n_pairs as f64)
    }

    /// (cos, sin) for the positions 0..64, then for the multiples of 64 below `context`:
    /// `[64 + ceil(context / 64), n_pairs]`.
    #[must_use]
    pub fn table(self, n_pairs: usize, context: usize) -> Vec<[f32; 2]> {
        let positions = (0..N_LOW).chain((0..context.div_ceil(N_LOW)).map(|hi| hi * N_LOW));
        let row = |position: usize| (0..n_pairs).map(move |i| self.angle(position, i, n_pairs));
        positions.flat_map(row).map(|a| [a.cos() as f32, a.sin() as f32]).collect()
    }

    /// The table as a buffer.
    ///
    /// # Errors
    /// [`crate::Error::LimitTooLow`] for a context beyond the adapter's binding limit.
    pub fn upload(self, gpu: &Gpu, n_pairs: usize, context: usize) -> Result<Buffer> {
        let table = self.table(n_pairs, context);
        let buffer = gpu.storage(MemoryKind::Scratch, "rope_table", table_bytes(n_pairs, context))?;
        gpu.write(&buffer, 0, bytemuck::cast_slice(&table));
        Ok(buffer)
    }
}

/// CPU twin: `x [T, heads, head_dim]`, the first token at `position`.
#[must_use]
pub fn rope(x: &[f32], row_len: usize, head_dim: usize, position: usize, rotary: Rotary) -> Vec<f32> {
    let n_pairs = head_dim / 2;
    let mut y = x.to_vec();
    for (t, row) in y.chunks_exact_mut(row_len).enumerate() {
        for head in row.chunks_exact_mut(head_dim) {
            let (low, high) = head.split_at_mut(n_pairs);
            for (i, (a, b)) in low.iter_mut().zip(high).enumerate() {
                let (sin, cos) = rotary.angle(position + t, i, n_pairs).sin_cos();
                let (x, y) = (f64::from(*a), f64::from(*b));
                *a = (x * cos - y * sin) as f32;
                *b = (y * cos + x * sin) as f32;
            }
        }
    }
    y
}
