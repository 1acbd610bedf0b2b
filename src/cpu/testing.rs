//! Random numbers, matrices and comparisons for the tests of kernels.

use crate::cpu::matrix::Matrix;
use crate::quant::Format;

/// Numbers between -1 and 1.
pub(super) fn numbers(seed: u64) -> impl Iterator<Item = f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    core::iter::repeat_with(move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    })
}

/// A random matrix and its weights.
pub(super) struct Case {
    pub(super) n_rows: usize,
    pub(super) n_cols: usize,
    pub(super) w: Matrix,
    pub(super) weights: Vec<f32>,
}

impl Case {
    /// Random blocks with finite scales, written in two parts.
    pub(super) fn new(format: &'static Format, n_rows: usize, n_cols: usize) -> Self {
        let n = n_rows * n_cols / format.block_len;
        let mut bytes: Vec<u8> =
            numbers(7).take(n * format.block_bytes).map(|x| (x * 128.0) as i8 as u8).collect();
        // The numbers in a block that are floats.
        let floats: &[usize] = match format.name {
            "Q4_1" | "Q5_1" | "Q4_K" | "Q5_K" => &[0, 2],
            "Q2_K" => &[80, 82],
            "Q3_K" => &[108],
            "Q6_K" => &[208],
            "F32" => &[2],
            _ => &[0],
        };
        for block in bytes.chunks_exact_mut(format.block_bytes) {
            for at in floats {
                // Their high bytes keep them small.
                let exponent = if ["F32", "BF16"].contains(&format.name) { 0x3d } else { 0x24 };
                block[at + 1] = exponent | (block[at + 1] & 0x80);
            }
        }
        let mut weights = Vec::new();
        format.decode(&bytes, &mut weights);
        assert!(weights.iter().all(|w| w.is_finite()));
        let mut w = Matrix::new(format, n_rows, n_cols);
        let row_bytes = format.bytes_of(n_cols as u64) as usize;
        let first = n_rows * 2 / 3;
        w.write_rows(0, &bytes[..first * row_bytes]);
        w.write_rows(first, &bytes[first * row_bytes..]);
        Self { n_rows, n_cols, w, weights }
    }

    /// The weights with one mistake: where the last row meets the largest activation of `x`.
    pub(super) fn spoiled(&self, x: &[f32]) -> Vec<f32> {
        let mut weights = self.weights.clone();
        let row = weights.len() - self.n_cols;
        let largest = weights[row..].iter().fold(0f32, |m, w| m.max(w.abs()));
        let at = (0..self.n_cols).max_by(|a, b| x[*a].abs().total_cmp(&x[*b].abs()));
        weights[row + at.unwrap_or_default()] += 0.05 * largest;
        weights
    }
}

/// `x [T, K]` times the rows of `weights [N, K]`, `[T, N]`: the sums, and the sums of absolute values.
pub(super) fn product(weights: &[f32], x: &[f32], n_cols: usize) -> Vec<(f64, f64)> {
    let row = |x: &[f32], w: &[f32]| {
        let terms = x.iter().zip(w).map(|(x, w)| f64::from(*x) * f64::from(*w));
        terms.fold((0.0, 0.0), |(sum, size), term| (sum + term, size + term.abs()))
    };
    let rows = |x| weights.chunks_exact(n_cols).map(move |w| row(x, w));
    x.chunks_exact(n_cols).flat_map(rows).collect()
}

/// The largest error, in units of the sum of absolute values that it may come from; infinite if a number is none.
pub(super) fn error(found: &[f32], wanted: &[(f64, f64)]) -> f64 {
    assert_eq!(found.len(), wanted.len());
    found.iter().zip(wanted).fold(0.0, |largest, (found, (wanted, size))| {
        let error = (f64::from(*found) - wanted).abs() / size.max(1e-30);
        if error.is_nan() { f64::INFINITY } else { largest.max(error) }
    })
}
