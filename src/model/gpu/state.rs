//! Buffers that a run writes: allocated once at load, at the size of the largest chunk.

use crate::error::Result;
use crate::gpu::layout::KvShape;
use crate::gpu::{Gpu, KvCache};
use crate::kernels::rope_table::Rotary;
use crate::model::config::{Config, Rope};
use crate::model::device::State;
use crate::model::state_shape::StateShape;

impl State<Gpu> {
    /// # Errors
    /// [`crate::Error::LimitTooLow`] if a buffer exceeds the adapter's limits.
    pub fn allocate(gpu: &Gpu, config: &Config, shape: StateShape) -> Result<Self> {
        let tensor = |label: &str, cols: usize| gpu.tensor(label, shape.chunk, cols);
        let (d, f, n_pairs) = (config.d_model, config.d_ff, config.head_dim / 2);
        let (q, kv) = (config.n_heads * config.head_dim, config.n_kv_heads * config.head_dim);
        let upload = |Rope { base, divisor }| Rotary { base, divisor }.upload(gpu, n_pairs, shape.context);
        Ok(Self {
            ids: tensor("ids", 1)?,
            x: tensor("x", d)?,
            normed: tensor("normed", d)?,
            out: tensor("out", d)?,
            qkv: tensor("qkv", q + 2 * kv)?,
            q_rotated: tensor("q_rotated", q)?,
            mixed: tensor("mixed", q)?,
            gate_up: tensor("gate_up", 2 * f)?,
            gated: tensor("gated", f)?,
            rope: upload(config.rotary)?,
            local_rope: upload(config.local_rotary)?,
            kv: (0..config.n_layers)
                .map(|i| KvCache::allocate(gpu, &format!("layer {i}"), kv_shape(config, shape, i)))
                .collect::<Result<_>>()?,
        })
    }
}

/// Shape of the KV cache of layer `i`.
pub(super) fn kv_shape(config: &Config, shape: StateShape, i: usize) -> KvShape {
    KvShape {
        kv: shape.kv,
        n_slots: shape.n_slots(config, i),
        n_kv_heads: config.n_kv_heads,
        head_dim: config.head_dim,
    }
}
