//! The seam between a Gemma and a device: what a device's weights and state are made of, and the steps of a forward
//! pass that it records.

use std::fmt::Debug;

/// A kind of device, by the types of what it holds.
pub trait Device: Debug {
    /// Matrix `[N, K]`, or several that read the same input.
    type Matrix: Debug;
    /// A norm, with the post-norm of the sub-layer before it if the model has one.
    type Norms: Debug;
    /// Activations `[T, N]`.
    type Buffer: Debug;
    /// Angles of a rotary embedding.
    type Rope: Debug;
    /// KV cache of a layer.
    type Cache: Debug;
}

/// Recorder of the steps of a forward pass over the rows of a run. Each step is one kernel or operation.
pub trait Steps {
    /// The device.
    type Device: Device;

    /// Marks the end of a section.
    fn mark(&mut self);

    /// `x = scale E[ids]`
    fn embed(&mut self, table: &Matrix<Self>, ids: &Buffer<Self>, x: &Buffer<Self>, scale: f32);

    /// `normed = norm(x)`
    fn norm(&mut self, x: &Buffer<Self>, norms: &Norms<Self>, normed: &Buffer<Self>);

    /// `x += post_norm(out)`, or `x += out` without a post-norm; `normed = norm(x)`
    fn norm_add(&mut self, out: &Buffer<Self>, x: &Buffer<Self>, norms: &Norms<Self>, normed: &Buffer<Self>);

    /// `y = w x`, in the columns of `y` that belong to `w`
    fn product(&mut self, w: &Matrix<Self>, x: &Buffer<Self>, y: &Buffer<Self>);

    /// Normalises and rotates the queries of `qkv` into `q_rotated` and the keys into the cache; copies the
    /// values into the cache.
    fn qk_norm_rope(
        &mut self,
        qkv: &Buffer<Self>,
        norms: Option<&Norms<Self>>,
        rope: &<Self::Device as Device>::Rope,
        cache: &<Self::Device as Device>::Cache,
        q_rotated: &Buffer<Self>,
    );

    /// `o = attention(q)` over the cache of layer `i`
    fn attention(
        &mut self,
        i: usize,
        q: &Buffer<Self>,
        cache: &<Self::Device as Device>::Cache,
        o: &Buffer<Self>,
    );

    /// `gated = gelu(gate) * up`
    fn geglu(&mut self, gate_up: &Buffer<Self>, gated: &Buffer<Self>);
}

type Matrix<S> = <<S as Steps>::Device as Device>::Matrix;
type Norms<S> = <<S as Steps>::Device as Device>::Norms;
type Buffer<S> = <<S as Steps>::Device as Device>::Buffer;

/// Weights of one block. `[N, K]` is rows by row length.
#[derive(Debug)]
pub struct Layer<D: Device> {
    /// Post-norm of the block before, and the norm before attention.
    pub attn_norms: D::Norms,
    /// q, k and v, `[(H + 2K) C, D]` in all.
    pub qkv: Vec<D::Matrix>,
    /// `[2, C]`: the norms of queries and of keys (Gemma 3).
    pub head_norms: Option<D::Norms>,
    /// `[D, H * C]`.
    pub o: D::Matrix,
    /// Post-norm of attention, and the norm before the feed-forward.
    pub ffn_norms: D::Norms,
    /// gate and up, `[2F, D]` in all.
    pub gate_up: Vec<D::Matrix>,
    /// `[D, F]`.
    pub down: D::Matrix,
}

impl<D: Device> Layer<D> {
    /// All matrices of the block.
    pub fn matrices(&self) -> impl Iterator<Item = &D::Matrix> {
        self.qkv.iter().chain([&self.o]).chain(&self.gate_up).chain([&self.down])
    }
}

/// All weights.
#[derive(Debug)]
pub struct Weights<D: Device> {
    /// `[V, D]`; also the logits matrix unless the file has one.
    pub embedding: D::Matrix,
    /// `[V, D]`, if it is not tied.
    pub output: Option<D::Matrix>,
    /// Post-norm of the last block, and the norm before the logits.
    pub output_norms: D::Norms,
    /// L blocks.
    pub layers: Vec<Layer<D>>,
}

impl<D: Device> Weights<D> {
    /// The logits matrix: the embedding, unless the file has one of its own.
    #[must_use]
    pub fn logits(&self) -> &D::Matrix {
        self.output.as_ref().unwrap_or(&self.embedding)
    }

    /// All matrices.
    pub fn matrices(&self) -> impl Iterator<Item = &D::Matrix> {
        self.layers.iter().flat_map(Layer::matrices).chain([&self.embedding]).chain(&self.output)
    }

    /// All norms.
    pub fn norms(&self) -> impl Iterator<Item = &D::Norms> {
        self.layers
            .iter()
            .flat_map(|l| [&l.attn_norms, &l.ffn_norms].into_iter().chain(&l.head_norms))
            .chain([&self.output_norms])
    }
}

/// Activations and KV cache. f32 unless said otherwise.
#[derive(Debug)]
pub struct State<D: Device> {
    /// `[T]` u32, the tokens of the run.
    pub ids: D::Buffer,
    /// `[T, D]`, the residual stream.
    pub x: D::Buffer,
    /// `[T, D]`, input of a sub-layer, normalised: on the GPU in f32 or, in half of the buffer, int8.
    pub normed: D::Buffer,
    /// `[T, D]`, output of a sub-layer.
    pub out: D::Buffer,
    /// `[T, (H + 2 K) C]`, queries, keys and values.
    pub qkv: D::Buffer,
    /// `[T, H, C]`, queries rotated.
    pub q_rotated: D::Buffer,
    /// `[T, H C]`, values mixed by attention; as `normed`.
    pub mixed: D::Buffer,
    /// `[T, 2 F]`.
    pub gate_up: D::Buffer,
    /// `[T, F]`, gelu(gate) * up; as `normed`.
    pub gated: D::Buffer,
    /// Angles of the global layers.
    pub rope: D::Rope,
    /// Angles of the local layers.
    pub local_rope: D::Rope,
    /// Cache of each layer.
    pub kv: Vec<D::Cache>,
}
