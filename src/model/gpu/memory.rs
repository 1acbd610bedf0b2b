//! Memory plan for the GPU, to the byte, from the header alone: before a weight is read or a buffer made.
//!
//! It repeats no size: it calls the functions that lay out matrices and caches for the allocator. Only the
//! list of activations and the number of dispatches are written out again; `tests/gpu/memory_plan.rs`
//! compares both with the real allocations.

use crate::error::{Error, Result};
use crate::gguf::Header;
use crate::gpu::bisect::largest;
use crate::gpu::buffer::{UNIFORM_BYTES, allocated};
use crate::gpu::{FusedMatrix, Limits};
use crate::kernels::{matvec_common, rope_table, sample};
use crate::model::config::Config;
use crate::model::gpu::decode::buffer_bytes;
use crate::model::gpu::fused::{LayerMatrices, single};
use crate::model::gpu::state::kv_shape;
use crate::model::gpu::token_ring;
use crate::model::memory::{DeviceKind, MemoryPlan, Verdict};
use crate::model::options::ModelOptions;
use crate::model::state_shape::StateShape;
use crate::model::tensors::{OUTPUT, checked_config};

/// Prefill, step, head, sample: each has a uniform of its own.
const N_PLANS: u64 = 4;

/// Plans the memory of the model of a header.
///
/// # Errors
/// Errors of [`checked_config`], and [`Error::InvalidOption`] for a context out of range. A model
/// that does not fit is no error but a [`Verdict`].
pub fn plan(header: &Header, options: &ModelOptions, limits: &Limits) -> Result<MemoryPlan> {
    let config = checked_config(header)?;
    let shape = options.shape(&config)?;
    let sizes = Sizes { header, config: &config, limits };
    let (tensors, verdict) = match sizes.tensors() {
        Ok(tensors) => (tensors, sizes.verdict(shape)?),
        Err(refused) => (Vec::new(), does_not_fit(refused)?),
    };
    let weights = tensors.iter().map(|(_, bytes)| bytes).sum();
    let (kv, scratch) = (sizes.kv(shape), sizes.scratch(shape).unwrap_or_default());
    let total = weights + kv + scratch;
    let (device, context_length) = (DeviceKind::Gpu, shape.context);
    Ok(MemoryPlan { device, context_length, tensors, weights, kv, scratch, total, verdict })
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
        for fused in self.matrices()? {
            let bytes = fused.parts(self.limits)?.iter().map(|range| allocated(range.bytes)).sum();
            tensors.push((fused.label(), bytes));
        }
        let vectors = self.header.tensors.iter().filter(|t| t.shape.len() == 1);
        // Two norms that lie in one buffer take no more than each alone: their lengths are multiples of 4.
        tensors.extend(vectors.map(|t| (t.name.clone(), allocated(4 * t.shape.iter().product::<u64>()))));
        tensors.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
        Ok(tensors)
    }

    /// Every matrix, as the allocator lays it out.
    fn matrices(&self) -> Result<Vec<FusedMatrix>> {
        let mut all = vec![single(self.header, "token_embd.weight")?];
        if self.header.tensor(OUTPUT).is_some() {
            all.push(single(self.header, OUTPUT)?);
        }
        for i in 0..self.config.n_layers {
            all.extend(LayerMatrices::plan(self.header, self.limits, i)?.all().cloned());
        }
        Ok(all)
    }

    fn kv(&self, shape: StateShape) -> u64 {
        let layer = |i| {
            let kv = kv_shape(self.config, shape, i);
            2 * kv.n_kv_heads as u64 * kv.head_bytes()
        };
        (0..self.config.n_layers).map(layer).sum()
    }

    /// Activations of the prefill and of a decode step, tables, uniforms, and staging for read-backs.
    fn scratch(&self, shape: StateShape) -> Result<u64> {
        let c = self.config;
        let (d, f) = (c.d_model, c.d_ff);
        let (q, kv) = (c.n_heads * c.head_dim, c.n_kv_heads * c.head_dim);
        let activations: u64 = [1, d, d, d, q + 2 * kv, q, q, 2 * f, f]
            .into_iter()
            .map(|cols| allocated(4 * (shape.chunk * cols) as u64))
            .sum();
        let step: u64 = buffer_bytes(c).into_iter().map(allocated).sum();
        let tables = 2 * allocated(rope_table::table_bytes(c.head_dim / 2, shape.context));
        let read = allocated(4 * c.n_vocab as u64) + token_ring::RING_BYTES;
        let uniforms = UNIFORM_BYTES * (self.dispatches(shape)? + N_PLANS);
        Ok(activations + step + sample::STATE_BYTES + tables + read + uniforms)
    }

    /// Dispatches of all plans: the prefill, a decode step, the head after a prefill, the sampling of a
    /// token.
    fn dispatches(&self, shape: StateShape) -> Result<u64> {
        let parts = |fused: &FusedMatrix| fused.parts(self.limits).map(|parts| parts.len() as u64);
        let embedding = parts(&single(self.header, "token_embd.weight")?)?;
        let output = self.header.tensor(OUTPUT).map(|_| parts(&single(self.header, OUTPUT)?)).transpose()?;
        let logits = output.unwrap_or(embedding);
        let (mut prefill, mut step) = (embedding + 1, embedding + logits);
        for i in 0..self.config.n_layers {
            let kv = kv_shape(self.config, shape, i);
            let caches = kv.n_kv_heads.div_ceil(self.limits.heads_per_part(&kv)?) as u64;
            let matrices = LayerMatrices::plan(self.header, self.limits, i)?;
            for fused in matrices.all() {
                prefill += parts(fused)?;
            }
            // qk_norm_rope and attention_prefill; norm_add twice, geglu_prefill
            prefill += 2 * caches + 3;
            let (gate_up, paired) = self.batches(&matrices.gate_up)?;
            // attention_decode; attention_reduce; geglu_decode if gate and up are computed apart
            step += caches + 1 + u64::from(!paired);
            step += self.batches(&matrices.qkv)?.0 + parts(&matrices.o)? + gate_up + parts(&matrices.down)?;
        }
        Ok(prefill + step + logits + 1)
    }

    /// Dispatches of `Batch::all` of these matrices, and whether each makes rows of both.
    fn batches(&self, all: &[FusedMatrix]) -> Result<(u64, bool)> {
        let (mut n, mut paired, mut rest) = (0, true, all);
        while let [first, after @ ..] = rest {
            rest = after;
            let n_parts = first.parts(self.limits)?.len();
            if let Some(second) = after.first()
                && n_parts == 1
                && second.parts(self.limits)?.len() == 1
                && matvec_common::planes_fit_together(
                    first.format,
                    second.format,
                    self.limits.max_storage_buffers,
                )
            {
                rest = after.get(1..).unwrap_or_default();
                n += 1;
                continue;
            }
            n += n_parts as u64;
            paired &= first.slices.len() == 2;
        }
        Ok((n, paired))
    }

    /// The largest buffers that are not split: activations, tables, logits, one head of a cache.
    fn verdict(&self, shape: StateShape) -> Result<Verdict> {
        let Err(refused) = self.state_fits(shape) else { return Ok(Verdict::Fits) };
        let with = |context: u64| StateShape {
            context: context as usize,
            chunk: shape.chunk.min(context as usize),
            ..shape
        };
        match largest(shape.context as u64, |context| context > 0 && self.state_fits(with(context)).is_ok()) {
            0 => does_not_fit(refused),
            n => Ok(Verdict::FitsWithContext { max_context_length: n as usize }),
        }
    }

    fn state_fits(&self, shape: StateShape) -> Result<()> {
        let c = self.config;
        let offers = self.limits.max_bound_bytes();
        let widest = c.d_model.max(2 * c.d_ff).max((c.n_heads + 2 * c.n_kv_heads) * c.head_dim);
        let bound = [
            ("activations", 4 * (shape.chunk * widest) as u64),
            ("a step's activations", buffer_bytes(c).into_iter().max().unwrap_or_default()),
            ("rope_table", rope_table::table_bytes(c.head_dim / 2, shape.context)),
        ];
        for (what, needs) in bound {
            if needs > offers {
                return Err(Error::LimitTooLow { what: what.to_owned(), needs, offers });
            }
        }
        for i in 0..c.n_layers {
            self.limits.heads_per_part(&kv_shape(c, shape, i))?;
        }
        Ok(())
    }
}
