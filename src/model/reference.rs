//! Reference: the forward pass over the CPU twins. It is slow, exact to f32 storage, and the arbiter when a
//! kernel is in doubt.

use std::collections::HashMap;

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::gguf::Header;
use crate::kernels::attention_prefill::{Cached, Shape, attention};
use crate::kernels::embed::embed;
use crate::kernels::geglu_prefill::geglu;
use crate::kernels::matmul::matmul;
use crate::kernels::norm_add::{add, rms_norm};
use crate::kernels::qk_norm_rope::kv_write;
use crate::kernels::rope_table::{Rotary, rope};
use crate::kernels::softcap_logits::softcap_logits;
use crate::model::config::{Config, Rope};
use crate::model::tensors::checked_config;
use crate::quant::{Format, KvType};
use crate::source::ByteSource;

/// A tensor as in the file.
#[derive(Debug)]
struct Stored {
    format: &'static Format,
    n_cols: usize,
    blocks: Vec<u8>,
}

/// A model on the CPU, whole in memory: for tiny files and tests.
#[derive(Debug)]
pub struct Reference {
    config: Config,
    tensors: HashMap<String, Stored>,
    /// Keys and values of each layer, `[context, K, C]`.
    cache: Vec<(Vec<f32>, Vec<f32>)>,
    context: usize,
    kv: KvType,
}

impl Reference {
    /// Reads every tensor.
    ///
    /// # Errors
    /// Those of [`checked_config`] and of the source.
    pub async fn load<S: ByteSource>(header: &Header, source: &mut S, kv: KvType) -> Result<Self> {
        let config = checked_config(header)?;
        let mut tensors = HashMap::new();
        for tensor in &header.tensors {
            let mut blocks = vec![0; tensor.bytes as usize];
            source.read(tensor.offset, &mut blocks, &Cancel::default()).await?;
            let n_cols = tensor.shape.first().copied().unwrap_or(1) as usize;
            tensors.insert(tensor.name.clone(), Stored { format: tensor.format, n_cols, blocks });
        }
        let context = config.context_length;
        let row = config.n_kv_heads * config.head_dim;
        let cache =
            (0..config.n_layers).map(|_| (vec![0.0; context * row], vec![0.0; context * row])).collect();
        Ok(Self { config, tensors, cache, context, kv })
    }

    fn stored(&self, name: &str) -> Result<&Stored> {
        self.tensors.get(name).ok_or_else(|| Error::MissingTensor { tensor: name.to_owned() })
    }

    fn product(&self, name: &str, x: &[f32]) -> Result<Vec<f32>> {
        let w = self.stored(name)?;
        Ok(matmul(w.format, &w.blocks, w.n_cols, x))
    }

    /// Normalises rows as long as the weight; without a weight, returns `x` as it is.
    fn norm(&self, name: &str, x: Vec<f32>) -> Vec<f32> {
        let Some(w) = self.tensors.get(name) else { return x };
        let mut weights = Vec::new();
        w.format.decode(&w.blocks, &mut weights);
        rms_norm(&x, &weights, self.config.norm_eps)
    }

    /// Feeds tokens from `position` on; logits `[V]` after the last.
    ///
    /// # Errors
    /// [`Error::ContextFull`]; [`Error::MissingTensor`] never after a successful load.
    pub fn forward(&mut self, ids: &[u32], position: usize) -> Result<Vec<f32>> {
        let needs = position + ids.len();
        if needs > self.context {
            return Err(Error::ContextFull { needs, context: self.context });
        }
        let d_model = self.config.d_model;
        let table = self.stored("token_embd.weight")?;
        let mut x = embed(ids, table.format, &table.blocks, d_model, (d_model as f32).sqrt());
        for i in 0..self.config.n_layers {
            let out = self.attend(i, self.norm(&name(i, "attn_norm"), x.clone()), position)?;
            add(&self.norm(&name(i, "post_attention_norm"), out), &mut x);
            let normed = self.norm(&name(i, "ffn_norm"), x.clone());
            let gate = self.product(&name(i, "ffn_gate"), &normed)?;
            let up = self.product(&name(i, "ffn_up"), &normed)?;
            let out = self.product(&name(i, "ffn_down"), &geglu(&gate, &up))?;
            add(&self.norm(&name(i, "post_ffw_norm"), out), &mut x);
        }
        let last = x.split_off(x.len() - d_model);
        let normed = self.norm("output_norm.weight", last);
        let matrix =
            if self.tensors.contains_key("output.weight") { "output.weight" } else { "token_embd.weight" };
        let mut logits = self.product(matrix, &normed)?;
        softcap_logits(&mut logits, self.config.logit_softcap);
        Ok(logits)
    }

    fn attend(&mut self, i: usize, normed: Vec<f32>, position: usize) -> Result<Vec<f32>> {
        let q = self.norm(&name(i, "attn_q_norm"), self.product(&name(i, "attn_q"), &normed)?);
        let k = self.norm(&name(i, "attn_k_norm"), self.product(&name(i, "attn_k"), &normed)?);
        let v = self.product(&name(i, "attn_v"), &normed)?;
        let c = &self.config;
        let Rope { base, divisor } = if c.is_local(i) { c.local_rotary } else { c.rotary };
        let rotary = Rotary { base, divisor };
        let (q_row, kv_row) = (c.n_heads * c.head_dim, c.n_kv_heads * c.head_dim);
        let q = rope(&q, q_row, c.head_dim, position, rotary);
        let k = rope(&k, kv_row, c.head_dim, position, rotary);
        let Some((keys, values)) = self.cache.get_mut(i) else {
            return Ok(Vec::new());
        };
        kv_write(&k, keys, kv_row, self.context, position, self.kv);
        kv_write(&v, values, kv_row, self.context, position, self.kv);
        let cached =
            Cached { keys, values, n_slots: self.context, n_kv_heads: c.n_kv_heads, head_dim: c.head_dim };
        let shape = Shape {
            n_heads: c.n_heads,
            window: c.window_of(i),
            scale: c.query_scale,
            softcap: c.attention_softcap,
        };
        let mixed = attention(&q, cached, position, shape);
        self.product(&name(i, "attn_output"), &mixed)
    }
}

fn name(i: usize, tensor: &str) -> String {
    format!("blk.{i}.{tensor}.weight")
}
