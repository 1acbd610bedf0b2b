//! Products `y = w x` with activations in f32: of matrices of floats always, of matrices of codes if results are to be exact.

use core::ops::Range;

use crate::cpu::codes::{CHUNK, Codes, QUADS, n_chunks};
use crate::cpu::lanes::{Isa, Kernel, Lanes, ROWS};
use crate::cpu::matrix::{BLOCK, Coded, Group, Matrix, coded};
use crate::cpu::scales::Scales;

/// Tokens that are computed with the same weights at once.
const TOKENS: usize = 4;
const PER_SUPER: usize = 8;

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
    for (i, g) in groups.enumerate() {
        isa.run(Weights { w, group: w.group(g), tile });
        let n = ROWS.min(w.n_rows - (g * ROWS).min(w.n_rows));
        isa.run(Sums { tile, x, y: &mut y[i * ROWS..], stride, n });
    }
}

/// Decodes eight rows: `[K, 8]` f32.
struct Weights<'a> {
    w: &'a Matrix,
    group: Group<'a>,
    tile: &'a mut Vec<[f32; ROWS]>,
}

impl Kernel for Weights<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Weights { w, group, tile } = self;
        tile.clear();
        let n_bytes = w.format.block_bytes;
        if coded(w.format, OfCodes { lanes, group, tile }).is_none() {
            let decode = w.format.decode_block;
            tile.extend(group.codes.chunks_exact(ROWS * n_bytes).map(|column| {
                let mut values = [0.0; ROWS];
                for (value, bytes) in values.iter_mut().zip(column.chunks_exact(n_bytes)) {
                    decode(bytes, core::slice::from_mut(value));
                }
                values
            }));
        }
    }
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
        let Self { lanes, group, tile } = self;
        let zero = lanes.splat(C::ZERO as f32);
        let codes = group.codes.as_chunks::<CHUNK>().0.chunks_exact(n_chunks::<C>());
        for (b, (codes, scales)) in codes.zip(group.scales.chunks_exact(S::BYTES)).enumerate() {
            let supers =
                if S::SUPERS == 0 { &[] } else { &group.supers[b / PER_SUPER * S::SUPERS..][..S::SUPERS] };
            let scaled = S::scaled(lanes, scales, supers);
            for (q, codes) in C::quads(lanes, codes).into_iter().enumerate() {
                let g = q * S::GROUPS / QUADS;
                let mut bytes = [0; CHUNK];
                lanes.store_bytes(codes, &mut bytes);
                for c in 0..BLOCK / QUADS {
                    let column = core::array::from_fn(|r| bytes[4 * r + c]);
                    let weights = lanes.mul(scaled.scales[g], lanes.sub(lanes.load_u8(&column), zero));
                    let mut row = [0.0; ROWS];
                    lanes.store(if S::MINS { lanes.sub(weights, scaled.mins[g]) } else { weights }, &mut row);
                    tile.push(row);
                }
            }
        }
    }
}

struct Sums<'a> {
    tile: &'a [[f32; ROWS]],
    x: &'a [f32],
    y: &'a mut [f32],
    stride: usize,
    n: usize,
}

impl Kernel for Sums<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Self { tile, x, y, stride, n } = self;
        let n_tokens = x.len().checked_div(tile.len()).unwrap_or_default();
        let row = |t: usize| &x[t * tile.len()..(t + 1) * tile.len()];
        let mut t = 0;
        while t + TOKENS <= n_tokens {
            let sums = several(lanes, tile, core::array::from_fn::<_, TOKENS, _>(|i| row(t + i)));
            for (i, sums) in sums.into_iter().enumerate() {
                put(lanes, sums, &mut y[(t + i) * stride..], n);
            }
            t += TOKENS;
        }
        while t < n_tokens {
            let [sums] = several(lanes, tile, [row(t)]);
            put(lanes, sums, &mut y[t * stride..], n);
            t += 1;
        }
    }
}

#[inline(always)]
fn several<L: Lanes, const N: usize>(lanes: L, tile: &[[f32; ROWS]], x: [&[f32]; N]) -> [L::F32; N] {
    let mut sums = [lanes.splat(0.0); N];
    for (k, weights) in tile.iter().enumerate() {
        let weights = lanes.load(weights);
        for i in 0..N {
            sums[i] = lanes.madd(weights, lanes.splat(x[i][k]), sums[i]);
        }
    }
    sums
}

#[inline(always)]
pub(super) fn put<L: Lanes>(lanes: L, sums: L::F32, y: &mut [f32], n: usize) {
    let mut all = [0.0; ROWS];
    lanes.store(sums, &mut all);
    y[..n].copy_from_slice(&all[..n]);
}

#[cfg(test)]
mod tests {
    use super::product_f32;
    use crate::cpu::activations::Activations;
    use crate::cpu::lanes::Isa;
    use crate::cpu::matrix::Matrix;
    use crate::cpu::product::{Tile, product_int8};
    use crate::quant::{FORMATS, Format};

    const N: usize = 21;
    const K: usize = 512;
    const T: usize = 6;

    /// Numbers between -1 and 1.
    fn numbers(seed: u64) -> impl Iterator<Item = f32> {
        let mut state = seed;
        core::iter::repeat_with(move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        })
    }

    /// Random blocks with finite scales, and their weights.
    fn blocks(format: &Format) -> (Vec<u8>, Vec<f32>) {
        let n = N * K / format.block_len;
        let mut bytes: Vec<u8> =
            numbers(7).take(n * format.block_bytes).map(|x| (x * 128.0) as i8 as u8).collect();
        for block in bytes.chunks_exact_mut(format.block_bytes) {
            // The high bytes of every number that is read as a float keep it small.
            let floats: &[usize] = match format.name {
                "F32" => &[2],
                "F16" | "BF16" => &[0],
                "Q4_1" | "Q5_1" | "Q4_K" | "Q5_K" => &[0, 2],
                "Q2_K" => &[80, 82],
                "Q3_K" => &[108],
                "Q6_K" => &[208],
                _ => &[0],
            };
            for at in floats {
                block[at + 1] =
                    if format.name.ends_with("F32") || format.name == "BF16" { 0x3d } else { 0x24 }
                        | (block[at + 1] & 0x80);
            }
        }
        let mut weights = Vec::new();
        format.decode(&bytes, &mut weights);
        assert!(weights.iter().all(|w| w.is_finite()));
        (bytes, weights)
    }

    /// The largest error over the largest value.
    fn error(y: &[f32], wanted: &[f64]) -> f64 {
        let largest = wanted.iter().fold(0.0, |m: f64, y| m.max(y.abs()));
        y.iter().zip(wanted).fold(0.0, |m: f64, (y, w)| m.max((f64::from(*y) - w).abs())) / largest
    }

    fn product(weights: &[f32], x: &[f32]) -> Vec<f64> {
        let row = |x: &[f32], w: &[f32]| x.iter().zip(w).map(|(x, w)| f64::from(*x) * f64::from(*w)).sum();
        x.chunks_exact(K).flat_map(|x| weights.chunks_exact(K).map(move |w| row(x, w))).collect()
    }

    fn matrix(format: &'static Format, bytes: &[u8]) -> Matrix {
        let mut w = Matrix::new(format, N, K);
        let row = format.bytes_of(K as u64) as usize;
        w.write_rows(0, &bytes[..5 * row]);
        w.write_rows(5, &bytes[5 * row..]);
        w
    }

    #[test]
    fn every_format_on_every_instruction_set_with_f32_activations() {
        for format in FORMATS {
            let (bytes, weights) = blocks(format);
            let w = matrix(format, &bytes);
            for tokens in [1, T] {
                let x: Vec<f32> = numbers(3).take(tokens * K).collect();
                let wanted = product(&weights, &x);
                for isa in Isa::all() {
                    let mut y = vec![f32::NAN; tokens * N];
                    product_f32(isa, &w, 0..w.n_groups(), &x, (&mut y, N), &mut Vec::new());
                    let error = error(&y, &wanted);
                    assert!(error < 1e-5, "{format:?} on {}, {tokens} tokens: {error}", isa.name());
                }
            }
        }
    }

    #[test]
    fn every_format_on_every_instruction_set_with_int8_activations() {
        for format in FORMATS.into_iter().filter(|format| format.has_codes()) {
            let (bytes, weights) = blocks(format);
            let w = matrix(format, &bytes);
            for tokens in [1, T] {
                let x: Vec<f32> = numbers(3).take(tokens * K).collect();
                for isa in Isa::all() {
                    let mut codes = Activations::default();
                    codes.encode(&x, K, isa.wants_pairs());
                    let seen: Vec<f32> = (0..tokens)
                        .flat_map(|t| codes.row(t))
                        .flat_map(|b| {
                            b.quads
                                .iter()
                                .flat_map(|q| q.bytes.to_le_bytes().map(|c| f32::from(c as i8) * b.scale))
                        })
                        .collect();
                    let wanted = product(&weights, &seen);
                    let mut y = vec![f32::NAN; tokens * N];
                    let mut tile = Tile::default();
                    product_int8(isa, &w, 0..2, &codes, (&mut y, N), &mut tile);
                    product_int8(isa, &w, 2..w.n_groups(), &codes, (&mut y[16..], N), &mut tile);
                    let error = error(&y, &wanted);
                    assert!(error < 1e-5, "{format:?} on {}, {tokens} tokens: {error}", isa.name());
                }
            }
        }
    }

    #[test]
    fn a_token_alone_and_among_others_is_the_same_to_the_bit() {
        let (bytes, _) = blocks(&crate::quant::Q6_K);
        let w = matrix(&crate::quant::Q6_K, &bytes);
        let x: Vec<f32> = numbers(5).take(T * K).collect();
        for isa in Isa::all() {
            let (mut codes, mut tile) = (Activations::default(), Tile::default());
            codes.encode(&x, K, isa.wants_pairs());
            let mut all = vec![0.0; T * N];
            product_int8(isa, &w, 0..w.n_groups(), &codes, (&mut all, N), &mut tile);
            for (x, y) in x.chunks_exact(K).zip(all.chunks_exact(N)) {
                codes.encode(x, K, isa.wants_pairs());
                let mut alone = vec![0.0; N];
                product_int8(isa, &w, 0..w.n_groups(), &codes, (&mut alone, N), &mut tile);
                assert_eq!(alone, y);
            }
        }
    }
}
