//! Hyper-parameters from the metadata. Every difference between Gemmas is a value here; the reader refuses
//! features that are not implemented.

use serde::Serialize;

use crate::error::{Error, Result};
use crate::gguf::Metadata;

/// Architecture of a model, by GGUF's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Architecture {
    /// 2B and 7B.
    Gemma,
    /// Post-norms, soft-caps, a window on every other layer.
    Gemma2,
    /// Post-norms, q/k norms, five local layers for each global one, two RoPE bases.
    Gemma3,
}

/// Rotary position embedding of some layers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rope {
    /// Base of the frequencies, theta.
    pub base: f64,
    /// Divisor of the positions (linear scaling); 1 without scaling.
    pub divisor: f64,
}

/// Hyper-parameters of a model.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    /// Its architecture.
    pub architecture: Architecture,
    /// `general.name`, or empty.
    pub name: String,
    /// L.
    pub n_layers: usize,
    /// D.
    pub d_model: usize,
    /// H.
    pub n_heads: usize,
    /// K.
    pub n_kv_heads: usize,
    /// C, a power of two.
    pub head_dim: usize,
    /// F.
    pub d_ff: usize,
    /// V.
    pub n_vocab: usize,
    /// Positions the model was trained for.
    pub context_length: usize,
    /// Epsilon of every RMS norm.
    pub norm_eps: f32,
    /// Factor of the attention scores.
    pub query_scale: f32,
    /// Soft-cap of the attention scores; 0: none.
    pub attention_softcap: f32,
    /// Soft-cap of the logits; 0: none.
    pub logit_softcap: f32,
    /// Keys that a query of a local layer sees, itself included; `None` if no layer is local.
    pub window: Option<usize>,
    /// Layer `i` is global if `i % period == period - 1`; 1: all are.
    pub global_period: usize,
    /// RoPE of the global layers.
    #[serde(skip)]
    pub rotary: Rope,
    /// RoPE of the local layers.
    #[serde(skip)]
    pub local_rotary: Rope,
}

/// Counts and positions above this belong to a broken file, not to a Gemma.
const MAX_EXTENT: u32 = 1 << 24;
/// Maximum number of blocks; the largest Gemma has 62. The names of all their tensors are made before the
/// first is looked up.
const MAX_LAYERS: usize = 1 << 8;
/// Maximum of D, F and H * C; the largest of a Gemma is 36864. Three of them, times the rows of the largest
/// chunk, must fit in 32 bits.
const MAX_DIM: usize = 1 << 20;

/// Reads the keys of one architecture: `gemma2.block_count` by `block_count`.
struct Keys<'a> {
    metadata: &'a Metadata,
    architecture: &'a str,
}

impl Keys<'_> {
    fn full(&self, key: &str) -> String {
        format!("{}.{key}", self.architecture)
    }

    fn extent(&self, key: &str) -> Result<usize> {
        let key = self.full(key);
        let value = self.metadata.u32(&key)?;
        in_range(&key, value)
    }

    fn opt_extent(&self, key: &str) -> Result<Option<usize>> {
        let key = self.full(key);
        self.metadata.opt_u32(&key)?.map(|value| in_range(&key, value)).transpose()
    }

    fn opt_number(&self, key: &str) -> Result<Option<f32>> {
        let key = self.full(key);
        let value = self.metadata.opt_f32(&key)?;
        match value {
            Some(x) if !x.is_finite() || x <= 0.0 => {
                Err(Error::BadKey { key, expected: "a positive number".to_owned(), found: x.to_string() })
            }
            value => Ok(value),
        }
    }
}

fn in_range(key: &str, value: u32) -> Result<usize> {
    if value == 0 || value > MAX_EXTENT {
        return Err(Error::BadKey {
            key: key.to_owned(),
            expected: format!("1 to {MAX_EXTENT}"),
            found: value.to_string(),
        });
    }
    Ok(value as usize)
}

impl Config {
    /// Reads the hyper-parameters of a file.
    ///
    /// # Errors
    /// [`Error::UnsupportedArchitecture`], [`Error::MissingKey`], [`Error::BadKey`], or
    /// [`Error::Unsupported`] for a feature that is not implemented.
    pub fn from_metadata(metadata: &Metadata) -> Result<Self> {
        let name = metadata.str("general.architecture")?;
        let architecture = match name {
            "gemma" => Architecture::Gemma,
            "gemma2" => Architecture::Gemma2,
            "gemma3" => Architecture::Gemma3,
            other => {
                return Err(Error::UnsupportedArchitecture { found: other.to_owned() });
            }
        };
        let keys = Keys { metadata, architecture: name };
        let (n_layers, d_model) = (keys.extent("block_count")?, keys.extent("embedding_length")?);
        let n_heads = keys.extent("attention.head_count")?;
        let head_dim = keys.opt_extent("attention.key_length")?.unwrap_or(d_model / n_heads);
        let norm_eps = keys.opt_number("attention.layer_norm_rms_epsilon")?;
        let capped = |key, default| match architecture {
            Architecture::Gemma2 => Ok(keys.opt_number(key)?.unwrap_or(default)),
            _ => Ok(keys.opt_number(key)?.unwrap_or(0.0)),
        };
        let (rotary, local_rotary) = rotaries(&keys, architecture)?;
        let config = Self {
            architecture,
            name: metadata.opt_str("general.name")?.unwrap_or_default().to_owned(),
            n_layers,
            d_model,
            n_heads,
            n_kv_heads: keys.opt_extent("attention.head_count_kv")?.unwrap_or(n_heads),
            head_dim,
            d_ff: keys.extent("feed_forward_length")?,
            n_vocab: metadata.strings("tokenizer.ggml.tokens")?.len(),
            context_length: keys.extent("context_length")?,
            norm_eps: norm_eps.unwrap_or(1e-6),
            query_scale: query_scale(architecture, n_layers, d_model / n_heads, head_dim),
            attention_softcap: capped("attn_logit_softcapping", 50.0)?,
            logit_softcap: capped("final_logit_softcapping", 30.0)?,
            window: window(&keys, architecture)?,
            global_period: period(&keys, architecture)?,
            rotary,
            local_rotary,
        };
        config.check_sizes(&keys)?;
        config.check(&keys)?;
        Ok(config)
    }

    /// Refuses sizes that no Gemma has, before anything is allocated or multiplied by them.
    fn check_sizes(&self, keys: &Keys<'_>) -> Result<()> {
        let (h, c) = (self.n_heads, self.head_dim);
        for (key, found, most) in [
            ("block_count", self.n_layers, MAX_LAYERS),
            ("embedding_length", self.d_model, MAX_DIM),
            ("feed_forward_length", self.d_ff, MAX_DIM),
            ("attention.head_count", h, MAX_DIM / c.max(1)),
            // Head sizes follow from it if the file has none.
            ("attention.head_count", h, self.d_model),
        ] {
            if found > most {
                let (key, expected) = (keys.full(key), format!("at most {most}"));
                return Err(Error::BadKey { key, expected, found: found.to_string() });
            }
        }
        Ok(())
    }

    /// Refuses shapes that the kernels cannot handle.
    fn check(&self, keys: &Keys<'_>) -> Result<()> {
        let unsupported =
            |what: &str, found: String| Err(Error::Unsupported { what: what.to_owned(), found });
        if !self.head_dim.is_power_of_two() || !(16..=512).contains(&self.head_dim) {
            return unsupported(
                "a head size that is a power of two from 16 to 512",
                self.head_dim.to_string(),
            );
        }
        let value_len = keys.opt_extent("attention.value_length")?.unwrap_or(self.head_dim);
        if value_len != self.head_dim {
            return unsupported("values as long as keys", format!("{value_len} against {}", self.head_dim));
        }
        if !self.n_heads.is_multiple_of(self.n_kv_heads) {
            return unsupported(
                "query heads in equal groups",
                format!("{} heads on {} key/value heads", self.n_heads, self.n_kv_heads),
            );
        }
        for (what, extent) in [("embedding_length", self.d_model), ("feed_forward_length", self.d_ff)] {
            if !extent.is_multiple_of(16) {
                return unsupported(&format!("{what} that is a multiple of 16"), extent.to_string());
            }
        }
        Ok(())
    }

    /// Whether layer `i` attends within the window only.
    #[must_use]
    pub fn is_local(&self, i: usize) -> bool {
        self.window.is_some() && i % self.global_period != self.global_period - 1
    }

    /// The window of layer `i`, if it is local.
    #[must_use]
    pub fn window_of(&self, i: usize) -> Option<usize> {
        self.window.filter(|_| self.is_local(i))
    }

    /// Whether the outputs of attention and feed-forward are normalised before they are added.
    #[must_use]
    pub fn has_post_norms(&self) -> bool {
        self.architecture != Architecture::Gemma
    }

    /// Whether queries and keys are normalised head by head.
    #[must_use]
    pub fn has_qk_norms(&self) -> bool {
        self.architecture == Architecture::Gemma3
    }
}

/// The scale is not in the file: C^-0.5, but (D/H)^-0.5 in the two 27B models, which are known by their depth
/// (llama.cpp src/llama-model.cpp, `LLM_TYPE_27B`).
fn query_scale(architecture: Architecture, n_layers: usize, width_per_head: usize, head_dim: usize) -> f32 {
    let is_27b = matches!((architecture, n_layers), (Architecture::Gemma2, 46) | (Architecture::Gemma3, 62));
    let squared = if is_27b { width_per_head } else { head_dim };
    (1.0 / (squared as f64).sqrt()) as f32
}

fn window(keys: &Keys<'_>, architecture: Architecture) -> Result<Option<usize>> {
    match architecture {
        Architecture::Gemma => Ok(None),
        Architecture::Gemma2 => Ok(Some(keys.opt_extent("attention.sliding_window")?.unwrap_or(4096))),
        Architecture::Gemma3 => keys.opt_extent("attention.sliding_window"),
    }
}

fn period(keys: &Keys<'_>, architecture: Architecture) -> Result<usize> {
    let default = match architecture {
        Architecture::Gemma => 1,
        Architecture::Gemma2 => 2,
        Architecture::Gemma3 => 6,
    };
    Ok(keys.opt_extent("attention.sliding_window_pattern")?.unwrap_or(default))
}

/// RoPE of the global and of the local layers. Linear scaling applies to the global ones only.
fn rotaries(keys: &Keys<'_>, architecture: Architecture) -> Result<(Rope, Rope)> {
    let base = keys.opt_number("rope.freq_base")?.map_or(10_000.0, f64::from);
    let divisor = match keys.metadata.opt_str(&keys.full("rope.scaling.type"))? {
        None | Some("none") => 1.0,
        Some("linear") => keys.opt_number("rope.scaling.factor")?.map_or(1.0, f64::from),
        Some(other) => {
            return Err(Error::Unsupported { what: "RoPE scaling".to_owned(), found: other.to_owned() });
        }
    };
    let global = Rope { base, divisor };
    let local = match architecture {
        Architecture::Gemma3 => {
            Rope { base: keys.opt_number("rope.freq_base_swa")?.map_or(10_000.0, f64::from), divisor: 1.0 }
        }
        _ => global,
    };
    Ok((global, local))
}
