//! Hyper-parameters of the real models, and the tensors that follow from them.

use super::mixture::{Mixture, Role};
use crate::quant::Format;

/// Hyper-parameters of one size of one generation.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) name: &'static str,
    /// `general.architecture`.
    pub(super) architecture: &'static str,
    /// D.
    pub(super) d_model: u32,
    /// L.
    pub(super) n_layers: u32,
    /// F.
    pub(super) d_ff: u32,
    /// H.
    pub(super) n_heads: u32,
    /// K.
    pub(super) n_kv_heads: u32,
    /// C.
    pub(super) head_dim: u32,
    pub(super) context_length: u32,
    /// Keys that a local layer attends to.
    pub(super) window: Option<u32>,
    /// Divisor of positions in global layers.
    pub(super) rope_divisor: Option<f32>,
}

const fn gemma1(name: &'static str, d_model: u32, n_layers: u32, d_ff: u32, heads: [u32; 2]) -> Shape {
    Shape {
        name,
        architecture: "gemma",
        d_model,
        n_layers,
        d_ff,
        n_heads: heads[0],
        n_kv_heads: heads[1],
        head_dim: 256,
        context_length: 8192,
        window: None,
        rope_divisor: None,
    }
}

const fn gemma2(name: &'static str, d_model: u32, n_layers: u32, d_ff: u32, heads: [u32; 2]) -> Shape {
    let shape = gemma1(name, d_model, n_layers, d_ff, heads);
    Shape { architecture: "gemma2", window: Some(4096), ..shape }
}

const fn gemma3(name: &'static str, d_model: u32, n_layers: u32, d_ff: u32, heads: [u32; 2]) -> Shape {
    let shape = gemma1(name, d_model, n_layers, d_ff, heads);
    Shape { architecture: "gemma3", context_length: 32_768, window: Some(512), ..shape }
}

/// The configurations that Google published with the models.
pub(super) const SHAPES: [Shape; 7] = [
    gemma1("gemma-2b", 2048, 18, 16_384, [8, 1]),
    gemma1("gemma-7b", 3072, 28, 24_576, [16, 16]),
    gemma2("gemma-2-2b", 2304, 26, 9216, [8, 4]),
    gemma2("gemma-2-9b", 3584, 42, 14_336, [16, 8]),
    gemma3("gemma-3-270m", 640, 18, 2048, [4, 1]),
    gemma3("gemma-3-1b", 1152, 26, 6912, [4, 1]),
    Shape {
        context_length: 131_072,
        window: Some(1024),
        rope_divisor: Some(8.0),
        ..gemma3("gemma-3-4b", 2560, 34, 10_240, [8, 4])
    },
];

/// A tensor of the file.
#[derive(Debug)]
pub(super) struct Tensor {
    pub(super) name: String,
    /// Innermost first.
    pub(super) shape: Vec<u64>,
    pub(super) format: &'static Format,
    /// Standard deviation of the weights of a matrix; mean of a norm's.
    pub(super) size: f32,
}

impl Tensor {
    pub(super) fn bytes(&self) -> u64 {
        self.format.bytes_of(self.shape.iter().product())
    }
}

impl Shape {
    pub(super) fn is_gemma3(&self) -> bool {
        self.architecture == "gemma3"
    }

    fn has_post_norms(&self) -> bool {
        self.architecture != "gemma"
    }

    /// All tensors in the order of the file.
    ///
    /// The weights are sized so that every layer adds to the residual stream as much as it holds at first,
    /// that attention prefers some keys to others, and that the logits are neither flat nor one-sided:
    /// roughly as in a trained model.
    pub(super) fn tensors(&self, mixture: Mixture) -> Vec<Tensor> {
        let mut list = List { mixture, n_layers: self.n_layers as usize, tensors: Vec::new() };
        let (d, f, c) = (u64::from(self.d_model), u64::from(self.d_ff), u64::from(self.head_dim));
        let (q, kv) = (u64::from(self.n_heads) * c, u64::from(self.n_kv_heads) * c);
        // Without norms after them, the outputs of a layer must have that size themselves.
        let gain = if self.has_post_norms() { 1.0 } else { 4.0 };
        list.matrix("token_embd.weight".to_owned(), Role::Embedding, [d, self.n_vocab()], 1.0);
        list.norm("output_norm.weight".to_owned(), d, 2.5);
        for i in 0..self.n_layers as usize {
            let name = |name: &str| format!("blk.{i}.{name}.weight");
            list.norm(name("attn_norm"), d, 1.2);
            list.matrix(name("attn_q"), Role::Plain, [d, q], 1.4);
            list.matrix(name("attn_k"), Role::Plain, [d, kv], 1.4);
            list.matrix(name("attn_v"), Role::Sensitive(i), [d, kv], 1.0);
            list.matrix(name("attn_output"), Role::Plain, [q, d], gain);
            list.norm(name("ffn_norm"), d, 1.2);
            list.matrix(name("ffn_gate"), Role::Plain, [d, f], 1.2);
            list.matrix(name("ffn_up"), Role::Plain, [d, f], 1.0);
            list.matrix(name("ffn_down"), Role::Sensitive(i), [f, d], gain);
            if self.has_post_norms() {
                list.norm(name("post_attention_norm"), d, 4.0);
                list.norm(name("post_ffw_norm"), d, 4.0);
            }
            if self.is_gemma3() {
                list.norm(name("attn_q_norm"), c, 1.5);
                list.norm(name("attn_k_norm"), c, 1.5);
            }
        }
        list.tensors
    }

    /// V.
    pub(super) fn n_vocab(&self) -> u64 {
        if self.is_gemma3() { 262_144 } else { 256_000 }
    }
}

struct List {
    mixture: Mixture,
    n_layers: usize,
    tensors: Vec<Tensor>,
}

impl List {
    /// Weights of standard deviation `gain / sqrt(row length)`, so that a product with a vector is `gain`
    /// times as long.
    fn matrix(&mut self, name: String, role: Role, [row_len, n_rows]: [u64; 2], gain: f32) {
        let format = self.mixture.format(role, row_len, self.n_layers);
        let size = gain / (row_len as f32).sqrt();
        self.tensors.push(Tensor { name, shape: vec![row_len, n_rows], format, size });
    }

    fn norm(&mut self, name: String, len: u64, size: f32) {
        let format = self.mixture.format(Role::Norm, len, self.n_layers);
        self.tensors.push(Tensor { name, shape: vec![len], format, size });
    }
}
