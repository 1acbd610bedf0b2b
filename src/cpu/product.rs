//! Products `y = w x` of a matrix of codes with rows of int8 activations, for a range of the matrix's groups of eight rows.
//!
//! Each row is summed from its first column to its last, whoever computes it and beside whatever other token: results do not
//! depend on how groups are shared out, nor on how many tokens there are.

use core::ops::Range;

use crate::cpu::activations::Activations;
use crate::cpu::codes::Codes;
use crate::cpu::lanes::{Isa, Kernel, Lanes, ROWS};
use crate::cpu::matrix::{Coded, Matrix, coded};
use crate::cpu::scales::Scales;
use crate::cpu::sums::{Registers, Rows, SortOf, add_block, block_of};

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
    if !w.has_codes() {
        return;
    }
    if x.n_rows() == 1 {
        return isa.run(OneToken { w, groups, x, y });
    }
    for (i, g) in groups.enumerate() {
        tile.unpack(isa, w, g);
        tile.product(isa, x, Rows { first: i * ROWS, n: w.rows_of(g), stride }, y);
    }
}

struct OneToken<'a> {
    w: &'a Matrix,
    groups: Range<usize>,
    x: &'a Activations,
    y: &'a mut [f32],
}

impl Kernel for OneToken<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        coded(self.w.format, WithLanes { lanes, work: self });
    }
}

struct WithLanes<'a, L> {
    lanes: L,
    work: OneToken<'a>,
}

impl<L: Lanes> Coded for WithLanes<'_, L> {
    type Output = ();

    #[inline(always)]
    fn run<C: Codes, S: Scales>(self) {
        let Self { lanes, work: OneToken { w, groups, x, y } } = self;
        let x = x.tile::<1>(0);
        for (i, g) in groups.enumerate() {
            let group = w.group(g);
            let mut sums = [[lanes.splat(0.0)]];
            for b in 0..group.n_blocks::<S>().min(x.scales.len()) {
                let (block, x) = (group.block::<C, S>(b), block_of::<L, 1>(&x, b));
                let scaled = S::scaled(lanes, block.scales, block.supers);
                let codes = Registers::<L>(C::quads(lanes, block.codes));
                add_block::<L, SortOf<C, S>, _, 1, 1>(lanes, (codes, C::ZERO), &scaled, [x], &mut sums);
            }
            Rows { first: i * ROWS, n: w.rows_of(g), stride: 0 }.put(lanes, sums[0][0], y, 0);
        }
    }
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
                        let wrong = error(&y, &product(&case.spoiled(&seen), &seen, case.n_cols));
                        assert!(wrong > 1e-5, "{name}: {wrong}");
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
