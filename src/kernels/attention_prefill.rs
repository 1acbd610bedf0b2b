//! Attention of each query over the cached keys it may see: `softmax(softcap(scale q k)) v`,
//! `q, o [T, H, C]`.

use super::softcap_logits::softcap;
use crate::gpu::plan::ExtraBindings;
use crate::gpu::shader::Variant;
use crate::gpu::{Buffer, Dispatch, Extent, Gpu, Grid, Kernel, KvCache, Plan, Tuning};

/// `shaders/attention_prefill.wgsl`.
pub static KERNEL: Kernel =
    Kernel { name: "attention_prefill", wgsl: include_str!("../../shaders/attention_prefill.wgsl") };

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    head_dim: u32,
    n_kv_heads: u32,
    heads_per_kv: u32,
    n_slots: u32,
    window: u32,
    scale: f32,
    softcap: f32,
    n_heads: u32,
    first_head: u32,
}

/// Shape of a layer's attention.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// H.
    pub n_heads: usize,
    /// Keys that a query sees, its own included; `None`: all before it.
    pub window: Option<usize>,
    /// Factor of the scores.
    pub scale: f32,
    /// Soft-cap of the scores; 0: none.
    pub softcap: f32,
}

/// Attends with `q [T, H, C]` f32 (rotated) over `cache` into `o [T, H C]`, in the form that products of the
/// tuning's arithmetic read; one dispatch per part of the cache.
pub fn record(
    plan: &mut Plan,
    gpu: &Gpu,
    label: &str,
    q: &Buffer,
    cache: &KvCache,
    (o, tuning): (&Buffer, Tuning),
    shape: Shape,
) {
    // Four rows of sixteen channels per invocation.
    let values = 64 * tuning.lanes.attention_lanes();
    let heads_per_kv = shape.n_heads / cache.shape.n_kv_heads;
    for part in &cache.parts {
        let params = Params {
            head_dim: cache.shape.head_dim as u32,
            n_kv_heads: part.n_heads as u32,
            heads_per_kv: heads_per_kv as u32,
            n_slots: cache.shape.n_slots as u32,
            window: shape.window.unwrap_or(0) as u32,
            scale: shape.scale,
            softcap: shape.softcap,
            n_heads: shape.n_heads as u32,
            first_head: (part.first_head * heads_per_kv) as u32,
        };
        plan.add(
            gpu,
            label,
            &Dispatch {
                kernel: &KERNEL,
                variant: Variant::KvOperand(cache.shape.kv, tuning),
                params: bytemuck::bytes_of(&params),
                bindings: &[q],
                extra: ExtraBindings::KvAnd(&part.keys, &part.values, o),
                grid: Grid {
                    x: (Extent::PerToken(heads_per_kv as u64), (values / cache.shape.head_dim) as u64),
                    y: (Extent::Fixed(part.n_heads as u64), 1),
                },
            },
        );
    }
}

/// Keys and values of one layer on the CPU, `[n_slots, K, C]`.
#[derive(Clone, Copy, Debug)]
pub struct Cached<'a> {
    /// Rotated keys.
    pub keys: &'a [f32],
    /// Values.
    pub values: &'a [f32],
    /// Positions kept.
    pub n_slots: usize,
    /// K.
    pub n_kv_heads: usize,
    /// C.
    pub head_dim: usize,
}

/// CPU twin: `q [T, H, C]`, the first token at `position`.
#[must_use]
pub fn attention(q: &[f32], cache: Cached<'_>, position: usize, shape: Shape) -> Vec<f32> {
    let (c, k) = (cache.head_dim, cache.n_kv_heads);
    let at = |slot: usize, head: usize| (slot * k + head) * c..(slot * k + head + 1) * c;
    let mut o = Vec::with_capacity(q.len());
    for (row, query) in q.chunks_exact(c).enumerate() {
        let p = position + row / shape.n_heads;
        let head = row % shape.n_heads / (shape.n_heads / k);
        let first = shape.window.map_or(0, |w| (p + 1).saturating_sub(w));
        let slots: Vec<usize> = (first..=p).map(|j| j % cache.n_slots).collect();
        let score = |slot: &usize| {
            let key = cache.keys.get(at(*slot, head)).unwrap_or_default();
            let product: f64 = query.iter().zip(key).map(|(q, k)| f64::from(*q) * f64::from(*k)).sum();
            f64::from(softcap(product as f32 * shape.scale, shape.softcap))
        };
        let scores: Vec<f64> = slots.iter().map(score).collect();
        let largest = scores.iter().copied().fold(f64::MIN, f64::max);
        let weights: Vec<f64> = scores.iter().map(|s| (s - largest).exp()).collect();
        let total: f64 = weights.iter().sum();
        let mut mixed = vec![0.0f64; c];
        for (slot, weight) in slots.iter().zip(&weights) {
            let value = cache.values.get(at(*slot, head)).unwrap_or_default();
            mixed.iter_mut().zip(value).for_each(|(m, v)| *m += weight * f64::from(*v));
        }
        o.extend(mixed.iter().map(|m| (m / total) as f32));
    }
    o
}
