//! The tensor table, and the weights on the GPU: streamed in file order, never held whole.

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::gguf::{Header, TensorInfo};
use crate::gpu::{Buffer, Gpu, Kind, Matrix};
use crate::model::Config;
use crate::source::ByteSource;

/// Bytes read and repacked at once: large enough to amortise a write, small against the wasm heap.
const CHUNK_BYTES: u64 = 4 << 20;
/// Bytes written before the GPU has to take them: written but not submitted, they are held a second time.
const FLUSH_BYTES: u64 = 64 << 20;

/// Weights of one block. Names follow the file; `[N, K]` is rows by row length.
#[derive(Debug)]
pub struct Layer {
    /// `[D]`, before attention.
    pub attn_norm: Buffer,
    /// `[H * C, D]`.
    pub q: Matrix,
    /// `[K * C, D]`.
    pub k: Matrix,
    /// `[K * C, D]`.
    pub v: Matrix,
    /// `[C]`, Gemma 3.
    pub q_norm: Option<Buffer>,
    /// `[C]`, Gemma 3.
    pub k_norm: Option<Buffer>,
    /// `[D, H * C]`.
    pub o: Matrix,
    /// `[D]`, Gemma 2 and 3.
    pub post_attention_norm: Option<Buffer>,
    /// `[D]`, before the feed-forward.
    pub ffn_norm: Buffer,
    /// `[F, D]`.
    pub gate: Matrix,
    /// `[F, D]`.
    pub up: Matrix,
    /// `[D, F]`.
    pub down: Matrix,
    /// `[D]`, Gemma 2 and 3.
    pub post_ffw_norm: Option<Buffer>,
}

/// All weights.
#[derive(Debug)]
pub struct Weights {
    /// `[V, D]`; also the logits matrix unless the file has one.
    pub embedding: Matrix,
    /// `[V, D]`, where it is not tied.
    pub output: Option<Matrix>,
    /// `[D]`.
    pub output_norm: Buffer,
    /// L blocks.
    pub layers: Vec<Layer>,
}

/// Name and shape (innermost first) of every tensor that a model of this config has; `output.weight` may come on top.
fn table(config: &Config) -> Vec<(String, Vec<u64>)> {
    let (d, f) = (config.width as u64, config.ffn_width as u64);
    let c = config.head_len as u64;
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

fn layer_name(i: usize, name: &str) -> String {
    format!("blk.{i}.{name}.weight")
}

const OUTPUT: &str = "output.weight";

/// Checks that the file holds exactly the tensors of the config, in the right shapes.
///
/// # Errors
/// [`Error::MissingTensor`], [`Error::WrongShape`], or [`Error::Unsupported`] for a tensor that would go unused: a model that
/// has one needs a step that is not implemented.
pub fn check_tensors(header: &Header, config: &Config) -> Result<()> {
    let mut expected = table(config);
    if header.tensor(OUTPUT).is_some() {
        expected.push((OUTPUT.to_owned(), vec![config.width as u64, config.n_vocab as u64]));
    }
    for (name, shape) in &expected {
        let tensor = find(header, name)?;
        if tensor.shape != *shape {
            return Err(Error::WrongShape {
                tensor: name.clone(),
                expected: shape.clone(),
                found: tensor.shape.clone(),
            });
        }
    }
    let known: std::collections::HashSet<&str> = expected.iter().map(|(name, _)| name.as_str()).collect();
    match header.tensors.iter().find(|t| !known.contains(t.name.as_str())) {
        Some(tensor) => Err(Error::Unsupported {
            what: "a tensor that this architecture does not have".to_owned(),
            found: format!("\"{}\"", tensor.name),
        }),
        None => Ok(()),
    }
}

/// The config of a file whose tensors are those of the config.
///
/// # Errors
/// Those of [`Config::from_metadata`] and [`check_tensors`].
pub fn checked_config(header: &Header) -> Result<Config> {
    let config = Config::from_metadata(&header.metadata)?;
    check_tensors(header, &config)?;
    Ok(config)
}

fn find<'a>(header: &'a Header, name: &str) -> Result<&'a TensorInfo> {
    header.tensor(name).ok_or_else(|| Error::MissingTensor { tensor: name.to_owned() })
}

/// Allocates tensors by the shapes in the header, which [`check_tensors`] has approved.
struct Allocator<'a> {
    gpu: &'a Gpu,
    header: &'a Header,
}

impl Allocator<'_> {
    fn matrix(&self, name: &str) -> Result<Matrix> {
        let tensor = find(self.header, name)?;
        match tensor.shape.as_slice() {
            [n_cols, n_rows] => Matrix::allocate(self.gpu, name, tensor.format, *n_rows, *n_cols),
            _ => Err(Error::Internal { what: format!("\"{name}\" is no matrix") }),
        }
    }

    fn vector(&self, name: &str) -> Result<Buffer> {
        let len = find(self.header, name)?.shape.iter().product::<u64>();
        self.gpu.storage(Kind::Weights, name, 4 * len)
    }

    fn layer(&self, i: usize) -> Result<Layer> {
        let matrix = |name: &str| self.matrix(&layer_name(i, name));
        let vector = |name: &str| self.vector(&layer_name(i, name));
        let optional = |name: &str| match self.header.tensor(&layer_name(i, name)) {
            Some(tensor) => self.vector(&tensor.name).map(Some),
            None => Ok(None),
        };
        Ok(Layer {
            attn_norm: vector("attn_norm")?,
            q: matrix("attn_q")?,
            k: matrix("attn_k")?,
            v: matrix("attn_v")?,
            q_norm: optional("attn_q_norm")?,
            k_norm: optional("attn_k_norm")?,
            o: matrix("attn_output")?,
            post_attention_norm: optional("post_attention_norm")?,
            ffn_norm: vector("ffn_norm")?,
            gate: matrix("ffn_gate")?,
            up: matrix("ffn_up")?,
            down: matrix("ffn_down")?,
            post_ffw_norm: optional("post_ffw_norm")?,
        })
    }
}

impl Weights {
    /// Allocates every tensor; [`Weights::stream`] fills them.
    ///
    /// # Errors
    /// [`Error::LimitTooLow`] where a tensor fits no buffer even when split.
    pub fn allocate(gpu: &Gpu, header: &Header, config: &Config) -> Result<Self> {
        let allocator = Allocator { gpu, header };
        Ok(Self {
            embedding: allocator.matrix("token_embd.weight")?,
            output: header.tensor(OUTPUT).map(|t| allocator.matrix(&t.name)).transpose()?,
            output_norm: allocator.vector("output_norm.weight")?,
            layers: (0..config.n_layers).map(|i| allocator.layer(i)).collect::<Result<_>>()?,
        })
    }

    /// The logits matrix: the embedding, unless the file has one of its own.
    #[must_use]
    pub fn logits(&self) -> &Matrix {
        self.output.as_ref().unwrap_or(&self.embedding)
    }

    fn matrices(&self) -> impl Iterator<Item = &Matrix> {
        self.layers
            .iter()
            .flat_map(|l| [&l.q, &l.k, &l.v, &l.o, &l.gate, &l.up, &l.down])
            .chain([&self.embedding])
            .chain(&self.output)
    }

    /// Reads all tensors in file order and writes them to the GPU; `on_bytes` hears how many bytes of the file are done.
    ///
    /// # Errors
    /// Those of the source and of [`Cancel::check`].
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
            if let Some(matrix) = self.matrices().find(|m| m.label == tensor.name) {
                stream_matrix(gpu, matrix, tensor, source, cancel, (&mut raw, on_bytes)).await?;
            } else if let Some(vector) = self.vector(&tensor.name) {
                raw.resize(tensor.bytes as usize, 0);
                source.read(tensor.offset, &mut raw, cancel).await?;
                let mut values = Vec::new();
                tensor.format.decode(&raw, &mut values);
                gpu.write(vector, 0, bytemuck::cast_slice(&values));
            }
            on_bytes(tensor.offset + tensor.bytes);
        }
        gpu.flush().await
    }

    /// The norm vector of a tensor name.
    fn vector(&self, name: &str) -> Option<&Buffer> {
        if name == "output_norm.weight" {
            return Some(&self.output_norm);
        }
        let (i, name) = name.strip_prefix("blk.")?.strip_suffix(".weight")?.split_once('.')?;
        let layer = self.layers.get(i.parse::<usize>().ok()?)?;
        match name {
            "attn_norm" => Some(&layer.attn_norm),
            "attn_q_norm" => layer.q_norm.as_ref(),
            "attn_k_norm" => layer.k_norm.as_ref(),
            "post_attention_norm" => layer.post_attention_norm.as_ref(),
            "ffn_norm" => Some(&layer.ffn_norm),
            "post_ffw_norm" => layer.post_ffw_norm.as_ref(),
            _ => None,
        }
    }
}

async fn stream_matrix<S: ByteSource>(
    gpu: &Gpu,
    matrix: &Matrix,
    tensor: &TensorInfo,
    source: &mut S,
    cancel: &Cancel,
    (raw, on_bytes): (&mut Vec<u8>, &mut dyn FnMut(u64)),
) -> Result<()> {
    let rows_per_chunk = matrix.rows_per_chunk(CHUNK_BYTES);
    let mut row = 0;
    while row < matrix.n_rows {
        cancel.check()?;
        let n_rows = rows_per_chunk.min(matrix.n_rows - row);
        let offset = tensor.offset + row * matrix.row_bytes();
        raw.resize((n_rows * matrix.row_bytes()) as usize, 0);
        source.read(offset, raw, cancel).await?;
        matrix.write_rows(gpu, row, raw);
        on_bytes(offset + raw.len() as u64);
        row += n_rows;
        if gpu.bytes_pending() > FLUSH_BYTES {
            gpu.flush().await?;
        }
    }
    Ok(())
}
