//! What a model will take on the GPU, to the byte, from its header alone: before a weight is read or a buffer made.
//!
//! It repeats no size: matrices and caches are split by the functions that allocate them. Only the list of activations and
//! the number of dispatches are written out again, and `tests/gpu/memory_plan.rs` holds both to what is really allocated.

use serde::Serialize;

use crate::error::{Error, Result};
use crate::gguf::Header;
use crate::gpu::buffer::{UNIFORM_BYTES, allocated};
use crate::gpu::limits::last_true;
use crate::gpu::{Limits, Stack};
use crate::kernels::{rope, rows, sample};
use crate::model::choices;
use crate::model::config::Config;
use crate::model::decode::buffer_bytes;
use crate::model::options::ModelOptions;
use crate::model::state::{Extents, kv_shape};
use crate::model::tensors::{LayerStacks, OUTPUT, checked_config, single};

/// Prefill, step, head, choice: each has a uniform of its own.
const N_PLANS: u64 = 4;

/// Bytes of GPU memory, and whether the adapter can hold them.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MemoryPlan {
    /// Positions that the plan is for.
    pub context_length: usize,
    /// Bytes of each tensor, or stack of them, in its planes, with padding, largest first.
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
        for stack in self.stacks()? {
            let bytes = stack.parts(self.limits)?.iter().map(|range| allocated(range.bytes)).sum();
            tensors.push((stack.label(), bytes));
        }
        let vectors = self.header.tensors.iter().filter(|t| t.shape.len() == 1);
        // Two norms that lie in one buffer take no more than each alone: their lengths are multiples of 4.
        tensors.extend(vectors.map(|t| (t.name.clone(), allocated(4 * t.shape.iter().product::<u64>()))));
        tensors.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
        Ok(tensors)
    }

    /// Every matrix, as it lies.
    fn stacks(&self) -> Result<Vec<Stack>> {
        let mut stacks = vec![single(self.header, "token_embd.weight")?];
        if self.header.tensor(OUTPUT).is_some() {
            stacks.push(single(self.header, OUTPUT)?);
        }
        for i in 0..self.config.n_layers {
            stacks.extend(LayerStacks::plan(self.header, self.limits, i)?.all().cloned());
        }
        Ok(stacks)
    }

    fn kv(&self, extents: Extents) -> u64 {
        let layer = |i| {
            let shape = kv_shape(self.config, extents, i);
            2 * shape.n_kv_heads as u64 * shape.head_bytes()
        };
        (0..self.config.n_layers).map(layer).sum()
    }

    /// Activations of the prefill and of a decode step, tables, uniforms, what is read back.
    fn scratch(&self, extents: Extents) -> Result<u64> {
        let c = self.config;
        let (d, f) = (c.width, c.ffn_width);
        let (q, kv) = (c.n_heads * c.head_len, c.n_kv_heads * c.head_len);
        let activations: u64 = [1, d, d, d, q + 2 * kv, q, q, 2 * f, f]
            .into_iter()
            .map(|cols| allocated(4 * (extents.chunk * cols) as u64))
            .sum();
        let step: u64 = buffer_bytes(c).into_iter().map(allocated).sum();
        let tables = 2 * allocated(rope::table_bytes(c.head_len / 2, extents.context));
        let read = allocated(4 * c.n_vocab as u64) + choices::RING_BYTES;
        let uniforms = UNIFORM_BYTES * (self.dispatches(extents)? + N_PLANS);
        Ok(activations + step + sample::STATE_BYTES + tables + read + uniforms)
    }

    /// Dispatches of all plans: the prefill, a decode step, the head after a prefill, the choice of a token.
    fn dispatches(&self, extents: Extents) -> Result<u64> {
        let parts = |stack: &Stack| stack.parts(self.limits).map(|parts| parts.len() as u64);
        let embedding = parts(&single(self.header, "token_embd.weight")?)?;
        let output = self.header.tensor(OUTPUT).map(|_| parts(&single(self.header, OUTPUT)?)).transpose()?;
        let logits = output.unwrap_or(embedding);
        let (mut prefill, mut step) = (embedding + 1, embedding + logits);
        for i in 0..self.config.n_layers {
            let shape = kv_shape(self.config, extents, i);
            let caches = shape.n_kv_heads.div_ceil(self.limits.heads_per_part(&shape)?) as u64;
            let stacks = LayerStacks::plan(self.header, self.limits, i)?;
            for stack in stacks.all() {
                prefill += parts(stack)?;
            }
            // rotate and attention; norm_add twice, geglu
            prefill += 2 * caches + 3;
            let (gate_up, paired) = self.batches(&stacks.gate_up)?;
            // attend; merge; gate where gate and up are made apart
            step += caches + 1 + u64::from(!paired);
            step += self.batches(&stacks.qkv)?.0 + parts(&stacks.o)? + gate_up + parts(&stacks.down)?;
        }
        Ok(prefill + step + logits + 1)
    }

    /// Dispatches of `Batch::all` of these matrices, and whether each makes rows of both.
    fn batches(&self, stacks: &[Stack]) -> Result<(u64, bool)> {
        let (mut n, mut paired, mut rest) = (0, true, stacks);
        while let [first, after @ ..] = rest {
            rest = after;
            let n_parts = first.parts(self.limits)?.len();
            if let Some(second) = after.first()
                && n_parts == 1
                && second.parts(self.limits)?.len() == 1
                && rows::planes_fit_together(first.format, second.format, self.limits.max_storage_buffers)
            {
                rest = after.get(1..).unwrap_or_default();
                n += 1;
                continue;
            }
            n += n_parts as u64;
            paired &= first.members.len() == 2;
        }
        Ok((n, paired))
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
        let widest = c.width.max(2 * c.ffn_width).max((c.n_heads + 2 * c.n_kv_heads) * c.head_len);
        let bound = [
            ("activations", 4 * (extents.chunk * widest) as u64),
            ("a step's activations", buffer_bytes(c).into_iter().max().unwrap_or_default()),
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
