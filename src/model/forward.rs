//! The forward page: Gemma, top to bottom. What only some generations have is an `if let Some`.

use crate::gpu::{Buffer, Gpu, Matrix, Plan};
use crate::kernels::{cap_logits, embed, rms_norm};
use crate::model::Config;
use crate::model::state::State;
use crate::model::weights::Weights;

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
        plan
    }

    /// rows of the residual stream → logits, `normed [R, D]` on the way.
    #[must_use]
    pub fn head(&self, normed: &Buffer, logits: &Buffer) -> Plan {
        let mut plan = Plan::new(self.gpu, "head");
        let matrix = self.weights.logits();
        self.norm(&mut plan, &self.state.x, &self.weights.output_norms.weights, normed);
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
}
