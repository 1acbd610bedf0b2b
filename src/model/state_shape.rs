//! Shape of a model's state: sizes that the caller chose, and everything that follows from these and the
//! hyper-parameters.

use crate::error::{Error, Result};
use crate::model::config::Config;
use crate::quant::KvType;

/// Default context: a cache that phones hold too.
pub const DEFAULT_CONTEXT: usize = 4096;
const MAX_CHUNK: usize = 1024;

/// Sizes that the caller chose.
#[derive(Clone, Copy, Debug)]
pub struct StateShape {
    /// Positions that the global layers keep.
    pub context: usize,
    /// Rows of the largest run (T).
    pub chunk: usize,
    /// Type of the KV cache.
    pub kv: KvType,
}

impl StateShape {
    /// The shape for a context (`None`: the model's own, at most [`DEFAULT_CONTEXT`]) and chunks of a prompt
    /// of `chunk` rows.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] for a context or a chunk out of range.
    pub fn new(config: &Config, context: Option<usize>, chunk: usize, kv: KvType) -> Result<Self> {
        let context = context.unwrap_or(config.context_length.min(DEFAULT_CONTEXT));
        if context == 0 || context > config.context_length {
            let expected = format!("1 to {}", config.context_length);
            return Err(Error::invalid_option("contextLength", context, expected));
        }
        if chunk == 0 || chunk > MAX_CHUNK {
            return Err(Error::invalid_option("prefillChunk", chunk, format!("1 to {MAX_CHUNK}")));
        }
        Ok(Self { context, chunk: chunk.min(context), kv })
    }

    /// Positions that the cache of layer `i` keeps: a local layer has a ring for the window of a chunk's
    /// first query, and the chunk.
    #[must_use]
    pub fn n_slots(&self, config: &Config, i: usize) -> usize {
        config.window_of(i).map_or(self.context, |window| (window + self.chunk).min(self.context))
    }

    /// Whether position `n_tokens` can be fed next after `n_written` positions were written: local layers
    /// keep little more than their window.
    #[must_use]
    pub fn can_return(&self, config: &Config, n_tokens: usize, n_written: usize) -> bool {
        (0..config.n_layers).all(|i| {
            let n_slots = self.n_slots(config, i);
            // The oldest key that position `n_tokens` sees must not have been overwritten by one a whole ring
            // later.
            config.window_of(i).is_none_or(|window| {
                n_written <= n_slots || n_written - n_tokens.min(n_written) + window <= n_slots + 1
            })
        })
    }

    /// Bytes of keys and values that a token at `position` reads.
    #[must_use]
    pub fn kv_bytes_read(&self, config: &Config, position: usize) -> u64 {
        let a_key = (2 * config.n_kv_heads * config.head_dim) as u64 * self.kv.bytes();
        let n_keys =
            |layer| config.window_of(layer).map_or(position + 1, |window| window.min(position + 1)) as u64;
        (0..config.n_layers).map(|layer| n_keys(layer) * a_key).sum()
    }

    /// Checks tokens that are to be fed from `position` on.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] for an id outside the vocabulary or no id at all, [`Error::ContextFull`]
    /// beyond the context.
    pub fn check_ids(&self, config: &Config, ids: &[u32], position: usize) -> Result<()> {
        let n_vocab = config.n_vocab;
        let expected = || format!("at least one id, each below {n_vocab}");
        if ids.is_empty() {
            return Err(Error::invalid_option("ids", "empty", expected()));
        }
        if let Some(id) = ids.iter().find(|id| **id as usize >= n_vocab) {
            return Err(Error::invalid_option("ids", id, expected()));
        }
        let needs = position + ids.len();
        if needs > self.context {
            return Err(Error::ContextFull { needs, context: self.context });
        }
        Ok(())
    }
}

/// Checks results of a run that ends before text position `position`.
///
/// # Errors
/// [`Error::NumericError`] if a value is not finite.
pub(super) fn check_finite(what: &str, values: &[f32], position: usize) -> Result<()> {
    if values.iter().all(|value| value.is_finite()) {
        return Ok(());
    }
    Err(Error::NumericError { what: what.to_owned(), position })
}
