//! The forward page: Gemma, top to bottom, for the tokens of a prompt. What only some generations have is an `if let Some`.

use crate::gpu::{Arithmetic, Buffer, Gpu, Matrix, Plan, Tuning, Unit};
use crate::kernels::{
    attention, cap_logits, embed, geglu, matmul, matmul_direct, matmul_int8, norm_add, rotate,
};
use crate::model::Config;
use crate::model::state::State;
use crate::model::weights::{Layer, Norms, Weights};

/// What a page is written over.
#[derive(Debug)]
pub struct Page<'a> {
    /// Hyper-parameters.
    pub config: &'a Config,
    /// Weights.
    pub weights: &'a Weights,
    /// Activations and cache.
    pub state: &'a State,
    /// The device.
    pub gpu: &'a Gpu,
    /// Which variants of the kernels it gets.
    pub tuning: Tuning,
}

impl Page<'_> {
    /// ids → residual stream after the last block. A mark stands after the embedding and after
    /// each block.
    #[must_use]
    pub fn blocks(&self) -> Plan {
        let mut plan = Plan::new(self.gpu, "blocks");
        let (s, scale) = (self.state, (self.config.width as f32).sqrt());
        embed::record(&mut plan, self.gpu, &self.weights.embedding, &s.ids, &s.x, scale);
        plan.mark();
        let arithmetic = self.arithmetic();
        let layers = &self.weights.layers;
        if let Some(first) = layers.first() {
            self.norm(&mut plan, &first.attn_norms, false, arithmetic);
        }
        for (i, layer) in layers.iter().enumerate() {
            self.attend(&mut plan, i, layer, arithmetic);
            self.norm(&mut plan, &layer.ffn_norms, true, arithmetic);
            self.feed_forward(&mut plan, layer, arithmetic);
            match layers.get(i + 1) {
                Some(next) => self.norm(&mut plan, &next.attn_norms, true, arithmetic),
                None => self.norm(&mut plan, &self.weights.output_norms, true, arithmetic),
            }
            plan.mark();
        }
        plan
    }

    /// int8 only where every matrix has codes: the activations are made in one form.
    fn arithmetic(&self) -> Arithmetic {
        let coded = self.weights.layers.iter().flat_map(Layer::matrices).all(|m| m.format.has_codes());
        if coded { self.tuning.arithmetic } else { Arithmetic::F32 }
    }

    /// `out = o(attention(norm(x)))`
    fn attend(&self, plan: &mut Plan, i: usize, w: &Layer, arithmetic: Arithmetic) {
        let (config, s, gpu) = (self.config, self.state, self.gpu);
        let Some(cache) = s.kv.get(i) else { return };
        for matrix in &w.qkv {
            self.product(plan, matrix, &s.normed, &s.qkv, arithmetic);
        }
        let heads = rotate::Heads {
            qkv: &s.qkv,
            n_heads: config.n_heads,
            norms: w.head_norms.as_ref().map(|norms| &norms.weights),
            eps: config.norm_eps,
            table: if config.is_local(i) { &s.local_rope } else { &s.rope },
        };
        rotate::record(plan, gpu, "rotate", heads, cache, &s.q_rotated);
        let tuning = Tuning { arithmetic, ..self.tuning };
        let shape = attention::Shape {
            n_heads: config.n_heads,
            window: config.window_of(i),
            scale: config.query_scale,
            cap: config.attention_cap,
        };
        attention::record(plan, gpu, "attention", &s.q_rotated, cache, (&s.mixed, tuning), shape);
        self.product(plan, &w.o, &s.mixed, &s.out, arithmetic);
    }

    /// `out = down(gelu(gate(norm(x))) * up(norm(x)))`
    fn feed_forward(&self, plan: &mut Plan, w: &Layer, arithmetic: Arithmetic) {
        let s = self.state;
        for matrix in &w.gate_up {
            self.product(plan, matrix, &s.normed, &s.gate_up, arithmetic);
        }
        geglu::record(plan, self.gpu, "geglu", &s.gate_up, (&s.gated, arithmetic), self.config.ffn_width);
        self.product(plan, &w.down, &s.gated, &s.out, arithmetic);
    }

    /// Rows of the residual stream → `normed [R, D]` f32, by the output norm.
    #[must_use]
    pub fn normed(&self) -> Plan {
        let mut plan = Plan::new(self.gpu, "head");
        let norms = self.norms(&self.weights.output_norms);
        let (s, normed) = (self.state, (&self.state.normed, Arithmetic::F32));
        norm_add::record(&mut plan, self.gpu, "norm", (&s.out, &s.x, false), norms, normed);
        plan
    }

    /// `normed [R, D]` of rows of the residual stream → logits `[R, V]`.
    #[must_use]
    pub fn head(&self, logits: &Buffer) -> Plan {
        let (mut plan, s) = (self.normed(), self.state);
        matmul::record(&mut plan, self.gpu, self.weights.logits(), &s.normed, logits);
        if self.config.logit_cap > 0.0 {
            cap_logits::record(&mut plan, self.gpu, logits, self.config.n_vocab, self.config.logit_cap);
        }
        plan
    }

    /// `x += post_norm(out)` where something is added, and `normed = norm(x)`.
    fn norm(&self, plan: &mut Plan, norms: &Norms, adds: bool, arithmetic: Arithmetic) {
        let s = self.state;
        let rows = (&s.normed, arithmetic);
        norm_add::record(plan, self.gpu, "norm_add", (&s.out, &s.x, adds), self.norms(norms), rows);
    }

    fn norms<'b>(&self, norms: &'b Norms) -> norm_add::Norms<'b> {
        let (width, eps) = (self.config.width, self.config.norm_eps);
        norm_add::Norms { weights: &norms.weights, has_post: norms.has_post, width, eps }
    }

    /// The columns of `y` that are `w`'s `= w x`.
    fn product(&self, plan: &mut Plan, w: &Matrix, x: &Buffer, y: &Buffer, arithmetic: Arithmetic) {
        let record = match (arithmetic, self.tuning.unit) {
            (Arithmetic::F32, _) => matmul::record,
            (Arithmetic::Int8, Unit::One) => matmul_direct::record,
            (Arithmetic::Int8, Unit::ThirtyTwo) => matmul_int8::record,
        };
        record(plan, self.gpu, w, x, y);
    }
}
