//! Eight rows of codes as bytes, unpacked once for the tokens of a prompt, and their products.

use crate::cpu::activations::{self, Activations, TOKENS};
use crate::cpu::codes::{CHUNK, Codes, QUADS};
use crate::cpu::lanes::{Isa, Kernel, Lanes, ROWS};
use crate::cpu::matrix::{Coded, Group, Matrix, coded};
use crate::cpu::scales::{Scaled, Scales};
use crate::cpu::sums::{AnySort, Memory, Rows, Sort, add_block, block_of};

/// Codes, scales and minima, block by block.
#[derive(Debug, Default)]
pub struct Tile {
    codes: Vec<[[u8; CHUNK]; QUADS]>,
    scales: Vec<[f32; ROWS]>,
    mins: Vec<[f32; ROWS]>,
    zero: i32,
    wide: bool,
}

impl Tile {
    /// Unpacks group `g`.
    pub(super) fn unpack(&mut self, isa: Isa, w: &Matrix, g: usize) {
        isa.run(Unpack { w, group: w.group(g), tile: self });
    }

    /// Writes the products with all tokens.
    pub(super) fn product(&self, isa: Isa, x: &Activations, rows: Rows, y: &mut [f32]) {
        isa.run(Product { tile: self, x, rows, y });
    }
}

struct Unpack<'a> {
    w: &'a Matrix,
    group: Group<'a>,
    tile: &'a mut Tile,
}

impl Kernel for Unpack<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        coded(self.w.format, WithLanes { lanes, work: self });
    }
}

struct WithLanes<L, W> {
    lanes: L,
    work: W,
}

impl<L: Lanes> Coded for WithLanes<L, Unpack<'_>> {
    type Output = ();

    #[inline(always)]
    fn run<C: Codes, S: Scales>(self) {
        let Self { lanes, work: Unpack { group, tile, .. } } = self;
        let n_blocks = group.n_blocks::<S>();
        (tile.zero, tile.wide) = (C::ZERO, C::WIDE);
        tile.codes.resize(n_blocks, [[0; CHUNK]; QUADS]);
        tile.scales.resize(n_blocks * S::GROUPS, [0.0; ROWS]);
        tile.mins.resize(if S::MINS { n_blocks * S::GROUPS } else { 0 }, [0.0; ROWS]);
        for b in 0..n_blocks {
            let block = group.block::<C, S>(b);
            let codes = C::quads(lanes, block.codes);
            let to = &mut tile.codes[b];
            for q in 0..QUADS {
                lanes.store_bytes(codes[q], &mut to[q]);
            }
            let scaled = S::scaled(lanes, block.scales, block.supers);
            for g in 0..S::GROUPS {
                lanes.store(scaled.scales[g], &mut tile.scales[b * S::GROUPS + g]);
                if S::MINS {
                    lanes.store(scaled.mins[g], &mut tile.mins[b * S::GROUPS + g]);
                }
            }
        }
    }
}

struct Product<'a> {
    tile: &'a Tile,
    x: &'a Activations,
    rows: Rows,
    y: &'a mut [f32],
}

impl Kernel for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let two_groups = self.tile.scales.len() > self.tile.codes.len();
        match (self.tile.wide, two_groups, !self.tile.mins.is_empty()) {
            (true, ..) => self.of::<L, AnySort<true, 1, false>>(lanes),
            (_, false, false) => self.of::<L, AnySort<false, 1, false>>(lanes),
            (_, false, true) => self.of::<L, AnySort<false, 1, true>>(lanes),
            (_, true, false) => self.of::<L, AnySort<false, 2, false>>(lanes),
            (_, true, true) => self.of::<L, AnySort<false, 2, true>>(lanes),
        }
    }
}

impl Product<'_> {
    #[inline(always)]
    fn of<L: Lanes, S: Sort>(self, lanes: L) {
        let Self { tile, x, rows, y } = self;
        let mut t = 0;
        while L::MANY_REGISTERS && t + 2 * TOKENS <= x.n_rows() {
            let sums = several::<L, S, 2, TOKENS>(lanes, tile, [x.tile(t), x.tile(t + TOKENS)]);
            for (i, sums) in sums.into_iter().flatten().enumerate() {
                rows.put(lanes, sums, y, t + i);
            }
            t += 2 * TOKENS;
        }
        while t + TOKENS <= x.n_rows() {
            let [sums] = several::<L, S, 1, TOKENS>(lanes, tile, [x.tile(t)]);
            for (i, sums) in sums.into_iter().enumerate() {
                rows.put(lanes, sums, y, t + i);
            }
            t += TOKENS;
        }
        while t < x.n_rows() {
            let [[sums]] = several::<L, S, 1, 1>(lanes, tile, [x.tile(t)]);
            rows.put(lanes, sums, y, t);
            t += 1;
        }
    }
}

/// The products with `G` tiles of `N` tokens.
#[inline(always)]
fn several<L: Lanes, S: Sort, const G: usize, const N: usize>(
    lanes: L,
    tile: &Tile,
    x: [activations::Tile<'_, N>; G],
) -> [[L::F32; N]; G] {
    let mut sums = [[lanes.splat(0.0); N]; G];
    let n = x.iter().fold(tile.codes.len(), |n, x| n.min(x.scales.len()));
    let scales = &tile.scales[..n * S::GROUPS];
    let mins = if S::MINS { &tile.mins[..n * S::GROUPS] } else { &[] };
    let none = lanes.splat(0.0);
    for (b, codes) in tile.codes[..n].iter().enumerate() {
        // The second of one group is a copy.
        let (first, last) = (b * S::GROUPS, (b + 1) * S::GROUPS - 1);
        let scaled = Scaled {
            scales: [lanes.load(&scales[first]), lanes.load(&scales[last])],
            mins: if S::MINS { [lanes.load(&mins[first]), lanes.load(&mins[last])] } else { [none; 2] },
        };
        let x = array!(i < G, (&[][..], &[0.0; N], &[[0; N]; 2]), block_of::<L, N>(&x[i], b));
        add_block::<L, S, _, G, N>(lanes, (Memory(codes), tile.zero), &scaled, x, &mut sums);
    }
    sums
}
