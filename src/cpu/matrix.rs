//! A matrix in groups of eight rows, as the kernels read it: made once from the blocks of the file, nothing re-quantised.
//!
//! Codes lie in blocks of 8 rows by 32 columns (codes.rs), their scales in blocks of the same shape (scales.rs), both group by
//! group and in a group from the first column on. Floats lie column by column, those of eight rows beside each other.

use crate::cpu::codes::{CHUNK, Codes, Eight, Five, Four, Levels, QUADS, Six, Three, Two, n_chunks, pack};
use crate::cpu::lanes::{Portable, ROWS};
use crate::cpu::scales::{Half, HalfMin, Scales, Super};
use crate::cpu::split::{Split, split};
use crate::quant::Format;

/// Columns of a block.
pub const BLOCK: usize = 32;
/// Columns that share their factors of scales.
const SUPER: usize = 256;

/// `w [N, K]` in groups of eight rows; the last group is filled up with zeros.
#[derive(Debug)]
pub struct Matrix {
    /// The format of the file.
    pub format: &'static Format,
    /// N.
    pub n_rows: usize,
    /// K.
    pub n_cols: usize,
    shape: Shape,
    codes: Vec<u8>,
    scales: Vec<u8>,
    supers: Vec<f32>,
}

/// The codes, scales and factors of eight rows.
#[derive(Clone, Copy, Debug)]
pub struct Group<'a> {
    /// Chunks of codes, or floats.
    pub codes: &'a [u8],
    /// Bytes of scales.
    pub scales: &'a [u8],
    /// Factors of scales.
    pub supers: &'a [f32],
}

/// Eight rows and 32 columns of codes.
#[derive(Clone, Copy, Debug)]
pub struct Block<'a> {
    /// Chunks of codes.
    pub codes: &'a [[u8; CHUNK]],
    /// Bytes of scales.
    pub scales: &'a [u8],
    /// Factors of scales; empty if the format has none.
    pub supers: &'a [f32],
}

impl<'a> Group<'a> {
    /// Blocks of the group.
    #[inline(always)]
    #[must_use]
    pub fn n_blocks<S: Scales>(&self) -> usize {
        self.scales.len() / S::BYTES
    }

    /// Block `b`, from the first column on. Called by its number, since adapters of iterators are not always inlined.
    #[inline(always)]
    #[must_use]
    pub fn block<C: Codes, S: Scales>(&self, b: usize) -> Block<'a> {
        let n = n_chunks::<C>();
        let at = b / (SUPER / BLOCK) * S::SUPERS;
        Block {
            codes: &self.codes.as_chunks::<CHUNK>().0[b * n..(b + 1) * n],
            scales: &self.scales[b * S::BYTES..(b + 1) * S::BYTES],
            supers: if S::SUPERS == 0 { &[] } else { &self.supers[at..at + S::SUPERS] },
        }
    }
}

/// What eight rows and 32 columns take; for floats what eight rows and one column take.
#[derive(Clone, Copy, Debug, Default)]
struct Shape {
    /// Bits of both planes of codes; none for floats.
    bits: [usize; 2],
    /// Bytes of codes or of floats.
    codes: usize,
    /// Bytes of scales.
    scales: usize,
    /// Groups of columns with scales of their own.
    groups: usize,
    /// f32 of 256 columns.
    supers: usize,
    mins: bool,
}

/// Work on a matrix of codes, compiled once for each way they are stored.
pub trait Coded {
    /// The result.
    type Output;
    /// Does it.
    fn run<C: Codes, S: Scales>(self) -> Self::Output;
}

/// Runs `work` for a block format; nothing if its weights are floats.
#[inline(always)]
pub fn coded<W: Coded>(format: &Format, work: W) -> Option<W::Output> {
    Some(match format.name {
        "Q8_0" => work.run::<Eight, Half>(),
        "Q4_0" => work.run::<Four<8>, Half>(),
        "Q4_1" => work.run::<Four<0>, HalfMin>(),
        "Q5_0" => work.run::<Five<16>, Half>(),
        "Q5_1" => work.run::<Five<0>, HalfMin>(),
        "IQ4_NL" => work.run::<Levels, Half>(),
        "Q2_K" => work.run::<Two, Super<2, true>>(),
        "Q3_K" => work.run::<Three<4>, Super<2, false>>(),
        "Q4_K" => work.run::<Four<0>, Super<1, true>>(),
        "Q5_K" => work.run::<Five<0>, Super<1, true>>(),
        "Q6_K" => work.run::<Six<32>, Super<2, false>>(),
        "IQ4_XS" => work.run::<Levels, Super<1, false>>(),
        _ => return None,
    })
}

impl Shape {
    fn of(format: &Format) -> Self {
        struct Measure;
        impl Coded for Measure {
            type Output = Shape;
            fn run<C: Codes, S: Scales>(self) -> Shape {
                Shape {
                    bits: C::BITS,
                    codes: n_chunks::<C>() * CHUNK,
                    scales: S::BYTES,
                    groups: S::GROUPS,
                    supers: S::SUPERS,
                    mins: S::MINS,
                }
            }
        }
        coded(format, Measure).unwrap_or(Self { codes: ROWS * format.block_bytes, ..Self::default() })
    }

    /// Blocks in a row of `n_cols`: a column each for floats.
    fn n_blocks(&self, n_cols: usize) -> usize {
        if self.bits[0] > 0 { n_cols / BLOCK } else { n_cols }
    }

    fn n_supers(&self, n_cols: usize) -> usize {
        self.supers * (n_cols / SUPER)
    }
}

impl Matrix {
    /// A matrix whose rows are still to be written. K is a multiple of the format's block, and of 32 if it has codes.
    #[must_use]
    pub fn new(format: &'static Format, n_rows: usize, n_cols: usize) -> Self {
        let shape = Shape::of(format);
        let (groups, blocks) = (n_rows.div_ceil(ROWS), shape.n_blocks(n_cols));
        Self {
            format,
            n_rows,
            n_cols,
            shape,
            codes: vec![0; groups * blocks * shape.codes],
            scales: vec![0; groups * blocks * shape.scales],
            supers: vec![0.0; groups * shape.n_supers(n_cols)],
        }
    }

    /// Bytes that a matrix takes.
    #[must_use]
    pub fn bytes_of(format: &Format, n_rows: usize, n_cols: usize) -> u64 {
        let shape = Shape::of(format);
        let (groups, blocks) = (n_rows.div_ceil(ROWS) as u64, shape.n_blocks(n_cols) as u64);
        groups * (blocks * (shape.codes + shape.scales) as u64 + 4 * shape.n_supers(n_cols) as u64)
    }

    /// Bytes that this one takes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        Self::bytes_of(self.format, self.n_rows, self.n_cols)
    }

    /// Whether weights are codes, which int8 activations are multiplied with.
    #[must_use]
    pub fn has_codes(&self) -> bool {
        self.shape.bits[0] > 0
    }

    /// Groups of eight rows.
    #[must_use]
    pub fn n_groups(&self) -> usize {
        self.n_rows.div_ceil(ROWS)
    }

    /// Rows of group `g`: eight, or fewer in the last one.
    #[must_use]
    pub fn rows_of(&self, g: usize) -> usize {
        self.n_rows.saturating_sub(g * ROWS).min(ROWS)
    }

    /// Group `g`; empty if there is no such group.
    #[must_use]
    pub fn group(&self, g: usize) -> Group<'_> {
        let blocks = self.shape.n_blocks(self.n_cols);
        let (codes, scales) = (blocks * self.shape.codes, blocks * self.shape.scales);
        let supers = self.shape.n_supers(self.n_cols);
        Group {
            codes: self.codes.get(g * codes..(g + 1) * codes).unwrap_or_default(),
            scales: self.scales.get(g * scales..(g + 1) * scales).unwrap_or_default(),
            supers: self.supers.get(g * supers..(g + 1) * supers).unwrap_or_default(),
        }
    }

    /// Writes whole rows, as they lie in the file, from `first` on. Each row is written once.
    pub fn write_rows(&mut self, first: usize, blocks: &[u8]) {
        let row_bytes = self.format.bytes_of(self.n_cols as u64) as usize;
        for (row, blocks) in (first..self.n_rows).zip(blocks.chunks_exact(row_bytes)) {
            if self.has_codes() {
                self.write_coded(row, blocks);
            } else {
                self.write_floats(row, blocks);
            }
        }
    }

    /// Weights of one row, bit for bit those of [`Format::decode`]; nothing if there is no such row. `to` has K numbers.
    pub fn decode_row(&self, row: usize, to: &mut [f32]) {
        let (group, row) = (self.group(row / ROWS), row % ROWS);
        if coded(self.format, RowOfCodes { group, row, to: &mut *to }).is_none() {
            let size = self.format.block_bytes;
            for (column, to) in group.codes.chunks_exact(ROWS * size).zip(to) {
                (self.format.decode_block)(&column[row * size..][..size], core::slice::from_mut(to));
            }
        }
    }

    fn write_floats(&mut self, row: usize, values: &[u8]) {
        let (size, column) = (self.format.block_bytes, self.shape.codes);
        let start = row / ROWS * self.n_cols * column + row % ROWS * size;
        for (to, value) in self.codes[start..].chunks_mut(column).zip(values.chunks_exact(size)) {
            to[..size].copy_from_slice(value);
        }
    }

    fn write_coded(&mut self, row: usize, blocks: &[u8]) {
        let (g, r, shape) = (row / ROWS, row % ROWS, self.shape);
        let n_blocks = shape.n_blocks(self.n_cols);
        let mut block_ix = g * n_blocks;
        let mut super_ix = g * shape.n_supers(self.n_cols);
        let mut taken = Split::default();
        for block in blocks.chunks_exact(self.format.block_bytes) {
            split(self.format, block, &mut taken);
            for (b, codes) in taken.codes[..self.format.block_len].as_chunks().0.iter().enumerate() {
                pack(codes, r, shape.bits, &mut self.codes[block_ix * shape.codes..][..shape.codes]);
                let scales = &mut self.scales[block_ix * shape.scales..][..shape.scales];
                write_scales(&taken, b, r, &shape, scales);
                block_ix += 1;
            }
            for (to, factor) in
                self.supers[super_ix..].chunks_mut(ROWS).zip(&taken.supers[..shape.supers / ROWS])
            {
                to[r] = *factor;
            }
            super_ix += shape.supers;
        }
    }
}

/// Decodes one row of a group.
struct RowOfCodes<'a> {
    group: Group<'a>,
    row: usize,
    to: &'a mut [f32],
}

impl Coded for RowOfCodes<'_> {
    type Output = ();

    fn run<C: Codes, S: Scales>(self) {
        let Self { group, row, to } = self;
        for (b, to) in to.as_chunks_mut::<BLOCK>().0.iter_mut().enumerate().take(group.n_blocks::<S>()) {
            let block = group.block::<C, S>(b);
            let scaled = S::scaled(Portable, block.scales, block.supers);
            for (q, (codes, to)) in
                C::quads(Portable, block.codes).iter().zip(to.as_chunks_mut::<4>().0).enumerate()
            {
                let g = q * S::GROUPS / QUADS;
                for (code, to) in codes[4 * row..4 * row + 4].iter().zip(to) {
                    let weight = scaled.scales[g][row] * (f32::from(*code) - C::ZERO as f32);
                    *to = if S::MINS { weight - scaled.mins[g][row] } else { weight };
                }
            }
        }
    }
}

/// The scales of row `r` of eight in 32 columns, number `b` of the block of the file.
fn write_scales(taken: &Split, b: usize, r: usize, shape: &Shape, to: &mut [u8]) {
    if shape.supers == 0 {
        for (to, half) in to.chunks_exact_mut(2 * ROWS).zip(taken.half) {
            to[2 * r..2 * r + 2].copy_from_slice(&half);
        }
        return;
    }
    let (scales, mins) = to.split_at_mut(shape.groups * ROWS);
    for g in 0..shape.groups {
        scales[g * ROWS + r] = taken.scales[b * shape.groups + g];
        if shape.mins {
            mins[g * ROWS + r] = taken.mins[b * shape.groups + g];
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::cpu::testing::Case;
    use crate::quant::FORMATS;

    #[test]
    fn a_decoded_row_is_that_of_the_file_bit_for_bit() {
        for format in FORMATS {
            let case = Case::new(format, 19, 2 * format.block_len);
            for (row, weights) in case.weights.chunks_exact(case.n_cols).enumerate() {
                let mut found = vec![f32::NAN; case.n_cols];
                case.w.decode_row(row, &mut found);
                let bits = |x: &[f32]| x.iter().map(|x| (x + 0.0).to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(&found), bits(weights), "{format:?}, row {row}");
            }
            let mut none = [1.0; 4];
            case.w.decode_row(24, &mut none);
            assert_eq!(none, [1.0; 4]);
        }
    }

    #[test]
    fn a_matrix_takes_little_more_than_the_file() {
        for format in FORMATS {
            let case = Case::new(format, 16, 2048);
            let file = format.bytes_of(16 * 2048) as f64;
            let ratio = case.w.bytes() as f64 / file;
            // Scales of four bits, and of six, take a byte.
            let most = if format.name == "Q2_K" { 1.25 } else { 1.1 };
            assert!((0.99..most).contains(&ratio), "{format:?}: {ratio}");
        }
    }
}
