//! Activations as int8: blocks of 32 signed codes with a scale, `x = scale code`, for products with coded weights.

use crate::cpu::lanes::Quad;

/// Activations of a block.
pub const BLOCK: usize = 32;
/// A block whose largest value is not above counts as zeros: its scale could not be inverted.
const SMALLEST: f32 = 1e-30;

/// Thirty-two activations.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Block {
    /// The codes, four at a time.
    pub quads: [Quad; BLOCK / 4],
    /// What a code is multiplied by; NaN if an activation is infinite or NaN, so that products are NaN too.
    pub scale: f32,
    /// Sums of the codes of both halves.
    pub sums: [i32; 2],
}

/// Rows of activations, `[T, K]`, K a multiple of 32.
#[derive(Clone, Debug, Default)]
pub struct Activations {
    blocks: Vec<Block>,
    blocks_per_row: usize,
}

impl Activations {
    /// Encodes `x [T, K]`, in place of what was there. What is left of a row after the last whole block is ignored.
    pub fn encode(&mut self, x: &[f32], n_cols: usize, pairs: bool) {
        self.blocks_per_row = n_cols / BLOCK;
        self.blocks.clear();
        if n_cols == 0 {
            return;
        }
        for row in x.chunks_exact(n_cols) {
            self.blocks.extend(row.as_chunks::<BLOCK>().0.iter().map(|x| encode(x, pairs)));
        }
    }

    /// The blocks of row `t`; none if there is no such row.
    #[must_use]
    pub fn row(&self, t: usize) -> &[Block] {
        self.blocks.get(t * self.blocks_per_row..(t + 1) * self.blocks_per_row).unwrap_or_default()
    }

    /// T.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.blocks.len().checked_div(self.blocks_per_row).unwrap_or_default()
    }
}

#[inline(always)]
fn encode(x: &[f32; BLOCK], pairs: bool) -> Block {
    let largest = x.iter().fold(0f32, |m, x| if x.abs() > m { x.abs() } else { m });
    let (scale, inverse) = if x.iter().any(|x| !x.is_finite()) {
        (f32::NAN, 0.0)
    } else if largest > SMALLEST {
        (largest / 127.0, 127.0 / largest)
    } else {
        (0.0, 0.0)
    };
    let codes: [i8; BLOCK] = core::array::from_fn(|i| (x[i] * inverse).round_ties_even() as i8);
    let mut block = Block { scale, ..Block::default() };
    for (quad, codes) in block.quads.iter_mut().zip(codes.as_chunks::<4>().0) {
        quad.bytes = i32::from_le_bytes(codes.map(i8::cast_unsigned));
        if pairs {
            let pair = |low: i8, high: i8| (i32::from(low) & 0xffff) | (i32::from(high) << 16);
            quad.pairs = [pair(codes[0], codes[2]), pair(codes[1], codes[3])];
        }
    }
    let (low, high) = codes.split_at(BLOCK / 2);
    block.sums = [low, high].map(|half| half.iter().map(|code| i32::from(*code)).sum());
    block
}

#[cfg(test)]
mod tests {
    use super::{Activations, BLOCK};

    #[test]
    fn codes_are_rounded_to_the_nearest_and_summed() {
        let mut x = [0.0; 2 * BLOCK];
        (x[0], x[1], x[17], x[BLOCK]) = (-127.0, 1.5, 2.5, 3.0);
        let mut activations = Activations::default();
        activations.encode(&x, 2 * BLOCK, true);
        let [first, second] = activations.row(0) else { panic!("not two blocks") };
        assert_eq!(first.scale, 1.0);
        assert_eq!(first.quads[0].bytes.to_le_bytes(), [129, 2, 0, 0]);
        assert_eq!(first.quads[0].pairs, [0xff81, 2]);
        assert_eq!(first.sums, [-125, 2]);
        assert_eq!((second.quads[0].bytes, second.scale), (127, 3.0 / 127.0));
        assert_eq!((activations.n_rows(), activations.row(1).len()), (1, 0));
    }

    #[test]
    fn what_can_not_be_scaled_is_zero() {
        let mut activations = Activations::default();
        activations.encode(&[1e-38; BLOCK], BLOCK, false);
        assert_eq!((activations.row(0)[0].scale, activations.row(0)[0].sums), (0.0, [0, 0]));
    }
}
