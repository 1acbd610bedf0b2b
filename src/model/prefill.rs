//! The forward pass of a Gemma, from top to bottom, for the tokens of a prompt. The steps that only some
//! architectures have are optional weights: post-norms, and norms of queries and keys.
//!
//! This file states the order of the steps, not how a device runs them: each step is a method of [`Steps`],
//! which a device implements.

use crate::model::config::Config;
use crate::model::device::{Device, Layer, State, Steps, Weights};

/// The forward pass over the weights and the state of one model.
#[derive(Debug)]
pub struct Prefill<'a, D: Device> {
    /// Hyper-parameters.
    pub config: &'a Config,
    /// Weights.
    pub weights: &'a Weights<D>,
    /// Activations and KV cache.
    pub state: &'a State<D>,
}

impl<D: Device> Prefill<'_, D> {
    /// ids → residual stream after the last block, and its norm. Marks stand after the embedding and after
    /// each block.
    pub fn blocks(&self, r: &mut impl Steps<Device = D>) {
        let s = self.state;
        r.embed(&self.weights.embedding, &s.ids, &s.x, (self.config.d_model as f32).sqrt());
        r.mark();
        let layers = &self.weights.layers;
        if let Some(first) = layers.first() {
            r.norm(&s.x, &first.attn_norms, &s.normed);
        }
        for (i, layer) in layers.iter().enumerate() {
            self.attend(r, i, layer);
            r.norm_add(&s.out, &s.x, &layer.ffn_norms, &s.normed);
            self.feed_forward(r, layer);
            let next = layers.get(i + 1).map_or(&self.weights.output_norms, |next| &next.attn_norms);
            r.norm_add(&s.out, &s.x, next, &s.normed);
            r.mark();
        }
    }

    /// `out = o(attention(normed))`
    fn attend(&self, r: &mut impl Steps<Device = D>, i: usize, w: &Layer<D>) {
        let s = self.state;
        let Some(cache) = s.kv.get(i) else { return };
        for matrix in &w.qkv {
            r.product(matrix, &s.normed, &s.qkv);
        }
        let rope = if self.config.is_local(i) { &s.local_rope } else { &s.rope };
        r.qk_norm_rope(&s.qkv, w.head_norms.as_ref(), rope, cache, &s.q_rotated);
        r.attention(i, &s.q_rotated, cache, &s.mixed);
        r.product(&w.o, &s.mixed, &s.out);
    }

    /// `out = down(gelu(gate(normed)) * up(normed))`
    fn feed_forward(&self, r: &mut impl Steps<Device = D>, w: &Layer<D>) {
        let s = self.state;
        for matrix in &w.gate_up {
            r.product(matrix, &s.normed, &s.gate_up);
        }
        r.geglu(&s.gate_up, &s.gated);
        r.product(&w.down, &s.gated, &s.out);
    }
}
