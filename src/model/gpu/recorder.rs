//! Steps of the forward pass on the GPU: each records one kernel, in the variant chosen for the adapter.

use crate::gpu::{Arithmetic, Buffer, Gpu, KvCache, Lanes, Matrix, Plan, Tuning};
use crate::kernels::attention_prefill::Shape;
use crate::kernels::{
    attention_prefill, embed, geglu_prefill, matmul, matmul_direct, matmul_int8, norm_add, qk_norm_rope,
    softcap_logits,
};
use crate::model::config::Config;
use crate::model::device::{Device, Layer, Steps, Weights};
use crate::model::gpu::weights::Norms;

impl Device for Gpu {
    type Matrix = Matrix;
    type Norms = Norms;
    type Buffer = Buffer;
    type Rope = Buffer;
    type Cache = KvCache;
}

/// A plan under construction.
#[derive(Debug)]
pub struct Recorder<'a> {
    config: &'a Config,
    gpu: &'a Gpu,
    tuning: Tuning,
    plan: Plan,
}

impl<'a> Recorder<'a> {
    /// A recorder for many tokens: activations are int8 only if every matrix has codes, since a kernel writes
    /// them in one form.
    #[must_use]
    pub fn new(
        gpu: &'a Gpu,
        config: &'a Config,
        weights: &Weights<Gpu>,
        tuning: Tuning,
        label: &str,
    ) -> Self {
        let coded = weights.layers.iter().flat_map(Layer::matrices).all(|m| m.format.has_codes());
        let arithmetic = if coded { tuning.arithmetic } else { Arithmetic::F32 };
        Self { config, gpu, tuning: Tuning { arithmetic, ..tuning }, plan: Plan::new(gpu, label) }
    }

    /// A recorder whose activations are f32.
    #[must_use]
    pub fn exact(gpu: &'a Gpu, config: &'a Config, tuning: Tuning, label: &str) -> Self {
        let tuning = Tuning { arithmetic: Arithmetic::F32, ..tuning };
        Self { config, gpu, tuning, plan: Plan::new(gpu, label) }
    }

    /// The plan.
    #[must_use]
    pub fn finish(self) -> Plan {
        self.plan
    }

    fn norms(&mut self, label: &str, add: (&Buffer, &Buffer, bool), norms: &Norms, normed: &Buffer) {
        let (d_model, eps) = (self.config.d_model, self.config.norm_eps);
        let norms = norm_add::Norms { weights: &norms.weights, has_post: norms.has_post, d_model, eps };
        norm_add::record(&mut self.plan, self.gpu, label, add, norms, (normed, self.tuning.arithmetic));
    }

    /// `logits = cap tanh(logits / cap)`, if the model caps them
    pub fn softcap(&mut self, logits: &Buffer) {
        let (n_vocab, cap) = (self.config.n_vocab, self.config.logit_softcap);
        if cap > 0.0 {
            softcap_logits::record(&mut self.plan, self.gpu, logits, n_vocab, cap);
        }
    }
}

impl Steps for Recorder<'_> {
    type Device = Gpu;

    fn mark(&mut self) {
        self.plan.mark();
    }

    fn embed(&mut self, table: &Matrix, ids: &Buffer, x: &Buffer, scale: f32) {
        embed::record(&mut self.plan, self.gpu, table, ids, x, scale);
    }

    fn norm_add(&mut self, out: &Buffer, x: &Buffer, norms: &Norms, normed: &Buffer) {
        self.norms("norm_add", (out, x, true), norms, normed);
    }

    fn norm(&mut self, x: &Buffer, norms: &Norms, normed: &Buffer) {
        // Nothing is added: the first buffer is bound, not read, and must not be one that is written.
        self.norms("norm", (&norms.weights, x, false), norms, normed);
    }

    fn product(&mut self, w: &Matrix, x: &Buffer, y: &Buffer) {
        let record = match (self.tuning.arithmetic, self.tuning.lanes) {
            (Arithmetic::F32, _) => matmul::record,
            (Arithmetic::Int8, Lanes::One) => matmul_direct::record,
            (Arithmetic::Int8, Lanes::ThirtyTwo) => matmul_int8::record,
        };
        record(&mut self.plan, self.gpu, w, x, y);
    }

    fn qk_norm_rope(
        &mut self,
        qkv: &Buffer,
        norms: Option<&Norms>,
        rope: &Buffer,
        cache: &KvCache,
        q_rotated: &Buffer,
    ) {
        let (n_heads, eps) = (self.config.n_heads, self.config.norm_eps);
        let norms = norms.map(|norms| &norms.weights);
        let heads = qk_norm_rope::Heads { qkv, n_heads, norms, eps, table: rope };
        qk_norm_rope::record(&mut self.plan, self.gpu, "qk_norm_rope", heads, cache, q_rotated);
    }

    fn attention(&mut self, i: usize, q: &Buffer, cache: &KvCache, o: &Buffer) {
        let shape = attention_shape(self.config, i);
        let to = (o, self.tuning);
        attention_prefill::record(&mut self.plan, self.gpu, "attention_prefill", q, cache, to, shape);
    }

    fn geglu(&mut self, gate_up: &Buffer, gated: &Buffer) {
        let to = (gated, self.tuning.arithmetic);
        geglu_prefill::record(&mut self.plan, self.gpu, "geglu_prefill", gate_up, to, self.config.d_ff);
    }
}

/// Shape of the attention of layer `i`.
pub(super) fn attention_shape(config: &Config, i: usize) -> Shape {
    Shape {
        n_heads: config.n_heads,
        window: config.window_of(i),
        scale: config.query_scale,
        softcap: config.attention_softcap,
    }
}
