//! Activations as int8: blocks of 32 signed codes with a scale, `x = scale code`, for products with coded weights.
//!
//! Tokens lie in tiles of [`TOKENS`], so that a product reads those of a tile from one place; what is left over are tiles of
//! one token. In a tile the numbers of a block lie beside each other, and each is repeated for the tokens:
//!
//! ```text
//! words    block, quad, 1 or 2 words, token    four codes as bytes, or as two pairs of 16-bit numbers
//! scales   block, token
//! sums     block, half, token
//! ```

use crate::cpu::lanes::Quad;

/// Activations of a block.
pub const BLOCK: usize = 32;
/// Tokens of a tile.
pub const TOKENS: usize = 4;
/// Quads of a block.
const QUADS: usize = BLOCK / 4;
/// A block whose largest value is not above counts as zeros: its scale could not be inverted.
const SMALLEST: f32 = 1e-30;

/// Rows of activations, `[T, K]`, K a multiple of 32.
#[derive(Clone, Debug, Default)]
pub struct Activations {
    n_rows: usize,
    blocks_per_row: usize,
    words_per_quad: usize,
    words: Vec<i32>,
    scales: Vec<f32>,
    sums: Vec<i32>,
}

/// `N` tokens.
#[derive(Clone, Copy, Debug)]
pub struct Tile<'a, const N: usize> {
    /// The codes, `[blocks, 8 quads, 1 or 2]`.
    pub words: &'a [[i32; N]],
    /// What codes are multiplied by; NaN if an activation of the block is infinite or NaN, so that products are NaN too.
    pub scales: &'a [[f32; N]],
    /// Sums of the codes of both halves of each block.
    pub sums: &'a [[[i32; N]; 2]],
}

impl Activations {
    /// Encodes `x [T, K]`, in place of what was there. What is left of a row after the last whole block is ignored.
    /// `pairs` is that of the instruction set that is to read them.
    pub fn encode(&mut self, x: &[f32], n_cols: usize, pairs: bool) {
        self.n_rows = x.len().checked_div(n_cols).unwrap_or_default();
        self.blocks_per_row = n_cols / BLOCK;
        self.words_per_quad = 1 + usize::from(pairs);
        let n_blocks = self.n_rows * self.blocks_per_row;
        self.words.resize(n_blocks * QUADS * self.words_per_quad, 0);
        self.scales.resize(n_blocks, 0.0);
        self.sums.resize(2 * n_blocks, 0);
        let mut t = 0;
        while t < self.n_rows {
            let n = self.tile_len(t);
            for i in 0..n {
                let row = &x[(t + i) * n_cols..][..self.blocks_per_row * BLOCK];
                for (b, x) in row.as_chunks().0.iter().enumerate() {
                    self.put(&encode(x), t * self.blocks_per_row + b * n, (n, i));
                }
            }
            t += n;
        }
    }

    /// T.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// Tokens of the tile that begins with token `t`.
    #[must_use]
    pub fn tile_len(&self, t: usize) -> usize {
        if t + TOKENS <= self.n_rows { TOKENS } else { 1 }
    }

    /// The tile that begins with token `t` and has `N` tokens; empty if there is none.
    #[must_use]
    #[inline(always)]
    pub fn tile<const N: usize>(&self, t: usize) -> Tile<'_, N> {
        let blocks = t * self.blocks_per_row..(t + N) * self.blocks_per_row;
        let of = |per_block: usize| blocks.start * per_block..blocks.end * per_block;
        let words = self.words.get(of(QUADS * self.words_per_quad)).unwrap_or_default();
        let sums = self.sums.get(of(2)).unwrap_or_default();
        Tile {
            words: words.as_chunks().0,
            scales: self.scales.get(blocks.clone()).unwrap_or_default().as_chunks().0,
            sums: sums.as_chunks().0.as_chunks().0,
        }
    }

    /// Writes a block of token `i` of `n`. `block` is the number of its tile's block in units of one token.
    fn put(&mut self, from: &Encoded, block: usize, (n, i): (usize, usize)) {
        self.scales[block + i] = from.scale;
        for (half, sum) in from.sums.into_iter().enumerate() {
            self.sums[2 * block + half * n + i] = sum;
        }
        let words = &mut self.words[block * QUADS * self.words_per_quad..];
        for (q, codes) in from.codes.as_chunks::<4>().0.iter().enumerate() {
            if self.words_per_quad == 1 {
                words[q * n + i] = i32::from_le_bytes(codes.map(i8::cast_unsigned));
            } else {
                let pair = |low: i8, high: i8| (i32::from(low) & 0xffff) | (i32::from(high) << 16);
                words[2 * q * n + i] = pair(codes[0], codes[2]);
                words[(2 * q + 1) * n + i] = pair(codes[1], codes[3]);
            }
        }
    }
}

impl<const N: usize> Tile<'_, N> {
    /// Quad `q` of token `i` of a block's words.
    #[inline(always)]
    pub fn quad<const PAIRS: bool>(words: &[[i32; N]], q: usize, i: usize) -> Quad {
        if PAIRS {
            Quad { bytes: 0, pairs: [words[2 * q][i], words[2 * q + 1][i]] }
        } else {
            Quad { bytes: words[q][i], pairs: [0; 2] }
        }
    }
}

struct Encoded {
    codes: [i8; BLOCK],
    scale: f32,
    sums: [i32; 2],
}

fn encode(x: &[f32; BLOCK]) -> Encoded {
    // Numbers without their sign are ordered as their bits are, with infinity and NaN above all others.
    let mut largest = [0; 8];
    for x in x.as_chunks::<8>().0 {
        for (largest, x) in largest.iter_mut().zip(x) {
            *largest = (*largest).max(x.abs().to_bits().cast_signed());
        }
    }
    let largest = f32::from_bits(largest.into_iter().fold(0, i32::max).cast_unsigned());
    let (scale, inverse) = if !largest.is_finite() {
        return Encoded { codes: [0; BLOCK], scale: f32::NAN, sums: [0; 2] };
    } else if largest > SMALLEST {
        (largest / 127.0, 127.0 / largest)
    } else {
        (0.0, 0.0)
    };
    // The sum has no room for a fraction: it is rounded, ties to even, and its lowest byte is the code.
    let codes = x.map(|x| (x * inverse + 12_582_912.0).to_bits() as u8 as i8);
    let (low, high) = codes.split_at(BLOCK / 2);
    let sums = [low, high].map(|half| half.iter().map(|code| i32::from(*code)).sum());
    Encoded { codes, scale, sums }
}

#[cfg(test)]
impl Activations {
    /// The activations that the codes stand for, `[T, K]`.
    pub(super) fn decoded(&self) -> Vec<f32> {
        let mut t = 0;
        let mut x = Vec::new();
        while t < self.n_rows {
            if self.tile_len(t) == TOKENS {
                (0..TOKENS).for_each(|i| x.extend(self.decoded_row::<TOKENS>(t, i)));
            } else {
                x.extend(self.decoded_row::<1>(t, 0));
            }
            t += self.tile_len(t);
        }
        x
    }

    fn decoded_row<const N: usize>(&self, t: usize, i: usize) -> impl Iterator<Item = f32> + '_ {
        let tile = self.tile::<N>(t);
        let per_block = QUADS * self.words_per_quad;
        tile.words.chunks_exact(per_block).zip(tile.scales).flat_map(move |(words, scales)| {
            (0..QUADS).flat_map(move |q| {
                let codes = if per_block == QUADS {
                    words[q][i].to_le_bytes().map(|code| f32::from(code as i8))
                } else {
                    let [even, odd] = [words[2 * q][i], words[2 * q + 1][i]];
                    [even as i16, odd as i16, (even >> 16) as i16, (odd >> 16) as i16].map(f32::from)
                };
                codes.map(|code| code * scales[i])
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Activations, BLOCK};
    use crate::cpu::testing::numbers;

    #[test]
    fn codes_are_rounded_to_the_nearest_and_summed() {
        let mut x = [0.0; 2 * BLOCK];
        (x[0], x[1], x[3], x[17], x[BLOCK]) = (-127.0, 1.5, -2.5, 2.5, 3.0);
        let mut activations = Activations::default();
        activations.encode(&x, 2 * BLOCK, false);
        let tile = activations.tile::<1>(0);
        assert_eq!(tile.words[0][0].to_le_bytes(), [129, 2, 0, 254]);
        assert_eq!(tile.words[8], [127]);
        assert_eq!(tile.scales, [[1.0], [3.0 / 127.0]]);
        assert_eq!(tile.sums, [[[-127], [2]], [[127], [0]]]);
        activations.encode(&x, 2 * BLOCK, true);
        assert_eq!(activations.tile::<1>(0).words[..2], [[0xff81], [0xfffe_0002u32 as i32]]);
        assert!(activations.tile::<1>(1).words.is_empty());
    }

    #[test]
    fn every_token_is_within_half_a_step_of_its_codes() {
        const K: usize = 96;
        for tokens in 0..10 {
            for pairs in [false, true] {
                let x: Vec<f32> = numbers(3).take(tokens * K).collect();
                let mut activations = Activations::default();
                activations.encode(&numbers(9).take(20 * K).collect::<Vec<_>>(), K, !pairs);
                activations.encode(&x, K, pairs);
                let found = activations.decoded();
                assert_eq!(found.len(), x.len());
                for (x, found) in x.chunks(BLOCK).zip(found.chunks(BLOCK)) {
                    let step = x.iter().fold(0f32, |m, x| m.max(x.abs())) / 127.0;
                    assert!(x.iter().zip(found).all(|(x, found)| (x - found).abs() < 0.501 * step));
                }
            }
        }
    }

    #[test]
    fn what_can_not_be_scaled_is_zero_and_what_is_no_number_is_not() {
        let mut activations = Activations::default();
        activations.encode(&[1e-38; BLOCK], BLOCK, false);
        let tile = activations.tile::<1>(0);
        assert_eq!((tile.scales[0], tile.sums[0]), ([0.0], [[0], [0]]));
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut x = [1.0; 2 * BLOCK];
            x[5] = bad;
            activations.encode(&x, 2 * BLOCK, false);
            let scales = activations.tile::<1>(0).scales;
            assert!(scales[0][0].is_nan() && scales[1][0].is_finite());
        }
    }

    #[test]
    fn no_columns_are_no_rows() {
        let mut activations = Activations::default();
        activations.encode(&[], 0, false);
        assert_eq!(activations.n_rows(), 0);
    }
}
