//! Allocation of a model's workers, and the memory that it takes: from the header alone.

use crate::cpu::matrix::Matrix;
use crate::cpu::plan::{BufferId, BufferSpec, CacheId, CacheSpec, PlanId, RopeId, RopeSpec, WorkerSpec};
use crate::error::Result;
use crate::gguf::Header;
use crate::model::config::{Config, Rope};
use crate::model::cpu::recorder::Recorder;
use crate::model::cpu::share::Share;
use crate::model::cpu::tensors::{Cpu, Place, Tensors};
use crate::model::device::{State, Steps, Weights};
use crate::model::memory::{DeviceBytes, DeviceKind, MemoryPlan, Verdict};
use crate::model::options::ModelOptions;
use crate::model::prefill::Prefill;
use crate::model::state_shape::StateShape;
use crate::model::tensors::checked_config;

/// Tokens to the residual stream after the last block, and its norm.
pub const PREFILL: PlanId = PlanId(0);
/// Rows of the residual stream to their logits.
pub const HEAD: PlanId = PlanId(1);

/// Residual stream.
pub const X: BufferId = BufferId(0);
/// Input of a sub-layer; behind the last block the norm of the residual stream.
pub const NORMED: BufferId = BufferId(1);
/// Logits of the worker's part of the vocabulary.
pub const LOGITS: BufferId = BufferId(8);

/// Allocation and plans of one worker, and the places of the tensors.
///
/// # Errors
/// [`crate::Error::MissingTensor`], never behind [`checked_config`].
pub fn worker_spec(
    header: &Header,
    config: &Config,
    shape: StateShape,
    share: &Share,
    exact: bool,
) -> Result<(WorkerSpec, Vec<(String, Place)>)> {
    let mut tensors = Tensors::new(header, config, share);
    let weights = tensors.weights()?;
    let Tensors { matrices, vectors, places, .. } = tensors;
    let caches = (0..config.n_layers).map(|i| CacheSpec {
        kv: shape.kv,
        n_slots: shape.n_slots(config, i),
        heads: share.kv_heads.clone(),
        head_dim: config.head_dim,
    });
    let n_pairs = config.head_dim / 2;
    let rope = |Rope { base, divisor }| RopeSpec { base, divisor, n_pairs };
    let spec = WorkerSpec {
        matrices,
        vectors,
        buffers: buffers(config, shape, share),
        caches: caches.collect(),
        ropes: vec![rope(config.rotary), rope(config.local_rotary)],
        plans: plans(config, share, &weights),
        exact,
        norm_eps: config.norm_eps,
    };
    Ok((spec, places))
}

/// Buffers in the order of the fields of [`State`], without the ids, and the logits.
fn buffers(config: &Config, shape: StateShape, share: &Share) -> Vec<BufferSpec> {
    let (c, h, k) = (config.head_dim, share.heads.len(), share.kv_heads.len());
    let (d, f) = (config.d_model, config.d_ff);
    let cols = [d, d, d, (h + 2 * k) * c, h * c, config.n_heads * c, 2 * share.ff.len(), f];
    let rows = cols.map(|n_cols| BufferSpec { n_cols, n_rows: shape.chunk });
    rows.into_iter().chain([BufferSpec { n_cols: share.vocab.len(), n_rows: 1 }]).collect()
}

fn state(config: &Config) -> State<Cpu> {
    State {
        // The ids come with each run.
        ids: X,
        x: X,
        normed: NORMED,
        out: BufferId(2),
        qkv: BufferId(3),
        q_rotated: BufferId(4),
        mixed: BufferId(5),
        gate_up: BufferId(6),
        gated: BufferId(7),
        rope: RopeId(0),
        local_rope: RopeId(1),
        kv: (0..config.n_layers).map(CacheId).collect(),
    }
}

fn plans(config: &Config, share: &Share, weights: &Weights<Cpu>) -> Vec<Vec<crate::cpu::plan::Op>> {
    let state = state(config);
    let mut prefill = Recorder::new(config, share);
    Prefill { config, weights, state: &state }.blocks(&mut prefill);
    let mut head = Recorder::new(config, share);
    head.norm(&state.x, &weights.output_norms, &state.normed);
    head.product(weights.logits(), &state.normed, &LOGITS);
    head.softcap(LOGITS);
    vec![prefill.finish(), head.finish()]
}

/// Bytes that a worker allocates.
#[must_use]
pub fn bytes(spec: &WorkerSpec) -> DeviceBytes {
    let matrices = spec.matrices.iter().map(|m| Matrix::bytes_of(m.format, m.rows.len(), m.n_cols));
    let vectors = spec.vectors.iter().map(|len| 4 * *len as u64);
    let numbers = |c: &CacheSpec| 2 * (c.n_slots * c.heads.len() * c.head_dim) as u64;
    let kv = spec.caches.iter().map(|c| numbers(c) * c.kv.bytes());
    let buffers = spec.buffers.iter().map(|b| 4 * (b.n_cols * b.n_rows) as u64);
    DeviceBytes { weights: matrices.chain(vectors).sum(), kv: kv.sum(), scratch: buffers.sum(), sessions: 0 }
}

/// Plans the memory of the model of a header for `n_workers` workers.
///
/// # Errors
/// Errors of [`checked_config`], and [`crate::Error::InvalidOption`] for a context out of range.
pub fn plan(header: &Header, options: &ModelOptions, n_workers: usize) -> Result<MemoryPlan> {
    let config = checked_config(header)?;
    let shape = options.shape(&config)?;
    let mut total = DeviceBytes::default();
    let mut tensors: Vec<(String, u64)> = Vec::new();
    for share in Share::all(&config, n_workers) {
        let (spec, places) = worker_spec(header, &config, shape, &share, options.is_exact())?;
        total = total + bytes(&spec);
        for (i, (name, place)) in places.into_iter().enumerate() {
            let bytes = match place {
                Place::Matrix(id) => {
                    spec.matrices.get(id.0).map_or(0, |m| Matrix::bytes_of(m.format, m.rows.len(), m.n_cols))
                }
                Place::Vector(id) => spec.vectors.get(id.0).map_or(0, |len| 4 * *len as u64),
            };
            match tensors.get_mut(i) {
                Some((_, sum)) => *sum += bytes,
                None => tensors.push((name, bytes)),
            }
        }
    }
    tensors.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    let DeviceBytes { weights, kv, scratch, .. } = total;
    Ok(MemoryPlan {
        device: DeviceKind::Cpu,
        context_length: shape.context,
        tensors,
        weights,
        kv,
        scratch,
        total: weights + kv + scratch,
        // How much memory the system has left is not asked.
        verdict: Verdict::Fits,
    })
}
