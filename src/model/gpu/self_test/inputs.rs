//! Inputs of several cases: activations, sub-layer inputs, heads with a cache.

use crate::error::Result;
use crate::gpu::layout::KvShape;
use crate::gpu::{Buffer, KvCache};
use crate::kernels::attention_prefill::{Cached, Shape, attention};
use crate::kernels::matvec_common::{NormInput, norm_input};
use crate::kernels::norm_add::rms_norm;
use crate::kernels::qk_norm_rope::kv_write;
use crate::kernels::quantize::{dequantized, quantize};
use crate::kernels::rope_table::rope;
use crate::model::gpu::self_test::fixture::{AT, Cases, EPS, K, ROTARY, SLOTS};
use crate::quant::KvType;

/// Activations as kernels write them for int8 products.
pub(super) fn encoded(x: &[f32]) -> Vec<f32> {
    let (codes, scales) = quantize(x);
    let mut words = Vec::with_capacity(x.len() / 2);
    for (codes, [scale, sum]) in codes.chunks_exact(16).zip(&scales) {
        for four in codes.chunks_exact(4) {
            let word = four.iter().rev().fold(0u32, |word, code| (word << 8) | u32::from(*code as u8));
            words.push(f32::from_bits(word));
        }
        words.extend_from_slice(&[*scale, *sum, 0.0, 0.0]);
    }
    words
}

/// Activations as products read them.
pub(super) fn seen(x: &[f32], int8: bool) -> Vec<f32> {
    if !int8 {
        return x.to_vec();
    }
    let (codes, scales) = quantize(x);
    dequantized(&codes, &scales)
}

/// Value of a code on the GPU.
pub(super) fn decoded(words: &[f32], i: usize) -> Option<f32> {
    let group = words.get(i / 16 * 8..)?;
    let word = group.get(i % 16 / 4)?.to_bits();
    Some(f32::from((word >> (8 * (i % 4))) as u8 as i8) * group.get(4)?)
}

/// The input of a sub-layer: the residual stream, the output that is added to it, and the norms between.
pub(super) struct Input {
    x: Vec<f32>,
    y: Vec<f32>,
    pub(super) norms_at: Buffer,
    /// The new residual stream, and its norm.
    pub(super) r: Vec<f32>,
    pub(super) normed: Vec<f32>,
}

impl Input {
    pub(super) fn new(cases: &mut Cases<'_>) -> Self {
        let numbers = &mut cases.numbers;
        let (x, y, norms) = (numbers.take(K, 2.0), numbers.take(K, 3.0), numbers.take(2 * K, 1.0));
        let (r, normed) = norm_input(&x, Some(&y), &norms, true, EPS);
        Self { norms_at: cases.buffer(&norms), x, y, r, normed }
    }

    /// Activations: x, y, room for the new stream and for `room` values.
    pub(super) fn acts(&self, cases: &Cases<'_>, room: usize) -> Buffer {
        cases.buffer(&[self.x.as_slice(), &self.y, &vec![1e30; K + room]].concat())
    }

    pub(super) fn at(&self, kept: bool) -> NormInput<'_> {
        let quads = (K / 4) as u32;
        let x_out = kept.then_some(2 * quads);
        NormInput { x: 0, y: Some(quads), x_out, norms: &self.norms_at, has_post: true, eps: EPS }
    }
}

/// Heads like the model's, but with at most two key/value heads, and a cache that holds random keys and
/// values.
pub(super) struct Heads {
    /// H, K and C.
    pub(super) h: usize,
    k: usize,
    pub(super) c: usize,
    pub(super) cache: KvCache,
    pub(super) shape: Shape,
    norms: Vec<f32>,
    pub(super) norms_at: Buffer,
    keys: Vec<f32>,
    values: Vec<f32>,
}

/// Random keys or values of all slots, as a cache keeps them.
fn filled(cases: &mut Cases<'_>, width: usize, kv: KvType) -> Vec<f32> {
    let numbers = cases.numbers.take(SLOTS * width, 1.0);
    let mut kept = numbers.clone();
    kv_write(&numbers, &mut kept, width, SLOTS, 0, kv);
    kept
}

/// The expected contents of a cache.
pub(super) struct Expected {
    keys: Vec<f32>,
    values: Vec<f32>,
}

impl Expected {
    pub(super) fn attend(&self, q: &[f32], h: &Heads) -> Vec<f32> {
        let Self { keys, values } = self;
        attention(q, Cached { keys, values, n_slots: SLOTS, n_kv_heads: h.k, head_dim: h.c }, AT, h.shape)
    }
}

impl Heads {
    /// `window`: the keys that a query sees, or all.
    pub(super) fn new(cases: &mut Cases<'_>, kv: KvType, window: Option<usize>) -> Result<Self> {
        let config = cases.config;
        let (k, c) = (config.n_kv_heads.min(2), config.head_dim);
        let h = k * config.n_heads / config.n_kv_heads;
        let shape = KvShape { kv, n_slots: SLOTS, n_kv_heads: k, head_dim: c };
        let cache = KvCache::allocate(cases.gpu, "self-test", shape)?;
        let (keys, values) = (filled(cases, k * c, kv), filled(cases, k * c, kv));
        let norms = cases.numbers.take(2 * c, 1.0);
        for part in &cache.parts {
            for (to, from) in [(&part.keys, &keys), (&part.values, &values)] {
                let mut bytes = Vec::new();
                for slot in from.chunks_exact(k * c) {
                    for x in slot.iter().skip(part.first_head * c).take(part.n_heads * c) {
                        match kv {
                            KvType::F16 => bytes.extend_from_slice(&half::f16::from_f32(*x).to_le_bytes()),
                            KvType::F32 => bytes.extend_from_slice(&x.to_le_bytes()),
                        }
                    }
                }
                cases.gpu.write(to, 0, &bytes);
            }
        }
        let (scale, softcap) = (config.query_scale, config.attention_softcap);
        let shape = Shape { n_heads: h, window, scale, softcap };
        Ok(Self { h, k, c, cache, shape, norms_at: cases.buffer(&norms), norms, keys, values })
    }

    /// Values of a token: queries, keys, values.
    pub(super) fn row(&self) -> usize {
        (self.h + 2 * self.k) * self.c
    }

    /// The queries of `qkv`, rotated, and the cache with its keys and values.
    pub(super) fn rotated(&self, qkv: &[f32], kv: KvType) -> (Vec<f32>, Expected) {
        let (q_len, kv_len) = (self.h * self.c, self.k * self.c);
        let columns = |from: usize, n: usize| -> Vec<f32> {
            let mut columns = Vec::new();
            for row in qkv.chunks_exact(self.row()) {
                columns.extend_from_slice(row.get(from..from + n).unwrap_or_default());
            }
            columns
        };
        let (of_q, of_k) = self.norms.split_at(self.c);
        let turned = |x: &[f32], weights: &[f32], len: usize| {
            rope(&rms_norm(x, weights, EPS), len, self.c, AT, ROTARY)
        };
        let (mut keys, mut values) = (self.keys.clone(), self.values.clone());
        let k = turned(&columns(q_len, kv_len), of_k, kv_len);
        kv_write(&k, &mut keys, kv_len, SLOTS, AT, kv);
        kv_write(&columns(q_len + kv_len, kv_len), &mut values, kv_len, SLOTS, AT, kv);
        (turned(&columns(0, q_len), of_q, q_len), Expected { keys, values })
    }
}
