//! Decode step: the forward pass fused for one token, in as few dispatches as WebGPU allows, six per block.
//!
//! Every kernel computes its own input (`norm(x + post_norm(y))`), so that norms and additions need no
//! dispatch. The residual stream alternates between two places: a kernel that reads one writes the other.

use crate::error::Result;
use crate::gpu::{Buffer, Gpu, Plan, Tuning};
use crate::kernels::attention_decode::Heads;
use crate::kernels::matvec_common::{Acts, NormInput, Span};
use crate::kernels::norm_gate_up_matvec::Out;
use crate::kernels::{
    attention_decode, attention_reduce, embed, logits, matvec, norm_gate_up_matvec, norm_matvec, sample,
};
use crate::model::config::Config;
use crate::model::device::{Layer, State, Weights};
use crate::model::gpu::recorder::attention_shape;
use crate::model::gpu::weights::Norms;

/// Layout of the activations of one token in their buffer, in quads.
#[derive(Clone, Copy, Debug)]
pub struct ActsLayout {
    /// Residual stream `[D]`, two of them.
    pub x: [u32; 2],
    /// Output of a sub-layer `[D]`.
    y: u32,
    /// Queries, keys and values `[(H + 2 K) C]`.
    qkv: u32,
    /// Values mixed by attention `[H C]`.
    mixed: Span,
    /// `gelu(gate) * up` `[F]`.
    gated: Span,
    /// Gate and up `[2 F]`, if one dispatch cannot compute both.
    gate_up: u32,
    n_quads: u32,
}

impl ActsLayout {
    /// The layout for a model of this config.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let (d, f, q) = (config.d_model, config.d_ff, config.n_heads * config.head_dim);
        let mut end = 0;
        let mut take = |n_values: usize, per_quad: usize| {
            let at = end;
            end += n_values.div_ceil(per_quad) as u32;
            at
        };
        Self {
            x: [take(d, 4), take(d, 4)],
            y: take(d, 4),
            qkv: take(q + 2 * config.n_kv_heads * config.head_dim, 4),
            mixed: Span { values: take(q, 4), codes: take(q, 8) },
            gated: Span { values: take(f, 4), codes: take(f, 8) },
            gate_up: take(2 * f, 4),
            n_quads: end,
        }
    }
}

/// Buffers of a decode step.
#[derive(Debug)]
pub struct DecodeState {
    /// Layout of `acts`.
    pub layout: ActsLayout,
    /// Activations of one token.
    pub acts: Buffer,
    /// Attention of each chunk of keys.
    pub partials: Buffer,
    /// `[V]` f32.
    pub logits: Buffer,
    /// `[ceil(V / 32)]` f32.
    pub block_max: Buffer,
    /// Inputs of the sampler.
    pub sample: sample::SamplerState,
}

/// Bytes of each buffer of [`DecodeState`], for the memory plan.
#[must_use]
pub fn buffer_bytes(config: &Config) -> [u64; 4] {
    [
        16 * u64::from(ActsLayout::new(config).n_quads),
        attention_decode::partial_bytes(config.n_heads, config.head_dim),
        4 * config.n_vocab as u64,
        4 * config.n_vocab.div_ceil(sample::BLOCK_LEN) as u64,
    ]
}

impl DecodeState {
    /// # Errors
    /// [`crate::Error::LimitTooLow`] if a buffer exceeds the adapter's limits.
    pub fn allocate(gpu: &Gpu, config: &Config) -> Result<Self> {
        let [acts, partials, logits, block_max] = buffer_bytes(config);
        let buffer = |label: &str, bytes: u64| gpu.tensor(label, 1, bytes as usize / 4);
        Ok(Self {
            layout: ActsLayout::new(config),
            acts: buffer("acts", acts)?,
            partials: buffer("partials", partials)?,
            logits: buffer("logits", logits)?,
            block_max: buffer("block_max", block_max)?,
            sample: sample::SamplerState::allocate(gpu)?,
        })
    }
}

/// The step over the weights and the state of one model.
#[derive(Clone, Copy, Debug)]
pub struct DecodeStep<'a> {
    /// Hyper-parameters.
    pub config: &'a Config,
    /// Weights.
    pub weights: &'a Weights<Gpu>,
    /// KV cache, RoPE tables and the token's id.
    pub state: &'a State<Gpu>,
    /// Activations.
    pub decode: &'a DecodeState,
    /// The device.
    pub gpu: &'a Gpu,
    /// Variants chosen for the adapter.
    pub tuning: Tuning,
}

impl DecodeStep<'_> {
    /// id → logits.
    #[must_use]
    pub fn logits(&self) -> Plan {
        let mut plan = Plan::new(self.gpu, "decode");
        let (s, at, scale) = (self.state, self.decode.layout, (self.config.d_model as f32).sqrt());
        embed::record(&mut plan, self.gpu, &self.weights.embedding, &s.ids, &self.decode.acts, scale);
        for (i, layer) in self.weights.layers.iter().enumerate() {
            // Nothing is to be added to the embedding yet.
            self.attend(&mut plan, i, layer, (i > 0).then_some(at.y));
            self.feed_forward(&mut plan, layer);
        }
        self.head(&mut plan, Some(at.y));
        plan
    }

    /// Residual stream after the last block, at the first of its places, → logits.
    #[must_use]
    pub fn head_alone(&self) -> Plan {
        let mut plan = Plan::new(self.gpu, "head");
        self.head(&mut plan, None);
        plan
    }

    /// logits → id of the next token, at the place from which the next step reads it.
    #[must_use]
    pub fn sample(&self) -> Plan {
        let mut plan = Plan::new(self.gpu, "sample");
        let (d, ids) = (self.decode, &self.state.ids);
        sample::record(&mut plan, self.gpu, &d.sample, &d.logits, &d.block_max, ids, self.config.n_vocab);
        plan
    }

    fn acts(&self) -> Acts<'_> {
        Acts { buffer: &self.decode.acts, tuning: self.tuning }
    }

    fn input<'b>(&self, norms: &'b Norms, x: u32, y: Option<u32>, x_out: Option<u32>) -> NormInput<'b> {
        let eps = self.config.norm_eps;
        NormInput { x, y, x_out, norms: &norms.weights, has_post: norms.has_post, eps }
    }

    /// `y = attention(norm(x + post_norm(y)))`
    fn attend(&self, plan: &mut Plan, i: usize, w: &Layer<Gpu>, y: Option<u32>) {
        let (config, at, gpu) = (self.config, self.decode.layout, self.gpu);
        let Some(cache) = self.state.kv.get(i) else { return };
        let input = self.input(&w.attn_norms, at.x[0], y, Some(at.x[1]));
        norm_matvec::record(plan, gpu, self.acts(), &w.qkv, input, at.qkv);
        let rope_table = if config.is_local(i) { &self.state.local_rope } else { &self.state.rope };
        let norms = w.head_norms.as_ref().map(|n| &n.weights);
        let heads = Heads { qkv: at.qkv, norms, rope_table, eps: config.norm_eps };
        let shape = attention_shape(config, i);
        attention_decode::record(plan, gpu, self.acts(), heads, cache, &self.decode.partials, shape);
        let extents = (config.n_heads, config.head_dim, shape.window);
        attention_reduce::record(plan, gpu, self.acts(), &self.decode.partials, extents, at.mixed);
        matvec::record(plan, gpu, self.acts(), &w.o, at.mixed, at.y);
    }

    /// `y = down(gelu(gate(r)) * up(r)), r = norm(x + post_norm(y))`
    fn feed_forward(&self, plan: &mut Plan, w: &Layer<Gpu>) {
        let at = self.decode.layout;
        let input = self.input(&w.ffn_norms, at.x[1], Some(at.y), Some(at.x[0]));
        let out = Out { gated: at.gated, gate_up: at.gate_up };
        norm_gate_up_matvec::record(plan, self.gpu, self.acts(), &w.gate_up, input, out);
        matvec::record(plan, self.gpu, self.acts(), &w.down, at.gated, at.y);
    }

    fn head(&self, plan: &mut Plan, y: Option<u32>) {
        let (d, softcap) = (self.decode, self.config.logit_softcap);
        let input = self.input(&self.weights.output_norms, d.layout.x[0], y, None);
        let outputs = (&d.logits, &d.block_max);
        logits::record(plan, self.gpu, self.acts(), self.weights.logits(), input, outputs, softcap);
    }
}
