//! Products `y = w x` of a matrix of codes with rows of int8 activations, for a range of the matrix's groups of eight rows.
//!
//! Each row is summed from its first column to its last, whoever computes it and beside whatever other token: results do not
//! depend on how groups are shared out, nor on how many tokens there are.

use core::ops::Range;

use crate::cpu::activations::{self, Activations, TOKENS};
use crate::cpu::codes::{Codes, QUADS};
use crate::cpu::lanes::{Isa, Kernel, Lanes, ROWS};
use crate::cpu::matrix::{Coded, Group, Matrix, coded};
use crate::cpu::scales::{Scaled, Scales};
use crate::cpu::unpacked::unpack;

pub use crate::cpu::unpacked::Tile;

/// Writes the rows of `groups` of `y [T, N]`, row major with a stride of `stride`, for int8 activations.
///
/// `y` begins with the first row of the first group. Only for matrices with codes; nothing is written for others. `tile` is
/// memory for eight rows of weights.
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
        let Self { lanes, work: Int8 { w, groups, x, y, stride, tile } } = self;
        for (i, g) in groups.enumerate() {
            let group = w.group(g);
            let rows = Rows { first: i * ROWS, n: w.rows_of(g), stride };
            if x.n_rows() == 1 {
                rows.put(lanes, one_token::<L, C, S>(lanes, group, x.tile(0)), y, 0);
                continue;
            }
            unpack::<L, C, S>(lanes, group, tile);
            let mut t = 0;
            while t < x.n_rows() {
                if L::MANY_REGISTERS && t + 2 * TOKENS <= x.n_rows() {
                    let tiles = [x.tile(t), x.tile(t + TOKENS)];
                    let sums = several::<L, C, S, 2, TOKENS>(lanes, tile, tiles);
                    sums.into_iter()
                        .flatten()
                        .enumerate()
                        .for_each(|(i, sums)| rows.put(lanes, sums, y, t + i));
                    t += 2 * TOKENS;
                } else if t + TOKENS <= x.n_rows() {
                    let [sums] = several::<L, C, S, 1, TOKENS>(lanes, tile, [x.tile(t)]);
                    sums.into_iter().enumerate().for_each(|(i, sums)| rows.put(lanes, sums, y, t + i));
                    t += TOKENS;
                } else {
                    let [[sums]] = several::<L, C, S, 1, 1>(lanes, tile, [x.tile(t)]);
                    rows.put(lanes, sums, y, t);
                    t += 1;
                }
            }
        }
    }
}

/// Where the rows of a group lie in `y`.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    /// Column of the first one.
    pub(super) first: usize,
    /// Eight, or fewer in a matrix's last group.
    pub(super) n: usize,
    /// From token to token.
    pub(super) stride: usize,
}

impl Rows {
    /// Writes those of token `t`.
    #[inline(always)]
    pub(super) fn put<L: Lanes>(self, lanes: L, sums: L::F32, y: &mut [f32], t: usize) {
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

/// What is still to be taken from a code after the dot product.
const fn rest<L: Lanes, C: Codes>() -> i32 {
    C::ZERO - if C::WIDE { L::OFFSET_TAKEN } else { 0 }
}

/// Adds the products of quad `q` of a block to those of `N` tokens.
#[inline(always)]
fn dot<L: Lanes, C: Codes, const N: usize>(
    lanes: L,
    codes: L::Bytes,
    words: &[[i32; N]],
    q: usize,
    products: [L::I32; N],
) -> [L::I32; N] {
    core::array::from_fn(|i| {
        let quad = if L::PAIRS {
            activations::Tile::quad::<true>(words, q, i)
        } else {
            activations::Tile::quad::<false>(words, q, i)
        };
        if C::WIDE {
            lanes.dot_offset(codes, &quad, products[i])
        } else {
            lanes.dot(codes, &quad, products[i])
        }
    })
}

/// Sums of the codes of a group of columns.
#[inline(always)]
fn sums_of<S: Scales, const N: usize>(sums: &[[i32; N]; 2], group: usize) -> [i32; N] {
    if S::GROUPS == 1 { core::array::from_fn(|i| sums[0][i] + sums[1][i]) } else { sums[group] }
}

/// Adds a block, eight rows and 32 columns, to the sums of `N` tokens. `quad` gives its codes.
#[inline(always)]
fn add_block<L: Lanes, C: Codes, S: Scales, const G: usize, const N: usize>(
    lanes: L,
    quad: impl Fn(usize) -> L::Bytes,
    scaled: &Scaled<L::F32>,
    x: [(&[[i32; N]], &[f32; N], &[[i32; N]; 2]); G],
    sums: &mut [[L::F32; N]; G],
) {
    let per_group = QUADS / S::GROUPS;
    for group in 0..S::GROUPS {
        let code_sums = x.map(|(_, _, sums)| sums_of::<S, N>(sums, group));
        let mut products = code_sums.map(|sums| sums.map(|sum| lanes.splat_i32(-rest::<L, C>() * sum)));
        for q in group * per_group..(group + 1) * per_group {
            let codes = quad(q);
            for tile in 0..G {
                products[tile] = dot::<L, C, N>(lanes, codes, x[tile].0, q, products[tile]);
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

/// The words of a tile, block by block.
#[inline(always)]
fn words<L: Lanes, const N: usize>(x: activations::Tile<'_, N>) -> core::slice::ChunksExact<'_, [i32; N]> {
    x.words.chunks_exact(if L::PAIRS { 2 * QUADS } else { QUADS })
}

#[inline(always)]
fn one_token<L: Lanes, C: Codes, S: Scales>(
    lanes: L,
    group: Group<'_>,
    x: activations::Tile<'_, 1>,
) -> L::F32 {
    let mut sums = [[lanes.splat(0.0)]];
    let x = words::<L, 1>(x).zip(x.scales).zip(x.sums);
    for (block, ((words, scales), code_sums)) in group.blocks::<C, S>().zip(x) {
        let scaled = S::scaled(lanes, block.scales, block.supers);
        let codes = C::quads(lanes, block.codes);
        add_block::<L, C, S, 1, 1>(lanes, |q| codes[q], &scaled, [(words, scales, code_sums)], &mut sums);
    }
    sums[0][0]
}

/// The products of an unpacked group with `G` tiles of `N` tokens.
#[inline(always)]
fn several<L: Lanes, C: Codes, S: Scales, const G: usize, const N: usize>(
    lanes: L,
    tile: &Tile,
    x: [activations::Tile<'_, N>; G],
) -> [[L::F32; N]; G] {
    let per_block = if L::PAIRS { 2 * QUADS } else { QUADS };
    let mut sums = [[lanes.splat(0.0); N]; G];
    let n = x.iter().fold(tile.codes.len(), |n, x| n.min(x.scales.len()));
    let x = x.map(|x| (&x.words[..n * per_block], &x.scales[..n], &x.sums[..n]));
    let (scales, mins) = (&tile.scales[..n * S::GROUPS], &tile.mins[..n * S::GROUPS]);
    for (b, codes) in tile.codes[..n].iter().enumerate() {
        let of = |rows: &[[f32; ROWS]], group: usize| {
            // The second of one group is a copy.
            lanes.load(&rows[b * S::GROUPS + group.min(S::GROUPS - 1)])
        };
        let none = lanes.splat(0.0);
        let scaled = Scaled {
            scales: [of(scales, 0), of(scales, 1)],
            mins: if S::MINS { [of(mins, 0), of(mins, 1)] } else { [none; 2] },
        };
        let x =
            x.map(|(words, scales, sums)| (&words[b * per_block..(b + 1) * per_block], &scales[b], &sums[b]));
        add_block::<L, C, S, G, N>(lanes, |q| lanes.bytes(&codes[q]), &scaled, x, &mut sums);
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::{Tile, product_int8};
    use crate::cpu::activations::Activations;
    use crate::cpu::lanes::Isa;
    use crate::cpu::testing::{Case, error, numbers, product};
    use crate::quant::{FORMATS, Format};

    const GAP: usize = 3;

    /// The product with rows a gap apart, by parts of the groups.
    fn run(isa: Isa, case: &Case, x: &[f32], parts: &[usize]) -> (Vec<f32>, Activations) {
        let (n, k) = (case.n_rows, case.n_cols);
        let (mut codes, mut tile, stride) = (Activations::default(), Tile::default(), n + GAP);
        codes.encode(x, k, isa.wants_pairs());
        let mut y = vec![f32::INFINITY; codes.n_rows() * stride];
        let mut first = 0;
        for end in parts.iter().copied().chain([case.w.n_groups()]) {
            let at = 8 * first.min(n / 8);
            product_int8(isa, &case.w, first..end, &codes, (&mut y[at..], stride), &mut tile);
            first = end;
        }
        assert!(y.chunks_exact(stride).all(|y| y[n..].iter().all(|y| *y == f32::INFINITY)));
        (y.chunks_exact(stride).flat_map(|y| &y[..n]).copied().collect(), codes)
    }

    fn coded() -> impl Iterator<Item = &'static Format> {
        FORMATS.into_iter().filter(|format| format.has_codes())
    }

    #[test]
    fn every_format_on_every_instruction_set() {
        for format in coded() {
            for (n, blocks) in [(1, 1), (7, 2), (8, 3), (21, 1), (40, 2)] {
                let case = Case::new(format, n, blocks * format.block_len);
                for tokens in 1..10 {
                    let x: Vec<f32> = numbers(3).take(tokens * case.n_cols).collect();
                    for isa in Isa::all() {
                        let (y, codes) = run(isa, &case, &x, &[case.w.n_groups() / 2]);
                        let name = format!("{format:?} on {}, {n} rows, {tokens} tokens", isa.name());
                        let seen = codes.decoded();
                        let found = error(&y, &product(&case.weights, &seen, case.n_cols));
                        assert!(found < 2e-6, "{name}: {found}");
                        // Two columns of the last row exchanged.
                        let mut wrong = case.weights.clone();
                        let at = wrong.len() - 1;
                        wrong.swap(at, at - 5);
                        let wrong = error(&y, &product(&wrong, &seen, case.n_cols));
                        assert!(wrong > 2e-5 || case.weights[at] == case.weights[at - 5], "{name}: {wrong}");
                    }
                }
            }
        }
    }

    #[test]
    fn results_depend_neither_on_other_tokens_nor_on_the_parts() {
        for format in coded() {
            let case = Case::new(format, 45, 2 * format.block_len);
            let x: Vec<f32> = numbers(5).take(15 * case.n_cols).collect();
            for isa in Isa::all() {
                let (all, _) = run(isa, &case, &x, &[]);
                for (x, y) in x.chunks_exact(case.n_cols).zip(all.chunks_exact(case.n_rows)) {
                    assert_eq!(run(isa, &case, x, &[]).0, y, "{format:?} on {}", isa.name());
                }
                assert_eq!(run(isa, &case, &x[..6 * case.n_cols], &[]).0, all[..6 * case.n_rows]);
                for parts in [&[1][..], &[3, 3, 5], &[1, 2, 3, 4, 5], &[6]] {
                    assert_eq!(run(isa, &case, &x, parts).0, all, "{format:?}, {parts:?}");
                }
            }
        }
    }

    #[test]
    fn an_activation_that_is_no_number_makes_its_token_nan() {
        for format in coded() {
            let case = Case::new(format, 9, format.block_len);
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let mut x: Vec<f32> = numbers(5).take(6 * case.n_cols).collect();
                x[2 * case.n_cols + 7] = bad;
                for isa in Isa::all() {
                    let (y, _) = run(isa, &case, &x, &[]);
                    for (t, y) in y.chunks_exact(case.n_rows).enumerate() {
                        assert!(y.iter().all(|y| y.is_nan() == (t == 2)), "{format:?} on {}", isa.name());
                    }
                }
            }
        }
    }
}
