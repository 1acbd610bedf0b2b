//! The decode page: one token through Gemma in as few dispatches as WebGPU allows, six a block.
//!
//! Every kernel makes its own input anew (`norm(x + post_norm(y))`), so that norms and additions take no dispatch. The residual
//! stream changes between two places: a kernel that reads one writes the other.

use crate::error::Result;
use crate::gpu::{Buffer, Gpu, Plan, Tuning};
use crate::kernels::attend::Heads;
use crate::kernels::attention::Shape;
use crate::kernels::norm_geglu::Out;
use crate::kernels::rows::{Acts, NormInput};
use crate::kernels::{attend, embed, logits, merge, norm_geglu, norm_matvec, row_matvec, sample};
use crate::model::Config;
use crate::model::state::State;
use crate::model::weights::{Layer, Norms, Weights};

/// Quads of the activations of one token. Codes take two quads for sixteen values.
#[derive(Clone, Copy, Debug)]
pub struct Places {
    /// Residual stream `[D]`, two of them.
    pub x: [u32; 2],
    y: u32,
    qkv: u32,
    mixed: u32,
    mixed_codes: u32,
    gated: u32,
    gated_codes: u32,
    gate_up: u32,
    n_quads: u32,
}

impl Places {
    /// Where everything lies in a model of this config.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let (d, f, q) = (config.width, config.ffn_width, config.n_heads * config.head_len);
        let mut end = 0;
        let mut take = |n_values: usize, per_quad: usize| {
            let at = end;
            end += n_values.div_ceil(per_quad) as u32;
            at
        };
        Self {
            x: [take(d, 4), take(d, 4)],
            y: take(d, 4),
            qkv: take(q + 2 * config.n_kv_heads * config.head_len, 4),
            mixed: take(q, 4),
            mixed_codes: take(q, 8),
            gated: take(f, 4),
            gated_codes: take(f, 8),
            gate_up: take(2 * f, 4),
            n_quads: end,
        }
    }
}

/// Buffers of a decode step.
#[derive(Debug)]
pub struct Decode {
    /// Where the activations lie in `acts`.
    pub places: Places,
    /// Activations of one token.
    pub acts: Buffer,
    /// Attention of each chunk of keys.
    pub partials: Buffer,
    /// `[V]` f32.
    pub logits: Buffer,
    /// `[ceil(V / 32)]` f32.
    pub block_max: Buffer,
    /// What choosing tokens needs.
    pub sample: sample::State,
}

/// Bytes of each buffer of [`Decode`], for the memory plan.
#[must_use]
pub fn buffer_bytes(config: &Config) -> [u64; 4] {
    [
        16 * u64::from(Places::new(config).n_quads),
        attend::partial_bytes(config.n_heads, config.head_len),
        4 * config.n_vocab as u64,
        4 * config.n_vocab.div_ceil(sample::BLOCK_LEN) as u64,
    ]
}

impl Decode {
    /// # Errors
    /// [`crate::Error::LimitTooLow`] where a buffer exceeds the adapter's limits.
    pub fn allocate(gpu: &Gpu, config: &Config) -> Result<Self> {
        let [acts, partials, logits, block_max] = buffer_bytes(config);
        let buffer = |label: &str, bytes: u64| gpu.tensor(label, 1, bytes as usize / 4);
        Ok(Self {
            places: Places::new(config),
            acts: buffer("acts", acts)?,
            partials: buffer("partials", partials)?,
            logits: buffer("logits", logits)?,
            block_max: buffer("block_max", block_max)?,
            sample: sample::State::allocate(gpu)?,
        })
    }
}

/// What the page is written over.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// Hyper-parameters.
    pub config: &'a Config,
    /// Weights.
    pub weights: &'a Weights,
    /// KV cache, RoPE tables and the token's id.
    pub state: &'a State,
    /// Activations.
    pub decode: &'a Decode,
    /// The device.
    pub gpu: &'a Gpu,
    /// Which variants of the kernels it gets.
    pub tuning: Tuning,
}

impl Page<'_> {
    /// id → logits.
    #[must_use]
    pub fn step(&self) -> Plan {
        let mut plan = Plan::new(self.gpu, "decode");
        let (s, at, scale) = (self.state, self.decode.places, (self.config.width as f32).sqrt());
        embed::record(&mut plan, self.gpu, &self.weights.embedding, &s.ids, &self.decode.acts, scale);
        for (i, layer) in self.weights.layers.iter().enumerate() {
            // Nothing is to be added to the embedding yet.
            self.attend(&mut plan, i, layer, (i > 0).then_some(at.y));
            self.feed_forward(&mut plan, layer);
        }
        self.logits(&mut plan, Some(at.y));
        plan
    }

    /// The residual stream after the last block, at the first of its places, → logits.
    #[must_use]
    pub fn head(&self) -> Plan {
        let mut plan = Plan::new(self.gpu, "head");
        self.logits(&mut plan, None);
        plan
    }

    /// logits → id of the next token, where the step reads it.
    #[must_use]
    pub fn choose(&self) -> Plan {
        let mut plan = Plan::new(self.gpu, "choose");
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
    fn attend(&self, plan: &mut Plan, i: usize, w: &Layer, y: Option<u32>) {
        let (config, at, gpu) = (self.config, self.decode.places, self.gpu);
        let Some(cache) = self.state.kv.get(i) else { return };
        let input = self.input(&w.attn_norms, at.x[0], y, Some(at.x[1]));
        norm_matvec::record(plan, gpu, self.acts(), &w.qkv, input, at.qkv);
        let rope_table = if config.is_local(i) { &self.state.local_rope } else { &self.state.rope };
        let norms = w.head_norms.as_ref().map(|n| &n.weights);
        let heads = Heads { qkv: at.qkv, norms, rope_table, eps: config.norm_eps };
        let shape = Shape {
            n_heads: config.n_heads,
            window: config.window_of(i),
            scale: config.query_scale,
            cap: config.attention_cap,
        };
        attend::record(plan, gpu, self.acts(), heads, cache, &self.decode.partials, shape);
        let extents = (config.n_heads, config.head_len, shape.window);
        merge::record(plan, gpu, self.acts(), &self.decode.partials, extents, (at.mixed, at.mixed_codes));
        row_matvec::record(plan, gpu, self.acts(), &w.o, (at.mixed, at.mixed_codes), at.y);
    }

    /// `y = down(gelu(gate(r)) * up(r)), r = norm(x + post_norm(y))`
    fn feed_forward(&self, plan: &mut Plan, w: &Layer) {
        let at = self.decode.places;
        let input = self.input(&w.ffn_norms, at.x[1], Some(at.y), Some(at.x[0]));
        let out = Out { gated: at.gated, codes: at.gated_codes, gate_up: at.gate_up };
        norm_geglu::record(plan, self.gpu, self.acts(), &w.gate_up, input, out);
        row_matvec::record(plan, self.gpu, self.acts(), &w.down, (at.gated, at.gated_codes), at.y);
    }

    fn logits(&self, plan: &mut Plan, y: Option<u32>) {
        let (d, cap) = (self.decode, self.config.logit_cap);
        let input = self.input(&self.weights.output_norms, d.places.x[0], y, None);
        let outputs = (&d.logits, &d.block_max);
        logits::record(plan, self.gpu, self.acts(), self.weights.logits(), input, outputs, cap);
    }
}
