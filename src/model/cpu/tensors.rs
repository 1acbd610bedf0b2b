//! Tensors of the file as a worker has them: matrices and vectors with their numbers.

use std::ops::Range;

use crate::cpu::plan::{BufferId, CacheId, MatrixId, MatrixSpec, RopeId, VectorId};
use crate::error::Result;
use crate::gguf::Header;
use crate::model::config::Config;
use crate::model::cpu::share::Share;
use crate::model::device::{Device, Layer, Weights};
use crate::model::tensors::{OUTPUT, find, layer_name};

/// The CPU, as a kind of device.
#[derive(Clone, Copy, Debug)]
pub struct Cpu;

impl Device for Cpu {
    type Matrix = Matrix;
    type Norms = Norms;
    type Buffer = BufferId;
    type Rope = RopeId;
    type Cache = CacheId;
}

/// Rows of a matrix, and where their products lie.
#[derive(Clone, Copy, Debug)]
pub struct Matrix {
    /// The rows.
    pub id: MatrixId,
    /// Column of the first row's products.
    pub first_col: usize,
    /// Number of rows.
    pub n_rows: usize,
    /// Whether the products of the other workers are needed too.
    pub exchanged: bool,
}

/// Vectors that one step reads: a norm; a post-norm and a norm; or the norms of queries and of keys.
#[derive(Clone, Debug)]
pub struct Norms(pub Vec<VectorId>);

/// Where a tensor goes.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    /// Rows of a matrix.
    Matrix(MatrixId),
    /// A vector.
    Vector(VectorId),
}

/// Tensors of one worker. Numbers are the same for all workers.
#[derive(Debug)]
pub struct Tensors<'a> {
    header: &'a Header,
    config: &'a Config,
    share: &'a Share,
    /// The matrices.
    pub matrices: Vec<MatrixSpec>,
    /// Lengths of the vectors.
    pub vectors: Vec<usize>,
    /// The place of each tensor, by name.
    pub places: Vec<(String, Place)>,
}

impl<'a> Tensors<'a> {
    /// No tensors yet.
    #[must_use]
    pub fn new(header: &'a Header, config: &'a Config, share: &'a Share) -> Self {
        Self { header, config, share, matrices: Vec::new(), vectors: Vec::new(), places: Vec::new() }
    }

    /// Numbers every tensor.
    ///
    /// # Errors
    /// [`crate::Error::MissingTensor`], never behind [`crate::model::tensors::checked_config`].
    pub fn weights(&mut self) -> Result<Weights<Cpu>> {
        let vocab = &self.share.vocab;
        let embedding = self.matrix("token_embd.weight", vocab.clone(), 0, false)?;
        let output = self.header.tensor(OUTPUT).map(|_| self.matrix(OUTPUT, vocab.clone(), 0, false));
        let output = output.transpose()?;
        let layers = (0..self.config.n_layers).map(|i| self.layer(i)).collect::<Result<_>>()?;
        let last = layer_name(self.config.n_layers - 1, "post_ffw_norm");
        let output_norms = self.norms(&[last, "output_norm.weight".to_owned()])?;
        Ok(Weights { embedding, output, output_norms, layers })
    }

    fn layer(&mut self, i: usize) -> Result<Layer<Cpu>> {
        let name = |name: &str| layer_name(i, name);
        let (share, c) = (self.share, self.config.head_dim);
        let channels = |heads: &Range<usize>| heads.start * c..heads.end * c;
        let (q, kv) = (channels(&share.heads), channels(&share.kv_heads));
        let before = i.checked_sub(1).map(|i| layer_name(i, "post_ffw_norm"));
        let attn: Vec<String> = before.into_iter().chain([name("attn_norm")]).collect();
        let head_norms = [name("attn_q_norm"), name("attn_k_norm")];
        let has_head_norms = self.header.tensor(&head_norms[0]).is_some();
        Ok(Layer {
            attn_norms: self.norms(&attn)?,
            qkv: vec![
                self.matrix(&name("attn_q"), q.clone(), 0, false)?,
                self.matrix(&name("attn_k"), kv.clone(), q.len(), false)?,
                self.matrix(&name("attn_v"), kv.clone(), q.len() + kv.len(), false)?,
            ],
            head_norms: has_head_norms.then(|| self.norms(&head_norms)).transpose()?,
            o: self.matrix(&name("attn_output"), share.model.clone(), share.model.start, true)?,
            ffn_norms: self.norms(&[name("post_attention_norm"), name("ffn_norm")])?,
            gate_up: vec![
                self.matrix(&name("ffn_gate"), share.ff.clone(), 0, false)?,
                self.matrix(&name("ffn_up"), share.ff.clone(), share.ff.len(), false)?,
            ],
            down: self.matrix(&name("ffn_down"), share.model.clone(), share.model.start, true)?,
        })
    }

    fn matrix(
        &mut self,
        name: &str,
        rows: Range<usize>,
        first_col: usize,
        exchanged: bool,
    ) -> Result<Matrix> {
        let tensor = find(self.header, name)?;
        let n_cols = tensor.shape.first().copied().unwrap_or(1) as usize;
        let (id, n_rows) = (MatrixId(self.matrices.len()), rows.len());
        self.matrices.push(MatrixSpec { format: tensor.format, n_cols, rows });
        self.places.push((name.to_owned(), Place::Matrix(id)));
        Ok(Matrix { id, first_col, n_rows, exchanged })
    }

    /// Vectors; those that the file lacks are left out.
    fn norms(&mut self, names: &[String]) -> Result<Norms> {
        let mut ids = Vec::with_capacity(names.len());
        for name in names {
            if self.header.tensor(name).is_some() {
                let len = find(self.header, name)?.shape.iter().product::<u64>() as usize;
                let id = VectorId(self.vectors.len());
                self.vectors.push(len);
                self.places.push((name.clone(), Place::Vector(id)));
                ids.push(id);
            }
        }
        Ok(Norms(ids))
    }
}
