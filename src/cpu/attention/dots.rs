//! Products of queries with keys.

use super::numbers::Numbers;
use super::tile::Tile;
use crate::cpu::lanes::{Lanes, ROWS};

/// Writes the products of a tile's queries with some keys, `scores [n, stride]`. A multiple of eight products at a time.
#[inline(always)]
pub(super) fn dots<L: Lanes, K: Numbers>(
    lanes: L,
    tile: &Tile<'_>,
    keys: &[u8],
    (scores, stride): (&mut [f32], usize),
) {
    let n = tile.n_queries();
    let mut i = 0;
    while i + 4 <= n {
        if L::MANY_REGISTERS {
            some::<L, K, 4, 4>(lanes, tile, i, keys, (&mut scores[i * stride..], stride));
        } else {
            some::<L, K, 4, 2>(lanes, tile, i, keys, (&mut scores[i * stride..], stride));
        }
        i += 4;
    }
    if i + 2 <= n {
        some::<L, K, 2, 4>(lanes, tile, i, keys, (&mut scores[i * stride..], stride));
        i += 2;
    }
    if i < n {
        some::<L, K, 1, 8>(lanes, tile, i, keys, (&mut scores[i * stride..], stride));
    }
}

/// `N` queries from `first` on, `M` keys at a time.
#[inline(always)]
fn some<L: Lanes, K: Numbers, const N: usize, const M: usize>(
    lanes: L,
    tile: &Tile<'_>,
    first: usize,
    keys: &[u8],
    (scores, stride): (&mut [f32], usize),
) {
    let n_chunks = tile.cache.head_dim / ROWS;
    let q = array!(i < N, &[][..], query(tile, first + i));
    let q = array!(i < N, &[][..], &q[i][..n_chunks]);
    let keys = K::chunks(keys);
    let n_keys = keys.len() / n_chunks;
    for j in (0..n_keys).step_by(M) {
        // Beyond the last key it is computed again.
        let keys = array!(m < M, &[][..], &keys[(j + m).min(n_keys - 1) * n_chunks..][..n_chunks]);
        let mut sums = [[lanes.splat(0.0); M]; N];
        for chunk in 0..n_chunks {
            let keys = array!(m < M, lanes.splat(0.0), K::load(lanes, &keys[m][chunk]));
            for i in 0..N {
                let q = lanes.load(&q[i][chunk]);
                for m in 0..M {
                    sums[i][m] = lanes.madd(q, keys[m], sums[i][m]);
                }
            }
        }
        let mut products = [[0.0; M]; N];
        let all = products.as_flattened_mut();
        store::<L, M, N>(lanes, &sums, 0, all);
        store::<L, M, N>(lanes, &sums, ROWS, all);
        let n = M.min(n_keys - j);
        for (i, products) in products.iter().enumerate() {
            let to = &mut scores[i * stride + j..];
            if let (true, Some(to)) = (n == M, to.first_chunk_mut()) {
                *to = *products;
            } else {
                to.iter_mut().zip(products).take(n).for_each(|(to, product)| *to = *product);
            }
        }
    }
}

/// Writes the sums of eight vectors from number `first` on, if there are as many.
#[inline(always)]
fn store<L: Lanes, const M: usize, const N: usize>(
    lanes: L,
    sums: &[[L::F32; M]; N],
    first: usize,
    to: &mut [f32],
) {
    if first < M * N
        && let Some(to) = to[first..].first_chunk_mut()
    {
        lanes.store(lanes.sums(array!(k < ROWS, sums[0][0], sums[(first + k) / M][(first + k) % M])), to);
    }
}

/// Query `i` of a tile.
fn query<'a>(tile: &Tile<'a>, i: usize) -> &'a [[f32; ROWS]] {
    let (t, head) = tile.query(i);
    tile.q[(t * tile.shape.n_heads + head) * tile.cache.head_dim..].as_chunks().0
}
