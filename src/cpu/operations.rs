//! Operations of a plan over the memory of a worker.

use crate::cpu::activations::Activations;
use crate::cpu::attention;
use crate::cpu::lanes::{Isa, ROWS};
use crate::cpu::link::Link;
use crate::cpu::memory::{Memory, from_to, get, get_mut};
use crate::cpu::plan::{AttentionHeads, BufferId, CacheId, MatrixId, Op, RopeId, Step, VectorId};
use crate::cpu::product::{Tile, product_int8};
use crate::cpu::product_f32::product_f32;
use crate::cpu::rope::rope;
use crate::cpu::rows;
use crate::error::Result;

/// Executor of operations, with the memory that they need in between.
#[derive(Debug)]
pub struct Executor {
    isa: Isa,
    /// The buffer whose rows `activations` holds as int8.
    encoded: Option<BufferId>,
    activations: Activations,
    tile: Tile,
    tile_f32: Vec<[f32; ROWS]>,
    scores: Vec<f32>,
    keys: Vec<f32>,
    values: Vec<f32>,
}

impl Executor {
    /// An executor that uses an instruction set.
    #[must_use]
    pub fn new(isa: Isa) -> Self {
        Self {
            isa,
            encoded: None,
            activations: Activations::default(),
            tile: Tile::default(),
            tile_f32: Vec::new(),
            scores: Vec::new(),
            keys: Vec::new(),
            values: Vec::new(),
        }
    }

    /// Executes one operation.
    ///
    /// # Errors
    /// Those of [`Link::exchange`]; [`crate::Error::Internal`] for a number of something that was not allocated.
    pub async fn execute(
        &mut self,
        memory: &mut Memory,
        op: &Op,
        step: &Step,
        link: &mut impl Link,
    ) -> Result<()> {
        // Products of the same rows follow one another. Everything else may write these rows.
        if !matches!(op, Op::Product { .. }) {
            self.encoded = None;
        }
        match op {
            Op::Embed { table, y, scale } => embed(memory, *table, (*y, *scale), step, link).await,
            Op::Norm { x, weights, y } => self.norm(memory, (*x, *weights, *y), step),
            Op::Add { out, post, x } => self.add(memory, (*out, *post, *x), step),
            Op::Product { w, x, y, first_col } => self.product(memory, (*w, *x, *y), *first_col, step),
            Op::Exchange { x, cols } => {
                let x = memory.buffer(*x)?;
                let (n_cols, cols) = (x.n_cols, cols.clone());
                let mine = (0..step.n_tokens).map(|t| t * n_cols + cols.start..t * n_cols + cols.end);
                link.exchange(x.first_rows_mut(step.n_tokens), mine).await
            }
            Op::QkNormRope { qkv, norms, rope, cache, q } => {
                self.qk_norm_rope(memory, (*qkv, *q), *norms, (*rope, *cache), step)
            }
            Op::Attention { q, cache, o, heads } => self.attention(memory, (*q, *cache, *o), heads, step),
            Op::Geglu { gate_up, y, first_col } => self.geglu(memory, (*gate_up, *y), *first_col, step),
            Op::Softcap { x, cap } => {
                rows::softcap(self.isa, memory.buffer(*x)?.first_rows_mut(step.n_tokens), *cap);
                Ok(())
            }
            Op::Mark => Ok(()),
        }
    }

    fn norm(&self, memory: &mut Memory, ids: (BufferId, VectorId, BufferId), step: &Step) -> Result<()> {
        let (x, weights, y) = ids;
        let weights = get(&memory.vectors, weights.0, "vector")?;
        let (x, y) = from_to(&mut memory.buffers, x, y)?;
        let rows = step.first_row..step.first_row + step.n_tokens;
        rows::rms_norm(self.isa, x.rows(rows), weights, memory.norm_eps, y.first_rows_mut(step.n_tokens));
        Ok(())
    }

    fn add(
        &mut self,
        memory: &mut Memory,
        (out, post, x): (BufferId, Option<VectorId>, BufferId),
        step: &Step,
    ) -> Result<()> {
        let (out, x) = from_to(&mut memory.buffers, out, x)?;
        let (out, x) = (out.rows(0..step.n_tokens), x.first_rows_mut(step.n_tokens));
        let Some(post) = post else {
            rows::add(self.isa, out, x);
            return Ok(());
        };
        let weights = get(&memory.vectors, post.0, "vector")?;
        self.values.resize(out.len(), 0.0);
        rows::rms_norm(self.isa, out, weights, memory.norm_eps, &mut self.values);
        rows::add(self.isa, &self.values, x);
        Ok(())
    }

    fn product(
        &mut self,
        memory: &mut Memory,
        (w, x, y): (MatrixId, BufferId, BufferId),
        first_col: usize,
        step: &Step,
    ) -> Result<()> {
        let w = &get(&memory.matrices, w.0, "matrix")?.matrix;
        let source = x;
        let (x, y) = from_to(&mut memory.buffers, x, y)?;
        let (x, stride) = (x.rows(0..step.n_tokens), y.n_cols);
        let y = (y.first_rows_mut(step.n_tokens).get_mut(first_col..).unwrap_or_default(), stride);
        if memory.exact || !w.has_codes() {
            product_f32(self.isa, w, 0..w.n_groups(), x, y, &mut self.tile_f32);
            return Ok(());
        }
        if self.encoded != Some(source) {
            self.activations.encode(x, w.n_cols, self.isa.wants_pairs());
            self.encoded = Some(source);
        }
        product_int8(self.isa, w, 0..w.n_groups(), &self.activations, y, &mut self.tile);
        Ok(())
    }

    fn qk_norm_rope(
        &mut self,
        memory: &mut Memory,
        (qkv, q): (BufferId, BufferId),
        norms: Option<[VectorId; 2]>,
        (with, cache): (RopeId, CacheId),
        step: &Step,
    ) -> Result<()> {
        let (spec, angles) = get_mut(&mut memory.ropes, with.0, "rotary embedding")?;
        angles.fill(spec.base, spec.divisor, spec.n_pairs, step.position..step.position + step.n_tokens);
        let cache = &mut get_mut(&mut memory.caches, cache.0, "cache")?.cache;
        let (qkv, q) = from_to(&mut memory.buffers, qkv, q)?;
        let (q_cols, kv_cols) = (q.n_cols, cache.n_kv_heads * cache.head_dim);
        let q = q.first_rows_mut(step.n_tokens);
        let norms = match norms {
            Some(norms) => Some([
                get(&memory.vectors, norms[0].0, "vector")?.as_slice(),
                get(&memory.vectors, norms[1].0, "vector")?.as_slice(),
            ]),
            None => None,
        };
        self.keys.resize(step.n_tokens * kv_cols, 0.0);
        self.values.resize(step.n_tokens * kv_cols, 0.0);
        for (t, row) in qkv.rows(0..step.n_tokens).chunks_exact((q_cols + 2 * kv_cols).max(1)).enumerate() {
            let (queries, row) = row.split_at(q_cols);
            let (keys, values) = row.split_at(kv_cols);
            let q = &mut q[t * q_cols..(t + 1) * q_cols];
            let of_token = t * kv_cols..(t + 1) * kv_cols;
            self.values[of_token.clone()].copy_from_slice(values);
            let to = &mut self.keys[of_token];
            match norms {
                Some([of_queries, of_keys]) => {
                    rows::rms_norm(self.isa, queries, of_queries, memory.norm_eps, q);
                    rows::rms_norm(self.isa, keys, of_keys, memory.norm_eps, to);
                }
                None => {
                    q.copy_from_slice(queries);
                    to.copy_from_slice(keys);
                }
            }
        }
        let head_dim = cache.head_dim;
        rope(self.isa, q, q_cols / head_dim, angles);
        rope(self.isa, &mut self.keys, cache.n_kv_heads, angles);
        cache.write(&self.keys, &self.values, step.position);
        Ok(())
    }

    fn attention(
        &mut self,
        memory: &mut Memory,
        (q, cache, o): (BufferId, CacheId, BufferId),
        heads: &AttentionHeads,
        step: &Step,
    ) -> Result<()> {
        let part = get(&memory.caches, cache.0, "cache")?;
        let (q, o) = from_to(&mut memory.buffers, q, o)?;
        let shape = attention::Shape {
            first_head: heads.heads.start,
            n_heads: heads.heads.len(),
            heads_per_kv: heads.heads_per_kv,
            first_kv_head: part.first_head,
            window: heads.window,
            scale: heads.scale,
            softcap: heads.softcap,
        };
        let (first_col, stride) = (heads.heads.start * part.cache.head_dim, o.n_cols);
        let o = o.first_rows_mut(step.n_tokens).get_mut(first_col..).unwrap_or_default();
        let q = q.rows(0..step.n_tokens);
        attention::attention(self.isa, q, &part.cache, step.position, shape, (o, stride), &mut self.scores);
        Ok(())
    }

    fn geglu(
        &self,
        memory: &mut Memory,
        (gate_up, y): (BufferId, BufferId),
        first_col: usize,
        step: &Step,
    ) -> Result<()> {
        let (gate_up, y) = from_to(&mut memory.buffers, gate_up, y)?;
        let (n, stride) = (gate_up.n_cols / 2, y.n_cols);
        let inputs = gate_up.rows(0..step.n_tokens).chunks_exact((2 * n).max(1));
        let outputs = y.first_rows_mut(step.n_tokens).chunks_exact_mut(stride);
        for (input, output) in inputs.zip(outputs) {
            let (gate, up) = input.split_at(n);
            rows::geglu(self.isa, gate, up, output.get_mut(first_col..first_col + n).unwrap_or_default());
        }
        Ok(())
    }
}

/// Rows of the embedding by the worker that has them.
async fn embed(
    memory: &mut Memory,
    table: MatrixId,
    (y, scale): (BufferId, f32),
    step: &Step,
    link: &mut impl Link,
) -> Result<()> {
    let part = get(&memory.matrices, table.0, "matrix")?;
    let rows = part.first_row..part.first_row + part.matrix.n_rows;
    let y = get_mut(&mut memory.buffers, y.0, "buffer")?;
    let n_cols = y.n_cols;
    let y = y.first_rows_mut(step.n_tokens);
    let tokens = step.ids.iter().map(|id| *id as usize).enumerate();
    let mine = tokens.filter(|(_, id)| rows.contains(id));
    for (t, id) in mine.clone() {
        let row = &mut y[t * n_cols..(t + 1) * n_cols];
        part.matrix.decode_row(id - part.first_row, row);
        row.iter_mut().for_each(|y| *y *= scale);
    }
    link.exchange(y, mine.map(|(t, _)| t * n_cols..(t + 1) * n_cols)).await
}
