//! Operations of a forward pass as data: what each worker executes on its share of rows and heads.
//!
//! A worker has matrices, vectors, buffers and caches of its own, which operations name by number. A buffer has a
//! row for each token of a step. What only one worker computes reaches the others by an exchange.

use std::ops::Range;
use std::sync::Arc;

use crate::quant::{Format, KvType};

/// Number of a matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatrixId(pub usize);

/// Number of a vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VectorId(pub usize);

/// Number of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferId(pub usize);

/// Number of a layer's KV cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheId(pub usize);

/// Number of a rotary embedding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RopeId(pub usize);

/// Number of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanId(pub usize);

/// Rows of a matrix `[N, K]` that a worker has.
#[derive(Clone, Debug)]
pub struct MatrixSpec {
    /// Format of the file.
    pub format: &'static Format,
    /// K.
    pub n_cols: usize,
    /// The rows, of N.
    pub rows: Range<usize>,
}

/// A buffer `[T, N]` f32.
#[derive(Clone, Copy, Debug)]
pub struct BufferSpec {
    /// N: all columns, or only those of the worker.
    pub n_cols: usize,
    /// Rows to allocate.
    pub n_rows: usize,
}

/// Keys and values of a layer: the heads that a worker has.
#[derive(Clone, Debug)]
pub struct CacheSpec {
    /// Type of the numbers.
    pub kv: KvType,
    /// Positions kept.
    pub n_slots: usize,
    /// The key/value heads, of K.
    pub heads: Range<usize>,
    /// C.
    pub head_dim: usize,
}

/// Angles of a rotary embedding.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RopeSpec {
    /// Base of the frequencies.
    pub base: f64,
    /// Divisor of the positions.
    pub divisor: f64,
    /// Half of a head's channels.
    pub n_pairs: usize,
}

/// Everything that a worker allocates, and its plans.
#[derive(Clone, Debug, Default)]
pub struct WorkerSpec {
    /// Matrices by [`MatrixId`].
    pub matrices: Vec<MatrixSpec>,
    /// Lengths of the vectors by [`VectorId`].
    pub vectors: Vec<usize>,
    /// Buffers by [`BufferId`].
    pub buffers: Vec<BufferSpec>,
    /// Caches by [`CacheId`].
    pub caches: Vec<CacheSpec>,
    /// Rotary embeddings by [`RopeId`].
    pub ropes: Vec<RopeSpec>,
    /// Plans by [`PlanId`].
    pub plans: Vec<Vec<Op>>,
    /// Whether activations stay f32, also for weights that have codes.
    pub exact: bool,
    /// Epsilon of every norm.
    pub norm_eps: f32,
}

/// One operation.
#[derive(Clone, Debug)]
pub enum Op {
    /// `y = scale E[ids]`, exchanged: each row by the worker that has it.
    Embed {
        /// E.
        table: MatrixId,
        /// The rows.
        y: BufferId,
        /// Factor of the rows.
        scale: f32,
    },
    /// `y = norm(x)`, of the step's rows.
    Norm {
        /// Input.
        x: BufferId,
        /// Weights of the norm.
        weights: VectorId,
        /// Output.
        y: BufferId,
    },
    /// `x += norm(out)`, or `x += out` without a norm.
    Add {
        /// What is added.
        out: BufferId,
        /// Weights of its norm.
        post: Option<VectorId>,
        /// The sum.
        x: BufferId,
    },
    /// `y = w x`, in the columns of `y` from `first_col` on.
    Product {
        /// The rows of the worker.
        w: MatrixId,
        /// Input, all columns.
        x: BufferId,
        /// Output.
        y: BufferId,
        /// Column of the worker's first row.
        first_col: usize,
    },
    /// Sends the columns of the worker, and receives those of the others.
    Exchange {
        /// The buffer, all columns.
        x: BufferId,
        /// The worker's columns.
        cols: Range<usize>,
    },
    /// Normalises and rotates the queries of `qkv` into `q`, and its keys into the cache with the values.
    QkNormRope {
        /// `[T, (h + 2 k) C]`, queries, keys and values of the worker's heads.
        qkv: BufferId,
        /// Weights of the norms of queries and of keys.
        norms: Option<[VectorId; 2]>,
        /// The angles.
        rope: RopeId,
        /// The layer's cache.
        cache: CacheId,
        /// `[T, h C]`.
        q: BufferId,
    },
    /// `o = attention(q)` of the worker's query heads, in their columns of `o`.
    Attention {
        /// Queries, rotated.
        q: BufferId,
        /// The layer's cache.
        cache: CacheId,
        /// `[T, H C]`, all columns.
        o: BufferId,
        /// The heads.
        heads: AttentionHeads,
    },
    /// `y = gelu(gate) up`, in the columns of `y` from `first_col` on.
    Geglu {
        /// `[T, 2 f]`: gate, then up, of the worker's columns.
        gate_up: BufferId,
        /// Output.
        y: BufferId,
        /// Column of the worker's first one.
        first_col: usize,
    },
    /// `x = cap tanh(x / cap)`
    Softcap {
        /// Input and output.
        x: BufferId,
        /// The cap.
        cap: f32,
    },
    /// End of a section, after which a run may stop.
    Mark,
}

/// Query heads of a worker.
#[derive(Clone, Debug)]
pub struct AttentionHeads {
    /// The query heads, of H.
    pub heads: Range<usize>,
    /// Query heads that share a key/value head.
    pub heads_per_kv: usize,
    /// Keys that a query sees, itself included; `None`: all.
    pub window: Option<usize>,
    /// Factor of the scores.
    pub scale: f32,
    /// Soft-cap of the scores; 0: none.
    pub softcap: f32,
}

/// Parameters of one run of a plan.
#[derive(Clone, Debug, Default)]
pub struct Step {
    /// Tokens of the rows; only [`Op::Embed`] reads them.
    pub ids: Arc<[u32]>,
    /// Number of rows.
    pub n_tokens: usize,
    /// Position of the first row.
    pub position: usize,
    /// First row of the input that [`Op::Norm`] reads.
    pub first_row: usize,
}

/// Work for one worker.
#[derive(Clone, Debug)]
pub enum Job {
    /// Allocates everything, in place of what was there.
    Allocate(Box<WorkerSpec>),
    /// Writes rows of a matrix, as they lie in the file. The worker takes those that it has.
    WriteRows {
        /// The matrix.
        matrix: MatrixId,
        /// Number of the first row, of N.
        first_row: usize,
        /// The blocks.
        blocks: Arc<[u8]>,
    },
    /// Writes a vector.
    WriteVector {
        /// The vector.
        vector: VectorId,
        /// Its numbers.
        values: Arc<[f32]>,
    },
    /// Runs the sections of a plan.
    Run {
        /// The plan.
        plan: PlanId,
        /// The sections, by the marks that end them; `None`: all.
        section: Option<usize>,
        /// The parameters.
        step: Step,
    },
    /// Reads the first rows of a buffer.
    Read {
        /// The buffer.
        buffer: BufferId,
        /// The rows.
        rows: Range<usize>,
    },
    /// Reads every byte of the matrices, to measure how long it takes.
    ReadWeights,
    /// Frees the rows of a buffer behind the first ones.
    Shrink {
        /// The buffer.
        buffer: BufferId,
        /// Rows that stay.
        n_rows: usize,
    },
    /// Copies the slots in use of all caches out.
    SwapOut {
        /// Number of the copy.
        id: u64,
        /// Tokens in the cache.
        n_tokens: usize,
    },
    /// Makes an empty copy, to be written.
    AllocateSwapped {
        /// Number of the copy.
        id: u64,
        /// Tokens in the cache.
        n_tokens: usize,
    },
    /// Copies a copy back.
    SwapIn {
        /// Number of the copy.
        id: u64,
    },
    /// Copies a copy.
    Duplicate {
        /// Number of the copy.
        from: u64,
        /// Number of the new one.
        to: u64,
    },
    /// Frees a copy.
    Free {
        /// Number of the copy.
        id: u64,
    },
    /// Reads keys or values of one head, from a copy or from the live cache.
    ReadPlane {
        /// Number of the copy; `None`: the live cache.
        id: Option<u64>,
        /// Which.
        plane: Plane,
        /// Tokens in the cache.
        n_tokens: usize,
    },
    /// Writes bytes of one plane of a copy.
    WritePlane {
        /// Number of the copy.
        id: u64,
        /// Which.
        plane: Plane,
        /// Where.
        offset: usize,
        /// What.
        bytes: Arc<[u8]>,
    },
}

/// Keys or values of one head of one layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plane {
    /// The layer's cache.
    pub cache: CacheId,
    /// The key/value head, of K.
    pub head: usize,
    /// Values instead of keys.
    pub values: bool,
}

/// Result of a job.
#[derive(Clone, Debug)]
pub enum Reply {
    /// It is done.
    Done,
    /// Rows of a buffer.
    Numbers(Vec<f32>),
    /// Bytes of a plane.
    Bytes(Vec<u8>),
}
