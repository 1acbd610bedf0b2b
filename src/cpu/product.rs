//! Products `y = w x` of a matrix with rows of activations, for a range of the matrix's groups of eight rows.
//!
//! Each row is summed from its first column to its last, whoever computes it: results do not depend on how groups are
//! shared out.

use core::ops::Range;

use crate::cpu::activations::{Activations, Block};
use crate::cpu::codes::{CHUNK, Codes, QUADS, n_chunks};
use crate::cpu::lanes::{Isa, Kernel, Lanes, ROWS};
use crate::cpu::matrix::{Coded, Group, Matrix, coded};
use crate::cpu::scales::{Scaled, Scales};

/// Tokens that are computed with the same unpacked weights at once.
const TOKENS: usize = 4;
/// Blocks of the file's larger unit: 256 columns.
const PER_SUPER: usize = 8;

/// Eight rows, unpacked for the tokens of a prompt.
#[derive(Debug, Default)]
pub struct Tile {
    codes: Vec<[u8; CHUNK]>,
    scales: Vec<[f32; ROWS]>,
    mins: Vec<[f32; ROWS]>,
}

/// Writes the rows of `groups` of `y [T, N]`, row major with a stride of `stride`, for int8 activations.
///
/// `y` begins with the first row of the first group. Only for matrices with codes; nothing is written for others.
pub fn product_int8(
    isa: Isa,
    w: &Matrix,
    groups: Range<usize>,
    x: &Activations,
    (y, stride): (&mut [f32], usize),
    tile: &mut Tile,
) {
    isa.run(Int8 { w, groups, x, y, stride, tile });
}

struct Int8<'a> {
    w: &'a Matrix,
    groups: Range<usize>,
    x: &'a Activations,
    y: &'a mut [f32],
    stride: usize,
    tile: &'a mut Tile,
}

impl Kernel for Int8<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        coded(self.w.format, WithLanes { lanes, work: self });
    }
}

struct WithLanes<'a, L> {
    lanes: L,
    work: Int8<'a>,
}

impl<L: Lanes> Coded for WithLanes<'_, L> {
    type Output = ();

    #[inline(always)]
    fn run<C: Codes, S: Scales>(self) {
        let Int8 { w, groups, x, y, stride, tile } = self.work;
        let (n_tokens, rows) = (x.n_rows(), w.n_rows);
        for (i, g) in groups.enumerate() {
            let group = w.group(g);
            // The last group of a matrix may have fewer rows.
            let n = ROWS.min(rows - (g * ROWS).min(rows));
            if n_tokens == 1 {
                let sums = one_token::<L, C, S>(self.lanes, group, x.row(0));
                put(self.lanes, sums, &mut y[i * ROWS..], n);
                continue;
            }
            unpack::<L, C, S>(self.lanes, group, tile);
            let mut t = 0;
            while t + TOKENS <= n_tokens {
                let rows: [&[Block]; TOKENS] = core::array::from_fn(|i| x.row(t + i));
                let sums = several::<L, C, S, TOKENS>(self.lanes, tile, rows);
                for (j, sums) in sums.into_iter().enumerate() {
                    put(self.lanes, sums, &mut y[(t + j) * stride + i * ROWS..], n);
                }
                t += TOKENS;
            }
            while t < n_tokens {
                let [sums] = several::<L, C, S, 1>(self.lanes, tile, [x.row(t)]);
                put(self.lanes, sums, &mut y[t * stride + i * ROWS..], n);
                t += 1;
            }
        }
    }
}

#[inline(always)]
fn put<L: Lanes>(lanes: L, sums: L::F32, y: &mut [f32], n: usize) {
    if let (ROWS, Some(y)) = (n, y.first_chunk_mut()) {
        lanes.store(sums, y);
    } else {
        let mut all = [0.0; ROWS];
        lanes.store(sums, &mut all);
        y[..n].copy_from_slice(&all[..n]);
    }
}

/// What is still to be taken from a code after the dot product.
const fn rest<L: Lanes, C: Codes>() -> i32 {
    C::ZERO - if C::WIDE { L::OFFSET_TAKEN } else { 0 }
}

#[inline(always)]
fn dot<L: Lanes, C: Codes>(lanes: L, codes: L::Bytes, x: &Block, quad: usize, to: L::I32) -> L::I32 {
    if C::WIDE { lanes.dot_offset(codes, &x.quads[quad], to) } else { lanes.dot(codes, &x.quads[quad], to) }
}

/// The sum of the codes of a group of columns.
#[inline(always)]
fn sum_of<S: Scales>(x: &Block, group: usize) -> i32 {
    if S::GROUPS == 1 { x.sums[0] + x.sums[1] } else { x.sums[group] }
}

/// Adds a block: eight rows, 32 columns.
#[inline(always)]
fn add_block<L: Lanes, C: Codes, S: Scales>(
    lanes: L,
    codes: &[L::Bytes; QUADS],
    scaled: &Scaled<L::F32>,
    x: &Block,
    mut sums: L::F32,
) -> L::F32 {
    let scale = lanes.splat(x.scale);
    let per_group = QUADS / S::GROUPS;
    for group in 0..S::GROUPS {
        let sum = sum_of::<S>(x, group);
        let mut products = lanes.splat_i32(-rest::<L, C>() * sum);
        for q in group * per_group..(group + 1) * per_group {
            products = dot::<L, C>(lanes, codes[q], x, q, products);
        }
        sums = lanes.madd(lanes.to_f32(products), lanes.mul(scaled.scales[group], scale), sums);
        if S::MINS {
            let taken = lanes.splat(x.scale * sum as f32);
            sums = lanes.sub(sums, lanes.mul(scaled.mins[group], taken));
        }
    }
    sums
}

#[inline(always)]
fn one_token<L: Lanes, C: Codes, S: Scales>(lanes: L, group: Group<'_>, x: &[Block]) -> L::F32 {
    let mut sums = lanes.splat(0.0);
    let codes = group.codes.as_chunks::<CHUNK>().0.chunks_exact(n_chunks::<C>());
    let blocks = codes.zip(group.scales.chunks_exact(S::BYTES)).zip(x);
    for (b, ((codes, scales), x)) in blocks.enumerate() {
        let supers =
            if S::SUPERS == 0 { &[] } else { &group.supers[b / PER_SUPER * S::SUPERS..][..S::SUPERS] };
        let scaled = S::scaled(lanes, scales, supers);
        sums = add_block::<L, C, S>(lanes, &C::quads(lanes, codes), &scaled, x, sums);
    }
    sums
}

#[inline(always)]
fn unpack<L: Lanes, C: Codes, S: Scales>(lanes: L, group: Group<'_>, tile: &mut Tile) {
    tile.codes.clear();
    tile.scales.clear();
    tile.mins.clear();
    let codes = group.codes.as_chunks::<CHUNK>().0.chunks_exact(n_chunks::<C>());
    for (b, (codes, scales)) in codes.zip(group.scales.chunks_exact(S::BYTES)).enumerate() {
        let supers =
            if S::SUPERS == 0 { &[] } else { &group.supers[b / PER_SUPER * S::SUPERS..][..S::SUPERS] };
        let scaled = S::scaled(lanes, scales, supers);
        for codes in C::quads(lanes, codes) {
            let mut chunk = [0; CHUNK];
            lanes.store_bytes(codes, &mut chunk);
            tile.codes.push(chunk);
        }
        for group in 0..S::GROUPS {
            let mut row = [0.0; ROWS];
            lanes.store(scaled.scales[group], &mut row);
            tile.scales.push(row);
            if S::MINS {
                lanes.store(scaled.mins[group], &mut row);
                tile.mins.push(row);
            }
        }
    }
}

/// The products of an unpacked group with `N` tokens.
#[inline(always)]
fn several<L: Lanes, C: Codes, S: Scales, const N: usize>(
    lanes: L,
    tile: &Tile,
    x: [&[Block]; N],
) -> [L::F32; N] {
    let mut sums = [lanes.splat(0.0); N];
    let per_group = QUADS / S::GROUPS;
    let n_blocks = x.iter().fold(tile.codes.len() / QUADS, |n, x| n.min(x.len()));
    let x = x.map(|x| &x[..n_blocks]);
    let scales = tile.scales.chunks_exact(S::GROUPS);
    for (b, (codes, scales)) in
        tile.codes.as_chunks::<QUADS>().0.iter().zip(scales).enumerate().take(n_blocks)
    {
        for group in 0..S::GROUPS {
            let zero = -rest::<L, C>();
            let mut products: [L::I32; N] =
                core::array::from_fn(|i| lanes.splat_i32(zero * sum_of::<S>(&x[i][b], group)));
            for q in group * per_group..(group + 1) * per_group {
                let codes = lanes.bytes(&codes[q]);
                for i in 0..N {
                    products[i] = dot::<L, C>(lanes, codes, &x[i][b], q, products[i]);
                }
            }
            let scale = lanes.load(&scales[group]);
            for i in 0..N {
                let scale = lanes.mul(scale, lanes.splat(x[i][b].scale));
                sums[i] = lanes.madd(lanes.to_f32(products[i]), scale, sums[i]);
            }
            if S::MINS {
                let min = lanes.load(&tile.mins[b * S::GROUPS + group]);
                for i in 0..N {
                    let taken = lanes.splat(x[i][b].scale * sum_of::<S>(&x[i][b], group) as f32);
                    sums[i] = lanes.sub(sums[i], lanes.mul(min, taken));
                }
            }
        }
    }
    sums
}
