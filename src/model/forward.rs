//! The forward page: Gemma, top to bottom. What only some generations have is an `if let Some`.

use crate::gpu::{Buffer, Gpu, Matrix, Plan};
use crate::kernels::{add, attention, cap_logits, embed, geglu, kv_write, rms_norm, rope};
use crate::model::Config;
use crate::model::state::State;
use crate::model::weights::{Layer, Weights};

/// Records `y [T, N] = W [N, K] x [T, K]`: `matvec::record` for decoding, `matmul::record` for prefill.
pub type Product = fn(&mut Plan, &Gpu, &Matrix, &Buffer, &Buffer);

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
    /// How matrices are multiplied.
    pub product: Product,
}

impl Page<'_> {
    /// ids → residual stream after the last block. A mark stands after the embedding and after each block.
    #[must_use]
    pub fn blocks(&self) -> Plan {
        let mut plan = Plan::new(self.gpu, "blocks");
        let (s, scale) = (self.state, (self.config.width as f32).sqrt());
        embed::record(&mut plan, self.gpu, &self.weights.embedding, &s.ids, &s.x, scale);
        plan.mark();
        for (i, layer) in self.weights.layers.iter().enumerate() {
            self.attend(&mut plan, i, layer);
            self.feed_forward(&mut plan, layer);
            plan.mark();
        }
        plan
    }

    /// `x += post_norm(attention(norm(x)))`
    fn attend(&self, plan: &mut Plan, i: usize, w: &Layer) {
        let (config, s, gpu) = (self.config, self.state, self.gpu);
        let (heads, kv_heads) = ((config.n_heads, config.head_len), (config.n_kv_heads, config.head_len));
        let table = if config.is_local(i) { &s.local_rope } else { &s.rope };
        let Some(cache) = s.kv.get(i) else { return };

        self.norm(plan, &s.x, &w.attn_norm, &s.normed);
        (self.product)(plan, gpu, &w.q, &s.normed, &s.q);
        (self.product)(plan, gpu, &w.k, &s.normed, &s.k);
        (self.product)(plan, gpu, &w.v, &s.normed, &s.v);
        let q = self.head_norm(plan, w.q_norm.as_ref(), (&s.q, &s.q_normed), heads);
        let k = self.head_norm(plan, w.k_norm.as_ref(), (&s.k, &s.k_normed), kv_heads);
        rope::record(plan, gpu, "rope", table, q, &s.q_rotated, heads);
        kv_write::record(plan, gpu, "kv_write", table, k, &s.v, cache);
        let shape = attention::Shape {
            n_heads: config.n_heads,
            window: config.window_of(i),
            scale: config.query_scale,
            cap: config.attention_cap,
        };
        attention::record(plan, gpu, "attention", &s.q_rotated, cache, &s.mixed, shape);
        (self.product)(plan, gpu, &w.o, &s.mixed, &s.out);
        self.add_to_residual(plan, w.post_attention_norm.as_ref());
    }

    /// `x += post_norm(down(gelu(gate(norm(x))) * up(norm(x))))`
    fn feed_forward(&self, plan: &mut Plan, w: &Layer) {
        let (s, gpu) = (self.state, self.gpu);
        self.norm(plan, &s.x, &w.ffn_norm, &s.normed);
        (self.product)(plan, gpu, &w.gate, &s.normed, &s.gate);
        (self.product)(plan, gpu, &w.up, &s.normed, &s.up);
        geglu::record(plan, gpu, "geglu", &s.gate, &s.up, &s.gated, self.config.ffn_width);
        (self.product)(plan, gpu, &w.down, &s.gated, &s.out);
        self.add_to_residual(plan, w.post_ffw_norm.as_ref());
    }

    /// rows of the residual stream → logits, `normed [R, D]` on the way.
    #[must_use]
    pub fn head(&self, normed: &Buffer, logits: &Buffer) -> Plan {
        let mut plan = Plan::new(self.gpu, "head");
        let matrix = self.weights.logits();
        self.norm(&mut plan, &self.state.x, &self.weights.output_norm, normed);
        (self.product)(&mut plan, self.gpu, matrix, normed, logits);
        if self.config.logit_cap > 0.0 {
            cap_logits::record(&mut plan, self.gpu, logits, self.config.n_vocab, self.config.logit_cap);
        }
        plan
    }

    fn norm(&self, plan: &mut Plan, x: &Buffer, w: &Buffer, y: &Buffer) {
        let shape =
            rms_norm::Shape { n_cols: self.config.width, rows_per_token: 1, eps: self.config.norm_eps };
        rms_norm::record(plan, self.gpu, "norm", x, w, y, shape);
    }

    /// Normalises each head where the model does, and says which buffer holds the result.
    fn head_norm<'b>(
        &self,
        plan: &mut Plan,
        w: Option<&Buffer>,
        (x, y): (&'b Buffer, &'b Buffer),
        (n_heads, head_len): (usize, usize),
    ) -> &'b Buffer {
        let Some(w) = w else { return x };
        let shape = rms_norm::Shape { n_cols: head_len, rows_per_token: n_heads, eps: self.config.norm_eps };
        rms_norm::record(plan, self.gpu, "head_norm", x, w, y, shape);
        y
    }

    fn add_to_residual(&self, plan: &mut Plan, post_norm: Option<&Buffer>) {
        let s = self.state;
        let out = if let Some(w) = post_norm {
            self.norm(plan, &s.out, w, &s.out_normed);
            &s.out_normed
        } else {
            &s.out
        };
        add::record(plan, self.gpu, "add", out, &s.x, self.config.width);
    }
}
