//! Mixtures of the values by their weights.

use core::ops::Range;

use super::numbers::Numbers;
use super::tile::Tile;
use crate::cpu::lanes::{Lanes, ROWS};

/// Adds the values at the positions `keys` to the outputs of a tile's queries, by `weights [n, stride]`.
#[inline(always)]
pub(super) fn mix<L: Lanes, V: Numbers>(
    lanes: L,
    tile: &Tile<'_>,
    keys: Range<usize>,
    weights: (&[f32], usize),
    values: &[u8],
    (o, o_stride): (&mut [f32], usize),
) {
    let work = Mix::<V> { tile, keys, weights, values: V::chunks(values), o_stride };
    let n = tile.n_queries();
    let mut i = 0;
    while i + 4 <= n {
        if L::MANY_REGISTERS {
            work.queries::<L, 4, 4>(lanes, i, o);
        } else {
            work.queries::<L, 4, 2>(lanes, i, o);
        }
        i += 4;
    }
    if i + 2 <= n {
        work.queries::<L, 2, 4>(lanes, i, o);
        i += 2;
    }
    if i < n {
        work.queries::<L, 1, 8>(lanes, i, o);
    }
}

struct Mix<'a, V: Numbers> {
    tile: &'a Tile<'a>,
    keys: Range<usize>,
    weights: (&'a [f32], usize),
    values: &'a [V::Chunk],
    o_stride: usize,
}

impl<V: Numbers> Mix<'_, V> {
    /// `N` queries from `first` on. A value beyond what a query sees is not multiplied by 0: it may be NaN.
    #[inline(always)]
    fn queries<L: Lanes, const N: usize, const W: usize>(&self, lanes: L, first: usize, o: &mut [f32]) {
        let all = self.seen_by(first).start..self.seen_by(first + N - 1).end;
        // What all of them see.
        let start = self.seen_by(first + N - 1).start.min(all.end);
        let end = self.seen_by(first).end.max(start);
        if N > 1 {
            for i in first..first + N {
                let seen = self.seen_by(i);
                self.add::<L, 1, 8>(lanes, i, seen.start..seen.end.min(start), o);
            }
        }
        self.add::<L, N, W>(lanes, first, start..end, o);
        if N > 1 {
            for i in first..first + N {
                let seen = self.seen_by(i);
                self.add::<L, 1, 8>(lanes, i, seen.start.max(end)..seen.end, o);
            }
        }
    }

    /// The positions of this piece that query `i` sees.
    #[inline(always)]
    fn seen_by(&self, i: usize) -> Range<usize> {
        let seen = self.tile.seen_by(i);
        let clamp = |position: usize| position.clamp(self.keys.start, self.keys.end);
        clamp(seen.start)..clamp(seen.end)
    }

    /// Adds the values of some positions to `N` outputs, `W` vectors of channels at a time.
    #[inline(always)]
    fn add<L: Lanes, const N: usize, const W: usize>(
        &self,
        lanes: L,
        first: usize,
        seen: Range<usize>,
        o: &mut [f32],
    ) {
        if seen.is_empty() {
            return;
        }
        let seen = seen.start - self.keys.start..seen.end - self.keys.start;
        let c = self.tile.cache.head_dim;
        let n_chunks = c / ROWS;
        let (weights, stride) = self.weights;
        let weights = array!(i < N, &[][..], &weights[(first + i) * stride..][seen.clone()]);
        let values = &self.values[seen.start * n_chunks..seen.end * n_chunks];
        let at = array!(i < N, 0, {
            let (t, head) = self.tile.query(first + i);
            t * self.o_stride + head * c
        });
        let mut chunk = 0;
        while chunk + W <= n_chunks {
            add_chunks::<L, V, N, W>(lanes, weights, (values, n_chunks, chunk), o, at);
            chunk += W;
        }
        while chunk < n_chunks {
            add_chunks::<L, V, N, 1>(lanes, weights, (values, n_chunks, chunk), o, at);
            chunk += 1;
        }
    }
}

#[inline(always)]
fn add_chunks<L: Lanes, V: Numbers, const N: usize, const W: usize>(
    lanes: L,
    weights: [&[f32]; N],
    (values, n_chunks, chunk): (&[V::Chunk], usize, usize),
    o: &mut [f32],
    at: [usize; N],
) {
    let at = array!(i < N, 0, at[i] + chunk * ROWS);
    let mut sums = array!(i < N, [lanes.splat(0.0); W], load(lanes, &o[at[i]..]));
    let n = values.len() / n_chunks;
    let weights = array!(i < N, &[][..], &weights[i][..n]);
    for j in 0..n {
        let values = &values[j * n_chunks + chunk..][..W];
        let values = array!(w < W, lanes.splat(0.0), V::load(lanes, &values[w]));
        for i in 0..N {
            let weight = lanes.splat(weights[i][j]);
            for w in 0..W {
                sums[i][w] = lanes.madd(weight, values[w], sums[i][w]);
            }
        }
    }
    for i in 0..N {
        let o = o[at[i]..].as_chunks_mut::<ROWS>().0;
        for w in 0..W {
            lanes.store(sums[i][w], &mut o[w]);
        }
    }
}

#[inline(always)]
fn load<L: Lanes, const W: usize>(lanes: L, o: &[f32]) -> [L::F32; W] {
    let o = &o.as_chunks::<ROWS>().0[..W];
    array!(w < W, lanes.splat(0.0), lanes.load(&o[w]))
}
