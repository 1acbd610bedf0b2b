//! Attention of queries over the cached keys that they may see: `softmax(softcap(scale q k)) v`, `q, o [T, H, C]`.

use core::ops::Range;

use crate::cpu::lanes::{Isa, Kernel, Lanes, ROWS};
use crate::cpu::rows::{capped, exp, sum};
use crate::quant::KvType;

/// Keys and values of one layer, `[K, n_slots, C]`.
#[derive(Debug)]
pub struct KvCache {
    /// Type of the numbers.
    pub kv: KvType,
    /// Positions kept: the whole context, or a ring for layers with a window.
    pub n_slots: usize,
    /// K.
    pub n_kv_heads: usize,
    /// C, a multiple of 8.
    pub head_dim: usize,
    keys: Vec<u8>,
    values: Vec<u8>,
}

/// The numbers of a layer's attention.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// H.
    pub n_heads: usize,
    /// Keys that a query sees, its own included; none: all.
    pub window: Option<usize>,
    /// Factor of the scores.
    pub scale: f32,
    /// Soft-cap of the scores; 0: none.
    pub softcap: f32,
}

impl KvCache {
    /// An empty cache.
    #[must_use]
    pub fn new(kv: KvType, n_slots: usize, n_kv_heads: usize, head_dim: usize) -> Self {
        let bytes = n_slots * n_kv_heads * head_dim * kv.bytes() as usize;
        Self { kv, n_slots, n_kv_heads, head_dim, keys: vec![0; bytes], values: vec![0; bytes] }
    }

    /// Writes the keys and values `[T, K, C]` of the positions from `position` on; keys are rotated already.
    pub fn write(&mut self, keys: &[f32], values: &[f32], position: usize) {
        let (c, row) = (self.head_dim, self.n_kv_heads * self.head_dim);
        for (t, (keys, values)) in keys.chunks_exact(row).zip(values.chunks_exact(row)).enumerate() {
            let slot = (position + t) % self.n_slots;
            for (head, (key, value)) in keys.chunks_exact(c).zip(values.chunks_exact(c)).enumerate() {
                let at = self.row(head, slot);
                write(key, self.kv, &mut self.keys[at.clone()]);
                write(value, self.kv, &mut self.values[at]);
            }
        }
    }

    fn row(&self, head: usize, slot: usize) -> Range<usize> {
        let len = self.head_dim * self.kv.bytes() as usize;
        let start = (head * self.n_slots + slot) * len;
        start..start + len
    }
}

fn write(x: &[f32], kv: KvType, to: &mut [u8]) {
    match kv {
        KvType::F16 => {
            for (x, to) in x.iter().zip(to.as_chunks_mut::<2>().0) {
                *to = half::f16::from_f32(*x).to_le_bytes();
            }
        }
        KvType::F32 => {
            for (x, to) in x.iter().zip(to.as_chunks_mut::<4>().0) {
                *to = x.to_le_bytes();
            }
        }
    }
}

/// Writes the rows of `heads` (of the K key/value heads) of `o [T, H, C]`, for the queries `q [T, H, C]` of the positions from
/// `position` on, whose keys are in the cache. `scores` is memory for the scores of one query's heads.
pub fn attention(
    isa: Isa,
    q: &[f32],
    cache: &KvCache,
    (position, heads): (usize, Range<usize>),
    shape: Shape,
    (o, scores): (&mut [f32], &mut Vec<f32>),
) {
    let group = shape.n_heads / cache.n_kv_heads;
    let (c, row) = (cache.head_dim, shape.n_heads * cache.head_dim);
    for (t, (q, o)) in q.chunks_exact(row).zip(o.chunks_exact_mut(row)).enumerate() {
        let position = position + t;
        let first = shape.window.map_or(0, |window| (position + 1).saturating_sub(window));
        for head in heads.clone() {
            let at = head * group * c..(head + 1) * group * c;
            let (q, o) = (&q[at.clone()], &mut o[at]);
            let query = Query { q, cache, head, seen: first..position + 1, shape, o, scores };
            match cache.kv {
                KvType::F16 => isa.run(Of::<true>(query)),
                KvType::F32 => isa.run(Of::<false>(query)),
            }
        }
    }
}

/// One token's query heads that share a key/value head.
struct Query<'a> {
    q: &'a [f32],
    cache: &'a KvCache,
    head: usize,
    seen: Range<usize>,
    shape: Shape,
    o: &'a mut [f32],
    scores: &'a mut Vec<f32>,
}

struct Of<'a, const F16: bool>(Query<'a>);

impl<const F16: bool> Kernel for Of<'_, F16> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Query { q, cache, head, seen, shape, o, scores } = self.0;
        let (c, n_keys) = (cache.head_dim, seen.len());
        // Whole vectors of scores; those beyond the keys count nothing.
        let stride = n_keys.next_multiple_of(ROWS);
        scores.clear();
        scores.resize(stride * (q.len() / c), f32::NEG_INFINITY);
        for (q, scores) in q.chunks(4 * c).zip(scores.chunks_mut(4 * stride)) {
            match q.len() / c {
                4 => dots::<L, F16, 4>(lanes, q, cache, (head, seen.clone()), scores),
                _ => {
                    for (q, scores) in q.chunks_exact(c).zip(scores.chunks_exact_mut(stride)) {
                        dots::<L, F16, 1>(lanes, q, cache, (head, seen.clone()), scores);
                    }
                }
            }
        }
        for scores in scores.chunks_exact_mut(stride) {
            softmax(lanes, scores, n_keys, shape);
        }
        for (scores, o) in scores.chunks(4 * stride).zip(o.chunks_mut(4 * c)) {
            match o.len() / c {
                4 => mix::<L, F16, 4>(lanes, scores, cache, (head, seen.clone()), o),
                _ => {
                    for (scores, o) in scores.chunks_exact(stride).zip(o.chunks_exact_mut(c)) {
                        mix::<L, F16, 1>(lanes, scores, cache, (head, seen.clone()), o);
                    }
                }
            }
        }
    }
}

/// Eight numbers of a row of the cache.
#[inline(always)]
fn load<L: Lanes, const F16: bool>(lanes: L, row: &[u8], chunk: usize) -> L::F32 {
    if F16 {
        row.as_chunks::<{ 2 * ROWS }>().0.get(chunk).map_or_else(|| lanes.splat(0.0), |bytes| lanes.load_f16(bytes))
    } else {
        let numbers = row.as_chunks::<{ 4 * ROWS }>().0.get(chunk);
        numbers.map_or_else(|| lanes.splat(0.0), |bytes| lanes.load(&bytemuck::pod_read_unaligned::<[f32; ROWS]>(bytes)))
    }
}

/// The products of `N` queries with the keys, `scores [N, stride]`.
#[inline(always)]
fn dots<L: Lanes, const F16: bool, const N: usize>(
    lanes: L,
    q: &[f32],
    cache: &KvCache,
    (head, seen): (usize, Range<usize>),
    scores: &mut [f32],
) {
    let (c, stride) = (cache.head_dim, scores.len() / N);
    let q: [&[[f32; ROWS]]; N] = core::array::from_fn(|i| q[i * c..(i + 1) * c].as_chunks().0);
    for (j, key) in seen.enumerate() {
        let key = &cache.keys[cache.row(head, key % cache.n_slots)];
        let mut sums = [lanes.splat(0.0); N];
        for chunk in 0..c / ROWS {
            let key = load::<L, F16>(lanes, key, chunk);
            for i in 0..N {
                sums[i] = lanes.madd(lanes.load(&q[i][chunk]), key, sums[i]);
            }
        }
        for i in 0..N {
            scores[i * stride + j] = sum(lanes, sums[i]);
        }
    }
}

/// Scores become weights that sum to 1.
#[inline(always)]
fn softmax<L: Lanes>(lanes: L, scores: &mut [f32], n_keys: usize, shape: Shape) {
    let scale = lanes.splat(shape.scale);
    for chunk in scores.as_chunks_mut::<ROWS>().0 {
        let mut x = lanes.mul(lanes.load(chunk), scale);
        if shape.softcap > 0.0 {
            x = capped(lanes, x, shape.softcap);
        }
        lanes.store(x, chunk);
    }
    scores[n_keys..].fill(f32::NEG_INFINITY);
    let largest = scores.iter().fold(f32::NEG_INFINITY, |m, x| if *x > m { *x } else { m });
    let (largest, mut total) = (lanes.splat(largest), lanes.splat(0.0));
    for chunk in scores.as_chunks_mut::<ROWS>().0 {
        let weights = exp(lanes, lanes.sub(lanes.load(chunk), largest));
        lanes.store(weights, chunk);
    }
    scores[n_keys..].fill(0.0);
    for chunk in scores.as_chunks::<ROWS>().0 {
        total = lanes.add(total, lanes.load(chunk));
    }
    let inverse = lanes.splat(1.0 / sum(lanes, total));
    for chunk in scores.as_chunks_mut::<ROWS>().0 {
        lanes.store(lanes.mul(lanes.load(chunk), inverse), chunk);
    }
}

/// `N` mixtures of the values by their weights, `o [N, C]`: two vectors of columns at a time.
#[inline(always)]
fn mix<L: Lanes, const F16: bool, const N: usize>(
    lanes: L,
    weights: &[f32],
    cache: &KvCache,
    (head, seen): (usize, Range<usize>),
    o: &mut [f32],
) {
    let (c, stride) = (cache.head_dim, weights.len() / N);
    for chunk in (0..c / ROWS).step_by(2) {
        let mut sums = [[lanes.splat(0.0); 2]; N];
        for (j, slot) in seen.clone().enumerate() {
            let value = &cache.values[cache.row(head, slot % cache.n_slots)];
            let value = [load::<L, F16>(lanes, value, chunk), load::<L, F16>(lanes, value, chunk + 1)];
            for i in 0..N {
                let weight = lanes.splat(weights[i * stride + j]);
                sums[i] = [0, 1].map(|h| lanes.madd(weight, value[h], sums[i][h]));
            }
        }
        for i in 0..N {
            let o = &mut o[i * c + chunk * ROWS..(i + 1) * c];
            for (sum, o) in sums[i].into_iter().zip(o.as_chunks_mut::<ROWS>().0) {
                lanes.store(sum, o);
            }
        }
    }
}
