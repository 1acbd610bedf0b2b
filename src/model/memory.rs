//! What a model will take on the GPU, to the byte, from its header alone: before a weight is read or a buffer made.
//!
//! It repeats no size: matrices and caches are split by the functions that allocate them. Only the list of activations and
//! the number of dispatches are written out again, and `tests/memory_plan.rs` holds both to what is really allocated.

use serde::Serialize;

use crate::error::{Error, Result};
use crate::gguf::{Header, TensorInfo};
use crate::gpu::Limits;
use crate::gpu::buffer::{UNIFORM_BYTES, allocated};
use crate::gpu::limits::last_true;
use crate::kernels::rope;
use crate::model::config::Config;
use crate::model::options::ModelOptions;
use crate::model::state::{Extents, kv_shape};
use crate::model::tensors::checked_config;

/// Bytes of GPU memory, and whether the adapter can hold them.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MemoryPlan {
    /// Positions that the plan is for.
    pub context_length: usize,
    /// Bytes of each tensor in its planes, with padding, largest first.
    pub tensors: Vec<(String, u64)>,
    /// Bytes of all weights.
    pub weights: u64,
    /// Bytes of the KV cache.
    pub kv: u64,
    /// Bytes of activations, tables, parameters and staging.
    pub scratch: u64,
    /// Bytes of all three.
    pub total: u64,
    /// Whether that can be allocated.
    pub verdict: Verdict,
}

/// Whether a model can be allocated. WebGPU does not say how much memory there is, only how large one buffer may be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Verdict {
    /// As asked for.
    Fits,
    /// Only with a shorter context.
    FitsWithContext {
        /// The longest.
        max_context_length: usize,
    },
    /// Not at all.
    DoesNotFit {
        /// The buffer.
        what: String,
        /// Bytes it needs.
        needs: u64,
        /// Bytes the adapter offers.
        offers: u64,
    },
}

/// Plans the memory of the model of a header.
///
/// # Errors
/// Those of [`checked_config`], and [`Error::InvalidOption`] for a context out of range. A model
/// that doesn't fit is no error but a [`Verdict`].
pub fn plan(header: &Header, options: &ModelOptions, limits: &Limits) -> Result<MemoryPlan> {
    let config = checked_config(header)?;
    let extents = options.extents(&config)?;
    let sizes = Sizes { header, config: &config, limits };
    let (tensors, verdict) = match sizes.tensors() {
        Ok(tensors) => (tensors, sizes.verdict(extents)?),
        Err(refused) => (Vec::new(), does_not_fit(refused)?),
    };
    let weights = tensors.iter().map(|(_, bytes)| bytes).sum();
    let (kv, scratch) = (sizes.kv(extents), sizes.scratch(extents).unwrap_or_default());
    let total = weights + kv + scratch;
    Ok(MemoryPlan { context_length: extents.context, tensors, weights, kv, scratch, total, verdict })
}

fn does_not_fit(refused: Error) -> Result<Verdict> {
    match refused {
        Error::LimitTooLow { what, needs, offers } => Ok(Verdict::DoesNotFit { what, needs, offers }),
        other => Err(other),
    }
}

struct Sizes<'a> {
    header: &'a Header,
    config: &'a Config,
    limits: &'a Limits,
}

impl Sizes<'_> {
    fn tensors(&self) -> Result<Vec<(String, u64)>> {
        let mut tensors = Vec::with_capacity(self.header.tensors.len());
        for tensor in &self.header.tensors {
            tensors.push((tensor.name.clone(), self.tensor(tensor)?.0));
        }
        tensors.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
        Ok(tensors)
    }

    /// Bytes and buffers of a tensor.
    fn tensor(&self, tensor: &TensorInfo) -> Result<(u64, u64)> {
        match tensor.shape.as_slice() {
            [n_cols, n_rows] => {
                let ranges = self.limits.row_ranges(&tensor.name, tensor.format, *n_rows, *n_cols)?;
                Ok((ranges.iter().map(|r| allocated(r.bytes)).sum(), ranges.len() as u64))
            }
            shape => Ok((allocated(4 * shape.iter().product::<u64>()), 1)),
        }
    }

    fn kv(&self, extents: Extents) -> u64 {
        let layer = |i| {
            let shape = kv_shape(self.config, extents, i);
            2 * shape.n_kv_heads as u64 * shape.head_bytes()
        };
        (0..self.config.n_layers).map(layer).sum()
    }

    /// Activations, tables, uniforms, the head.
    fn scratch(&self, extents: Extents) -> Result<u64> {
        let c = self.config;
        let tensor = |rows: usize, cols: usize| allocated(4 * (rows * cols) as u64);
        let (q, kv) = (c.n_heads * c.head_len, c.n_kv_heads * c.head_len);
        let activations = [1, c.width, c.width, c.width, c.width, q, q, q, q, kv, kv, kv]
            .into_iter()
            .chain([c.ffn_width; 3])
            .map(|cols| tensor(extents.chunk, cols))
            .sum::<u64>();
        let tables = 2 * allocated(rope::table_bytes(c.head_len / 2, extents.context));
        let head = tensor(1, c.width) + 2 * tensor(1, c.n_vocab);
        let (blocks, head_dispatches) = self.dispatches(extents)?;
        // Decode and prefill have a plan of the blocks each; every plan has a step.
        let uniforms = UNIFORM_BYTES * (2 * (blocks + 1) + head_dispatches + 1);
        Ok(activations + tables + head + uniforms)
    }

    /// Dispatches of the blocks, and of the head.
    fn dispatches(&self, extents: Extents) -> Result<(u64, u64)> {
        let c = self.config;
        let is_matrix = |t: &&TensorInfo| t.shape.len() == 2;
        let parts_of =
            |name: &str| self.header.tensor(name).map_or(Ok(0), |t| self.tensor(t).map(|(_, n)| n));
        let embedding = parts_of("token_embd.weight")?;
        let output = parts_of("output.weight")?;
        let mut products = 0;
        for tensor in self.header.tensors.iter().filter(is_matrix) {
            products += self.tensor(tensor)?.1;
        }
        let per_layer = 6 + 2 * u64::from(c.has_post_norms()) + 2 * u64::from(c.has_qk_norms());
        let mut attention = 0;
        for i in 0..c.n_layers {
            let shape = kv_shape(c, extents, i);
            attention += 2 * shape.n_kv_heads.div_ceil(self.limits.heads_per_part(&shape)?) as u64;
        }
        // norm, rope, add, ffn norm, geglu, add; the matrices; kv_write and attention for each part of the cache.
        let blocks = products - output + c.n_layers as u64 * per_layer + attention;
        let logits = if output > 0 { output } else { embedding };
        Ok((blocks, 1 + logits + u64::from(c.logit_cap > 0.0)))
    }

    /// The largest buffers that are not split: activations, tables, logits, one head of a cache.
    fn verdict(&self, extents: Extents) -> Result<Verdict> {
        let Err(refused) = self.state_fits(extents) else { return Ok(Verdict::Fits) };
        let with = |context: u64| Extents {
            context: context as usize,
            chunk: extents.chunk.min(context as usize),
            ..extents
        };
        match last_true(extents.context as u64, |context| {
            context > 0 && self.state_fits(with(context)).is_ok()
        }) {
            0 => does_not_fit(refused),
            n => Ok(Verdict::FitsWithContext { max_context_length: n as usize }),
        }
    }

    fn state_fits(&self, extents: Extents) -> Result<()> {
        let c = self.config;
        let offers = self.limits.max_bound_bytes();
        let widest = c.width.max(c.ffn_width).max(c.n_heads * c.head_len);
        let bound = [
            ("activations", 4 * (extents.chunk * widest) as u64),
            ("logits", 4 * c.n_vocab as u64),
            ("rope_table", rope::table_bytes(c.head_len / 2, extents.context)),
        ];
        for (what, needs) in bound {
            if needs > offers {
                return Err(Error::LimitTooLow { what: what.to_owned(), needs, offers });
            }
        }
        for i in 0..c.n_layers {
            self.limits.heads_per_part(&kv_shape(c, extents, i))?;
        }
        Ok(())
    }
}
