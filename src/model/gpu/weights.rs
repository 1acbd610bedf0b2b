//! Weights on the GPU: streamed in file order, never held whole.

use crate::cancel::Cancel;
use crate::error::Result;
use crate::gguf::{Header, TensorInfo};
use crate::gpu::{Buffer, FusedMatrix, Gpu, Matrix, MemoryKind};
use crate::model::config::Config;
use crate::model::device::{Layer, Weights};
use crate::model::gpu::fused::{LayerMatrices, single};
use crate::model::tensors::{OUTPUT, find, layer_name};
use crate::source::ByteSource;

/// Bytes read and repacked at once: large enough to amortise a write, small against the wasm heap.
const CHUNK_BYTES: u64 = 4 << 20;
/// Bytes to write before a submission: until the submission, they are held twice.
const FLUSH_BYTES: u64 = 64 << 20;

/// Norms between two sub-layers: the post-norm of the output that is added to the residual stream, if the
/// model has one, and the norm of the next input. They share a buffer because one kernel reads both.
#[derive(Debug)]
pub struct Norms {
    /// `[D]` or, with a post-norm before it, `[2, D]`.
    pub weights: Buffer,
    /// Whether the first row is a post-norm (Gemma 2 and 3).
    pub has_post: bool,
    /// Names of the rows in the file.
    names: Vec<String>,
}

/// Allocates tensors by the shapes in the header, which [`crate::model::tensors::check_tensors`] has
/// approved.
struct Allocator<'a> {
    gpu: &'a Gpu,
    header: &'a Header,
}

impl Allocator<'_> {
    fn matrix(&self, fused: FusedMatrix) -> Result<Matrix> {
        let n_total = fused.n_rows();
        Matrix::fused(self.gpu, fused, 0, n_total)
    }

    /// Matrices that read the same input; their products lie side by side.
    fn side_by_side(&self, all: Vec<FusedMatrix>) -> Result<Vec<Matrix>> {
        let n_total = all.iter().map(FusedMatrix::n_rows).sum();
        let mut first_col = 0;
        let mut matrices = Vec::with_capacity(all.len());
        for fused in all {
            let n_rows = fused.n_rows();
            matrices.push(Matrix::fused(self.gpu, fused, first_col, n_total)?);
            first_col += n_rows;
        }
        Ok(matrices)
    }

    /// Vectors that one kernel reads together; those that the file lacks are left out.
    fn norms(&self, label: &str, names: &[String]) -> Result<Norms> {
        let names: Vec<String> = names.iter().filter(|n| self.header.tensor(n).is_some()).cloned().collect();
        let mut len = 0;
        for name in &names {
            len += find(self.header, name)?.shape.iter().product::<u64>();
        }
        let weights = self.gpu.storage(MemoryKind::Weights, label, 4 * len)?;
        Ok(Norms { weights, has_post: names.len() > 1, names })
    }

    fn layer(&self, i: usize) -> Result<Layer<Gpu>> {
        let name = |name: &str| layer_name(i, name);
        let before = i.checked_sub(1).map(|i| layer_name(i, "post_ffw_norm"));
        let attn: Vec<String> = before.into_iter().chain([name("attn_norm")]).collect();
        let matrices = LayerMatrices::plan(self.header, self.gpu.limits(), i)?;
        let head_norms = self.header.tensor(&name("attn_q_norm"));
        Ok(Layer {
            attn_norms: self.norms(&name("attn_norms"), &attn)?,
            qkv: self.side_by_side(matrices.qkv)?,
            head_norms: head_norms
                .map(|_| self.norms(&name("head_norms"), &[name("attn_q_norm"), name("attn_k_norm")]))
                .transpose()?,
            o: self.matrix(matrices.o)?,
            ffn_norms: self.norms(&name("ffn_norms"), &[name("post_attention_norm"), name("ffn_norm")])?,
            gate_up: self.side_by_side(matrices.gate_up)?,
            down: self.matrix(matrices.down)?,
        })
    }
}

impl Weights<Gpu> {
    /// Allocates every tensor; [`Weights::stream`] fills them.
    ///
    /// # Errors
    /// [`crate::Error::LimitTooLow`] if a tensor fits no buffer even when split.
    pub fn allocate(gpu: &Gpu, header: &Header, config: &Config) -> Result<Self> {
        let allocator = Allocator { gpu, header };
        let last = layer_name(config.n_layers - 1, "post_ffw_norm");
        let output = header.tensor(OUTPUT).map(|_| allocator.matrix(single(header, OUTPUT)?)).transpose()?;
        Ok(Self {
            embedding: allocator.matrix(single(header, "token_embd.weight")?)?,
            output,
            output_norms: allocator.norms("output_norms", &[last, "output_norm.weight".to_owned()])?,
            layers: (0..config.n_layers).map(|i| allocator.layer(i)).collect::<Result<_>>()?,
        })
    }

    /// Reads all tensors in file order and writes them to the GPU; `on_bytes` receives the number of bytes of
    /// the file that have been read.
    ///
    /// # Errors
    /// Errors of the source and of [`Cancel::check`].
    pub async fn stream<S: ByteSource>(
        &self,
        gpu: &Gpu,
        header: &Header,
        source: &mut S,
        cancel: &Cancel,
        on_bytes: &mut dyn FnMut(u64),
    ) -> Result<()> {
        let mut tensors: Vec<&TensorInfo> = header.tensors.iter().collect();
        tensors.sort_by_key(|t| t.offset);
        let mut raw = Vec::new();
        for tensor in tensors {
            if let Some(place) = self.place(&tensor.name) {
                stream_matrix(gpu, place, tensor, source, cancel, (&mut raw, on_bytes)).await?;
            } else if let Some((norms, row)) = self.norm(&tensor.name) {
                raw.resize(tensor.bytes as usize, 0);
                source.read(tensor.offset, &mut raw, cancel).await?;
                let mut values = Vec::new();
                tensor.format.decode(&raw, &mut values);
                let bytes: &[u8] = bytemuck::cast_slice(&values);
                gpu.write(&norms.weights, (row * bytes.len()) as u64, bytes);
            }
            on_bytes(tensor.offset + tensor.bytes);
        }
        gpu.flush().await
    }

    /// The matrix that holds a tensor, and the index of its slice.
    fn place(&self, name: &str) -> Option<(&Matrix, usize)> {
        let at = |matrix: &Matrix| matrix.slices.iter().position(|slice| slice.label == name);
        self.matrices().find_map(|matrix| Some((matrix, at(matrix)?)))
    }

    /// The norms that hold a vector, and the index of its row.
    fn norm(&self, name: &str) -> Option<(&Norms, usize)> {
        self.norms().find_map(|norms| Some((norms, norms.names.iter().position(|n| n == name)?)))
    }
}

async fn stream_matrix<S: ByteSource>(
    gpu: &Gpu,
    (matrix, slice): (&Matrix, usize),
    tensor: &TensorInfo,
    source: &mut S,
    cancel: &Cancel,
    (raw, on_bytes): (&mut Vec<u8>, &mut dyn FnMut(u64)),
) -> Result<()> {
    let rows_per_chunk = matrix.rows_per_chunk(CHUNK_BYTES);
    let total = matrix.slices.get(slice).map_or(0, |m| m.n_rows);
    let mut row = 0;
    while row < total {
        cancel.check()?;
        let n_rows = rows_per_chunk.min(total - row);
        let offset = tensor.offset + row * matrix.row_bytes();
        raw.resize((n_rows * matrix.row_bytes()) as usize, 0);
        source.read(offset, raw, cancel).await?;
        matrix.write_rows(gpu, slice, row, raw);
        on_bytes(offset + raw.len() as u64);
        row += n_rows;
        if gpu.bytes_pending() > FLUSH_BYTES {
            gpu.flush().await?;
        }
    }
    Ok(())
}
