//! Products `y = w x` with activations in f32: of matrices of floats always, of matrices of codes if results are to be exact.
//!
//! A row has four sums, of every fourth column, whoever computes it and beside whatever other token.

use core::ops::Range;

use crate::cpu::codes::{Codes, QUADS};
use crate::cpu::lanes::{Isa, Kernel, Lanes, ROWS};
use crate::cpu::matrix::{Coded, Group, Matrix, coded};
use crate::cpu::scales::Scales;
use crate::cpu::sums::Rows;

/// Sums of a row, each of every `CHAINS`th column: an addition takes several cycles.
const CHAINS: usize = 4;

/// Writes the rows of `groups` of `y [T, N]`, row major with a stride of `stride`. `y` begins with the first row of the first
/// group. `tile` is memory for eight rows of weights.
pub fn product_f32(
    isa: Isa,
    w: &Matrix,
    groups: Range<usize>,
    x: &[f32],
    (y, stride): (&mut [f32], usize),
    tile: &mut Vec<[f32; ROWS]>,
) {
    let one_token = x.len() < 2 * w.n_cols;
    for (i, g) in groups.enumerate() {
        let rows = Rows { first: i * ROWS, n: w.rows_of(g), stride };
        if one_token && !w.has_codes() {
            isa.run(OneToken { w, group: w.group(g), x, rows, y });
        } else {
            isa.run(Decode { w, group: w.group(g), tile });
            isa.run(Tokens { tile, x, rows, y });
        }
    }
}

/// One token, and floats as they lie in memory.
struct OneToken<'a> {
    w: &'a Matrix,
    group: Group<'a>,
    x: &'a [f32],
    rows: Rows,
    y: &'a mut [f32],
}

impl Kernel for OneToken<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Self { w, group, x, rows, y } = self;
        let [sums] = match w.format.name {
            "F16" => several(lanes, group.codes.as_chunks().0, |column| lanes.load_f16(column), [x]),
            "BF16" => several(lanes, group.codes.as_chunks().0, |column| lanes.load_bf16(column), [x]),
            _ => several(lanes, group.codes.as_chunks().0, |column| load_f32(lanes, column), [x]),
        };
        rows.put(lanes, sums, y, 0);
    }
}

/// Eight rows as f32, `[K, 8]`.
struct Decode<'a> {
    w: &'a Matrix,
    group: Group<'a>,
    tile: &'a mut Vec<[f32; ROWS]>,
}

impl Kernel for Decode<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Self { w, group, tile } = self;
        match w.format.name {
            "F16" => decode_floats(lanes, group, |column| lanes.load_f16(column), tile),
            "BF16" => decode_floats(lanes, group, |column| lanes.load_bf16(column), tile),
            "F32" => decode_floats(lanes, group, |column| load_f32(lanes, column), tile),
            _ => {
                coded(w.format, OfCodes { lanes, group, tile });
            }
        }
    }
}

/// Loads columns of eight floats of `N / 8` bytes.
#[inline(always)]
fn decode_floats<L: Lanes, const N: usize>(
    lanes: L,
    group: Group<'_>,
    load: impl Fn(&[u8; N]) -> L::F32,
    tile: &mut Vec<[f32; ROWS]>,
) {
    let columns = group.codes.as_chunks().0;
    tile.resize(columns.len(), [0.0; ROWS]);
    for (column, to) in columns.iter().zip(tile.iter_mut()) {
        lanes.store(load(column), to);
    }
}

#[inline(always)]
fn load_f32<L: Lanes>(lanes: L, column: &[u8; 4 * ROWS]) -> L::F32 {
    lanes.load(&bytemuck::pod_read_unaligned(column))
}

struct OfCodes<'a, L> {
    lanes: L,
    group: Group<'a>,
    tile: &'a mut Vec<[f32; ROWS]>,
}

impl<L: Lanes> Coded for OfCodes<'_, L> {
    type Output = ();

    #[inline(always)]
    fn run<C: Codes, S: Scales>(self) {
        decode::<L, C, S>(self.lanes, self.group, self.tile);
    }
}

/// Decodes eight rows: `[K, 8]`.
#[inline(always)]
fn decode<L: Lanes, C: Codes, S: Scales>(lanes: L, group: Group<'_>, tile: &mut Vec<[f32; ROWS]>) {
    let zero = lanes.splat(C::ZERO as f32);
    tile.clear();
    for b in 0..group.n_blocks::<S>() {
        let block = group.block::<C, S>(b);
        let scaled = S::scaled(lanes, block.scales, block.supers);
        let codes = C::quads(lanes, block.codes);
        for (q, codes) in codes.iter().enumerate() {
            let g = q * S::GROUPS / QUADS;
            let mut bytes = [0; 4 * ROWS];
            lanes.store_bytes(*codes, &mut bytes);
            for c in 0..4 {
                let column = array!(r < ROWS, 0, bytes[4 * r + c]);
                let weights = lanes.mul(scaled.scales[g], lanes.sub(lanes.load_u8(&column), zero));
                let mut row = [0.0; ROWS];
                lanes.store(if S::MINS { lanes.sub(weights, scaled.mins[g]) } else { weights }, &mut row);
                tile.push(row);
            }
        }
    }
}

struct Tokens<'a> {
    tile: &'a [[f32; ROWS]],
    x: &'a [f32],
    rows: Rows,
    y: &'a mut [f32],
}

impl Kernel for Tokens<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Self { tile, x, rows, y } = self;
        let k = tile.len();
        let n_tokens = x.len().checked_div(k).unwrap_or_default();
        let row = |t: usize| &x[t * k..(t + 1) * k];
        let load = |weights: &[f32; ROWS]| lanes.load(weights);
        let mut t = 0;
        while L::MANY_REGISTERS && t + 4 <= n_tokens {
            let sums = several(lanes, tile, load, [row(t), row(t + 1), row(t + 2), row(t + 3)]);
            for (i, sums) in sums.into_iter().enumerate() {
                rows.put(lanes, sums, y, t + i);
            }
            t += 4;
        }
        while t + 2 <= n_tokens {
            let [a, b] = several(lanes, tile, load, [row(t), row(t + 1)]);
            rows.put(lanes, a, y, t);
            rows.put(lanes, b, y, t + 1);
            t += 2;
        }
        if t < n_tokens {
            let [sums] = several(lanes, tile, load, [row(t)]);
            rows.put(lanes, sums, y, t);
        }
    }
}

/// The products of columns of eight rows with `N` tokens.
#[inline(always)]
fn several<L: Lanes, W, const N: usize>(
    lanes: L,
    columns: &[W],
    load: impl Fn(&W) -> L::F32,
    x: [&[f32]; N],
) -> [L::F32; N] {
    let mut sums = [[lanes.splat(0.0); N]; CHAINS];
    let (chunks, rest) = columns.as_chunks::<CHAINS>();
    let x_chunks = array!(i < N, &[][..], &x[i].as_chunks::<CHAINS>().0[..chunks.len()]);
    for (k, columns) in chunks.iter().enumerate() {
        for (chain, column) in columns.iter().enumerate() {
            let weights = load(column);
            for i in 0..N {
                sums[chain][i] = lanes.madd(weights, lanes.splat(x_chunks[i][k][chain]), sums[chain][i]);
            }
        }
    }
    for (chain, column) in rest.iter().enumerate() {
        let weights = load(column);
        for i in 0..N {
            sums[chain][i] =
                lanes.madd(weights, lanes.splat(x[i][chunks.len() * CHAINS + chain]), sums[chain][i]);
        }
    }
    let [a, b, c, d] = sums;
    array!(i < N, a[0], lanes.add(lanes.add(a[i], b[i]), lanes.add(c[i], d[i])))
}

#[cfg(test)]
mod tests {
    use super::product_f32;
    use crate::cpu::lanes::Isa;
    use crate::cpu::testing::{Case, error, numbers, product};
    use crate::quant::FORMATS;

    fn run(isa: Isa, case: &Case, x: &[f32], middle: usize) -> Vec<f32> {
        let (n, mut tile) = (case.n_rows, vec![[f32::NAN; 8]; 7]);
        let mut y = vec![f32::NAN; x.len() / case.n_cols * n];
        product_f32(isa, &case.w, 0..middle, x, (&mut y, n), &mut tile);
        product_f32(isa, &case.w, middle..case.w.n_groups(), x, (&mut y[8 * middle..], n), &mut tile);
        y
    }

    #[test]
    fn every_format_on_every_instruction_set() {
        for format in FORMATS {
            let columns: &[usize] = if format.has_codes() { &[1, 2, 3] } else { &[3, 4, 33, 128] };
            for (n, columns) in [1, 8, 21].into_iter().zip(columns) {
                let case = Case::new(format, n, columns * format.block_len);
                for tokens in 1..10 {
                    let x: Vec<f32> = numbers(3).take(tokens * case.n_cols).collect();
                    for isa in Isa::all() {
                        let y = run(isa, &case, &x, case.w.n_groups() / 2);
                        let name = format!("{format:?} on {}, {n} rows, {tokens} tokens", isa.name());
                        let found = error(&y, &product(&case.weights, &x, case.n_cols));
                        assert!(found < 2e-6, "{name}: {found}");
                        let wrong = error(&y, &product(&case.spoiled(&x), &x, case.n_cols));
                        assert!(wrong > 1e-5, "{name}: {wrong}");
                    }
                }
            }
        }
    }

    #[test]
    fn results_depend_neither_on_other_tokens_nor_on_the_parts() {
        for format in FORMATS {
            let case = Case::new(format, 45, 256);
            let x: Vec<f32> = numbers(5).take(7 * case.n_cols).collect();
            for isa in Isa::all() {
                let all = run(isa, &case, &x, 2);
                for (x, y) in x.chunks_exact(case.n_cols).zip(all.chunks_exact(case.n_rows)) {
                    assert_eq!(run(isa, &case, x, 0), y, "{format:?} on {}", isa.name());
                }
                assert_eq!(run(isa, &case, &x, 5), all);
            }
        }
    }
}
