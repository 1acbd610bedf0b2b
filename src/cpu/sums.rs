//! Sums of eight rows: how a block is added for some tokens, and where the results go.

use core::marker::PhantomData;

use crate::cpu::activations::Tile;
use crate::cpu::codes::{CHUNK, Codes, QUADS};
use crate::cpu::lanes::{Lanes, ROWS};
use crate::cpu::scales::{Scaled, Scales};

/// What the sums of a format depend on, however its codes are stored.
pub trait Sort {
    /// As [`Codes::WIDE`].
    const WIDE: bool;
    /// As [`Scales::GROUPS`].
    const GROUPS: usize;
    /// As [`Scales::MINS`].
    const MINS: bool;
}

/// The sort of codes and scales.
#[derive(Debug)]
pub struct SortOf<C, S>(PhantomData<(C, S)>);

impl<C: Codes, S: Scales> Sort for SortOf<C, S> {
    const WIDE: bool = C::WIDE;
    const GROUPS: usize = S::GROUPS;
    const MINS: bool = S::MINS;
}

/// The sort with these properties.
#[derive(Debug)]
pub struct AnySort<const WIDE: bool, const GROUPS: usize, const MINS: bool>;

impl<const WIDE: bool, const GROUPS: usize, const MINS: bool> Sort for AnySort<WIDE, GROUPS, MINS> {
    const WIDE: bool = WIDE;
    const GROUPS: usize = GROUPS;
    const MINS: bool = MINS;
}

/// A block of the activations of `N` tokens: words, scales and sums of codes.
pub type BlockOf<'a, const N: usize> = (&'a [[i32; N]], &'a [f32; N], &'a [[i32; N]; 2]);

/// Words of a block.
#[must_use]
pub const fn n_words<L: Lanes>() -> usize {
    if L::PAIRS { 2 * QUADS } else { QUADS }
}

/// Block `b` of a tile of activations.
#[inline(always)]
#[must_use]
pub fn block_of<'a, L: Lanes, const N: usize>(x: &Tile<'a, N>, b: usize) -> BlockOf<'a, N> {
    (&x.words[b * n_words::<L>()..(b + 1) * n_words::<L>()], &x.scales[b], &x.sums[b])
}

/// The codes of a block.
pub trait Quads<L: Lanes> {
    /// Those of quad `q`.
    fn quad(&self, lanes: L, q: usize) -> L::Bytes;
}

/// Codes in registers.
#[derive(Debug)]
pub struct Registers<L: Lanes>(pub [L::Bytes; QUADS]);

impl<L: Lanes> Quads<L> for Registers<L> {
    #[inline(always)]
    fn quad(&self, _: L, q: usize) -> L::Bytes {
        self.0[q]
    }
}

/// Codes in memory.
#[derive(Debug)]
pub struct Memory<'a>(pub &'a [[u8; CHUNK]; QUADS]);

impl<L: Lanes> Quads<L> for Memory<'_> {
    #[inline(always)]
    fn quad(&self, lanes: L, q: usize) -> L::Bytes {
        lanes.bytes(&self.0[q])
    }
}

/// Adds a block, eight rows and 32 columns, to the sums of `G` tiles of `N` tokens. `zero` is taken from the codes.
#[inline(always)]
pub fn add_block<L: Lanes, S: Sort, Q: Quads<L>, const G: usize, const N: usize>(
    lanes: L,
    (quads, zero): (Q, i32),
    scaled: &Scaled<L::F32>,
    x: [BlockOf<'_, N>; G],
    sums: &mut [[L::F32; N]; G],
) {
    let per_group = QUADS / S::GROUPS;
    // What the dot product does not take.
    let rest = zero - if S::WIDE { L::OFFSET_TAKEN } else { 0 };
    for group in 0..S::GROUPS {
        let code_sums = array!(tile < G, [0; N], sums_of::<S, N>(x[tile].2, group));
        let mut products = [[lanes.splat_i32(0); N]; G];
        for tile in 0..G {
            for i in 0..N {
                products[tile][i] = lanes.splat_i32(-rest * code_sums[tile][i]);
            }
        }
        for q in group * per_group..(group + 1) * per_group {
            let codes = quads.quad(lanes, q);
            for tile in 0..G {
                let (words, before) = (x[tile].0, products[tile]);
                products[tile] =
                    array!(i < N, before[0], dot::<L, S, N>(lanes, codes, words, (q, i), before[i]));
            }
        }
        for tile in 0..G {
            for i in 0..N {
                let scale = lanes.splat(x[tile].1[i]);
                let sum = &mut sums[tile][i];
                let products = lanes.to_f32(products[tile][i]);
                *sum = lanes.madd(products, lanes.mul(scaled.scales[group], scale), *sum);
                if S::MINS {
                    let taken = lanes.splat(x[tile].1[i] * code_sums[tile][i] as f32);
                    *sum = lanes.sub(*sum, lanes.mul(scaled.mins[group], taken));
                }
            }
        }
    }
}

/// Sums of the codes in a group of columns.
#[inline(always)]
fn sums_of<S: Sort, const N: usize>(sums: &[[i32; N]; 2], group: usize) -> [i32; N] {
    if S::GROUPS == 1 { array!(i < N, 0, sums[0][i] + sums[1][i]) } else { sums[group] }
}

/// Adds the products of quad `q` of a block to those of token `i`.
#[inline(always)]
fn dot<L: Lanes, S: Sort, const N: usize>(
    lanes: L,
    codes: L::Bytes,
    words: &[[i32; N]],
    (q, i): (usize, usize),
    products: L::I32,
) -> L::I32 {
    let quad = if L::PAIRS { Tile::quad::<true>(words, q, i) } else { Tile::quad::<false>(words, q, i) };
    if S::WIDE { lanes.dot_offset(codes, &quad, products) } else { lanes.dot(codes, &quad, products) }
}

/// Where the rows of a group lie in `y`.
#[derive(Clone, Copy, Debug)]
pub struct Rows {
    /// Column of the first one.
    pub first: usize,
    /// Eight, or fewer in a matrix's last group.
    pub n: usize,
    /// From token to token.
    pub stride: usize,
}

impl Rows {
    /// Writes those of token `t`.
    #[inline(always)]
    pub fn put<L: Lanes>(self, lanes: L, sums: L::F32, y: &mut [f32], t: usize) {
        let y = &mut y[t * self.stride + self.first..];
        if let (ROWS, Some(y)) = (self.n, y.first_chunk_mut()) {
            lanes.store(sums, y);
        } else {
            let mut all = [0.0; ROWS];
            lanes.store(sums, &mut all);
            y.iter_mut().zip(all).take(self.n).for_each(|(y, sum)| *y = sum);
        }
    }
}
