//! Steps of the forward pass on the CPU: each pushes an operation of one worker, and the exchange of what the others
//! need of it.

use std::ops::Range;

use crate::cpu::plan::{AttentionHeads, BufferId, CacheId, Op, RopeId, VectorId};
use crate::model::config::Config;
use crate::model::cpu::share::Share;
use crate::model::cpu::tensors::{Cpu, Matrix, Norms};
use crate::model::device::Steps;

/// A plan of one worker under construction.
#[derive(Debug)]
pub struct Recorder<'a> {
    config: &'a Config,
    share: &'a Share,
    ops: Vec<Op>,
}

impl<'a> Recorder<'a> {
    /// An empty plan.
    #[must_use]
    pub fn new(config: &'a Config, share: &'a Share) -> Self {
        Self { config, share, ops: Vec::new() }
    }

    /// The plan.
    #[must_use]
    pub fn finish(self) -> Vec<Op> {
        self.ops
    }

    /// `logits = cap tanh(logits / cap)`, if the model caps them
    pub fn softcap(&mut self, logits: BufferId) {
        let cap = self.config.logit_softcap;
        if cap > 0.0 {
            self.ops.push(Op::Softcap { x: logits, cap });
        }
    }

    fn exchange(&mut self, x: BufferId, cols: Range<usize>) {
        self.ops.push(Op::Exchange { x, cols });
    }

    fn push_norm(&mut self, x: BufferId, weights: Option<&VectorId>, y: BufferId) {
        self.ops.extend(weights.map(|weights| Op::Norm { x, weights: *weights, y }));
    }
}

impl Steps for Recorder<'_> {
    type Device = Cpu;

    fn mark(&mut self) {
        self.ops.push(Op::Mark);
    }

    fn embed(&mut self, table: &Matrix, _: &BufferId, x: &BufferId, scale: f32) {
        self.ops.push(Op::Embed { table: table.id, y: *x, scale });
    }

    fn norm(&mut self, x: &BufferId, norms: &Norms, normed: &BufferId) {
        self.push_norm(*x, norms.0.last(), *normed);
    }

    fn norm_add(&mut self, out: &BufferId, x: &BufferId, norms: &Norms, normed: &BufferId) {
        let post = norms.0.first().filter(|_| norms.0.len() > 1).copied();
        self.ops.push(Op::Add { out: *out, post, x: *x });
        self.push_norm(*x, norms.0.last(), *normed);
    }

    fn product(&mut self, w: &Matrix, x: &BufferId, y: &BufferId) {
        self.ops.push(Op::Product { w: w.id, x: *x, y: *y, first_col: w.first_col });
        if w.exchanged {
            self.exchange(*y, w.first_col..w.first_col + w.n_rows);
        }
    }

    fn qk_norm_rope(
        &mut self,
        qkv: &BufferId,
        norms: Option<&Norms>,
        rope: &RopeId,
        cache: &CacheId,
        q_rotated: &BufferId,
    ) {
        let norms = norms.and_then(|norms| norms.0.first_chunk().copied());
        self.ops.push(Op::QkNormRope { qkv: *qkv, norms, rope: *rope, cache: *cache, q: *q_rotated });
    }

    fn attention(&mut self, i: usize, q: &BufferId, cache: &CacheId, o: &BufferId) {
        let (config, heads) = (self.config, self.share.heads.clone());
        let cols = heads.start * config.head_dim..heads.end * config.head_dim;
        let heads = AttentionHeads {
            heads,
            heads_per_kv: config.n_heads / config.n_kv_heads,
            window: config.window_of(i),
            scale: config.query_scale,
            softcap: config.attention_softcap,
        };
        self.ops.push(Op::Attention { q: *q, cache: *cache, o: *o, heads });
        self.exchange(*o, cols);
    }

    fn geglu(&mut self, gate_up: &BufferId, gated: &BufferId) {
        let cols = self.share.ff.clone();
        self.ops.push(Op::Geglu { gate_up: *gate_up, y: *gated, first_col: cols.start });
        self.exchange(*gated, cols);
    }
}
