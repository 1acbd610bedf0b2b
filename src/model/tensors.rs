//! Tensor table: names and shapes of the tensors of a model.

use std::collections::{HashMap, HashSet};

use crate::error::{Error, Result};
use crate::gguf::{Header, TensorInfo};
use crate::model::config::Config;

/// Name and shape (innermost first) of every tensor that a model of this config has; a file may also have
/// `output.weight`.
fn table(config: &Config) -> Vec<(String, Vec<u64>)> {
    let (d, f) = (config.d_model as u64, config.d_ff as u64);
    let c = config.head_dim as u64;
    let (q, kv) = (config.n_heads as u64 * c, config.n_kv_heads as u64 * c);
    let mut tensors = vec![
        ("token_embd.weight".to_owned(), vec![d, config.n_vocab as u64]),
        ("output_norm.weight".to_owned(), vec![d]),
    ];
    for i in 0..config.n_layers {
        let mut add = |name: &str, shape: &[u64]| tensors.push((layer_name(i, name), shape.to_vec()));
        add("attn_norm", &[d]);
        add("attn_q", &[d, q]);
        add("attn_k", &[d, kv]);
        add("attn_v", &[d, kv]);
        add("attn_output", &[q, d]);
        add("ffn_norm", &[d]);
        add("ffn_gate", &[d, f]);
        add("ffn_up", &[d, f]);
        add("ffn_down", &[f, d]);
        if config.has_post_norms() {
            add("post_attention_norm", &[d]);
            add("post_ffw_norm", &[d]);
        }
        if config.has_qk_norms() {
            add("attn_q_norm", &[c]);
            add("attn_k_norm", &[c]);
        }
    }
    tensors
}

pub(super) fn layer_name(i: usize, name: &str) -> String {
    format!("blk.{i}.{name}.weight")
}

pub(super) const OUTPUT: &str = "output.weight";

/// Checks that the file holds exactly the tensors of the config, in the right shapes.
///
/// # Errors
/// [`Error::MissingTensor`], [`Error::WrongShape`], or [`Error::Unsupported`] for a tensor that would go
/// unused: a model that has one needs a step that is not implemented.
pub fn check_tensors(header: &Header, config: &Config) -> Result<()> {
    let mut expected = table(config);
    if header.tensor(OUTPUT).is_some() {
        expected.push((OUTPUT.to_owned(), vec![config.d_model as u64, config.n_vocab as u64]));
    }
    let by_name: HashMap<&str, &TensorInfo> = header.tensors.iter().map(|t| (t.name.as_str(), t)).collect();
    for (name, shape) in &expected {
        let tensor =
            by_name.get(name.as_str()).ok_or_else(|| Error::MissingTensor { tensor: name.clone() })?;
        if tensor.shape != *shape {
            return Err(Error::WrongShape {
                tensor: name.clone(),
                expected: shape.clone(),
                found: tensor.shape.clone(),
            });
        }
    }
    let known: HashSet<&str> = expected.iter().map(|(name, _)| name.as_str()).collect();
    match header.tensors.iter().find(|t| !known.contains(t.name.as_str())) {
        Some(tensor) => Err(Error::Unsupported {
            what: "a tensor that this architecture does not have".to_owned(),
            found: format!("\"{}\"", tensor.name),
        }),
        None => Ok(()),
    }
}

/// The config of a file, whose tensors have been checked against it.
///
/// # Errors
/// Errors of [`Config::from_metadata`] and [`check_tensors`].
pub fn checked_config(header: &Header) -> Result<Config> {
    let config = Config::from_metadata(&header.metadata)?;
    check_tensors(header, &config)?;
    Ok(config)
}

pub(super) fn find<'a>(header: &'a Header, name: &str) -> Result<&'a TensorInfo> {
    header.tensor(name).ok_or_else(|| Error::MissingTensor { tensor: name.to_owned() })
}
