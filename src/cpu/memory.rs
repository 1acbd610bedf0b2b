//! Memory of a worker: matrices, vectors, buffers and caches by number.

use std::ops::Range;

use crate::cpu::attention::KvCache;
use crate::cpu::matrix::Matrix;
use crate::cpu::plan::{
    BufferId, BufferSpec, CacheSpec, MatrixId, MatrixSpec, RopeSpec, VectorId, WorkerSpec,
};
use crate::cpu::rope::Angles;
use crate::error::{Error, Result};

/// A buffer `[T, N]`, row by row.
#[derive(Debug)]
pub struct Buffer {
    /// N.
    pub n_cols: usize,
    values: Vec<f32>,
}

impl Buffer {
    /// Rows that were written before; none if they were not.
    #[must_use]
    pub fn rows(&self, rows: Range<usize>) -> &[f32] {
        self.values.get(rows.start * self.n_cols..rows.end * self.n_cols).unwrap_or_default()
    }

    /// The first rows, to be written. Allocates what is missing.
    pub fn first_rows_mut(&mut self, n_rows: usize) -> &mut [f32] {
        let end = n_rows * self.n_cols;
        if self.values.len() < end {
            self.values.resize(end, 0.0);
        }
        self.values.get_mut(..end).unwrap_or_default()
    }

    /// Frees the rows behind the first ones.
    pub fn shrink(&mut self, n_rows: usize) {
        self.values.truncate(n_rows * self.n_cols);
        self.values.shrink_to_fit();
    }
}

/// The rows of a matrix that the worker has.
#[derive(Debug)]
pub struct MatrixPart {
    /// The rows.
    pub matrix: Matrix,
    /// Number of the first one in the whole matrix.
    pub first_row: usize,
}

impl MatrixPart {
    /// Writes those of some rows, as they lie in the file, that the worker has.
    pub fn write_rows(&mut self, first_row: usize, blocks: &[u8]) {
        let row_bytes = self.matrix.format.bytes_of(self.matrix.n_cols as u64) as usize;
        let n_rows = blocks.len() / row_bytes.max(1);
        let begin = self.first_row.max(first_row);
        let end = (self.first_row + self.matrix.n_rows).min(first_row + n_rows);
        if begin < end {
            let bytes = (begin - first_row) * row_bytes..(end - first_row) * row_bytes;
            self.matrix.write_rows(begin - self.first_row, blocks.get(bytes).unwrap_or_default());
        }
    }
}

/// The heads of a layer's cache that the worker has.
#[derive(Debug)]
pub struct CachePart {
    /// The heads.
    pub cache: KvCache,
    /// Number of the first one in the whole cache.
    pub first_head: usize,
}

/// Everything that a worker holds.
#[derive(Debug, Default)]
pub struct Memory {
    /// Whether activations stay f32, also for weights that have codes.
    pub exact: bool,
    /// Epsilon of every norm.
    pub norm_eps: f32,
    /// By [`MatrixId`].
    pub matrices: Vec<MatrixPart>,
    /// By [`VectorId`].
    pub vectors: Vec<Vec<f32>>,
    /// By [`BufferId`].
    pub buffers: Vec<Buffer>,
    /// By [`super::plan::CacheId`].
    pub caches: Vec<CachePart>,
    /// By [`super::plan::RopeId`].
    pub ropes: Vec<(RopeSpec, Angles)>,
}

/// An element by its number.
pub(super) fn get<'a, T>(all: &'a [T], number: usize, what: &str) -> Result<&'a T> {
    all.get(number).ok_or_else(|| unknown(what))
}

/// As [`get`], to be written.
pub(super) fn get_mut<'a, T>(all: &'a mut [T], number: usize, what: &str) -> Result<&'a mut T> {
    all.get_mut(number).ok_or_else(|| unknown(what))
}

/// A buffer to read, and another to write.
pub(super) fn from_to(all: &mut [Buffer], from: BufferId, to: BufferId) -> Result<(&Buffer, &mut Buffer)> {
    match all.get_disjoint_mut([from.0, to.0]) {
        Ok([from, to]) => Ok((from, to)),
        Err(_) => Err(unknown("pair of buffers")),
    }
}

fn unknown(what: &str) -> Error {
    Error::Internal { what: format!("a worker has no such {what}") }
}

impl Memory {
    /// Allocates everything.
    #[must_use]
    pub fn allocate(spec: &WorkerSpec) -> Self {
        let matrix = |spec: &MatrixSpec| MatrixPart {
            matrix: Matrix::new(spec.format, spec.rows.len(), spec.n_cols),
            first_row: spec.rows.start,
        };
        let buffer =
            |spec: &BufferSpec| Buffer { n_cols: spec.n_cols, values: vec![0.0; spec.n_cols * spec.n_rows] };
        let cache = |spec: &CacheSpec| CachePart {
            cache: KvCache::new(spec.kv, spec.n_slots, spec.heads.len(), spec.head_dim),
            first_head: spec.heads.start,
        };
        Self {
            exact: spec.exact,
            norm_eps: spec.norm_eps,
            matrices: spec.matrices.iter().map(matrix).collect(),
            vectors: spec.vectors.iter().map(|len| vec![0.0; *len]).collect(),
            buffers: spec.buffers.iter().map(buffer).collect(),
            caches: spec.caches.iter().map(cache).collect(),
            ropes: spec.ropes.iter().map(|rope| (*rope, Angles::default())).collect(),
        }
    }

    /// The sum of all words of the matrices.
    #[must_use]
    pub fn sum_of_matrices(&self) -> u64 {
        let words = |bytes: &[u8]| -> u64 {
            bytes.as_chunks::<8>().0.iter().fold(0, |sum, word| sum.wrapping_add(u64::from_le_bytes(*word)))
        };
        let groups =
            self.matrices.iter().flat_map(|part| (0..part.matrix.n_groups()).map(|g| part.matrix.group(g)));
        groups
            .fold(0, |sum: u64, group| sum.wrapping_add(words(group.codes)).wrapping_add(words(group.scales)))
    }

    /// A buffer.
    ///
    /// # Errors
    /// [`Error::Internal`] if there is none of this number.
    pub fn buffer(&mut self, id: BufferId) -> Result<&mut Buffer> {
        get_mut(&mut self.buffers, id.0, "buffer")
    }

    /// A vector, to be written.
    ///
    /// # Errors
    /// [`Error::Internal`] if there is none of this number.
    pub fn vector(&mut self, id: VectorId) -> Result<&mut Vec<f32>> {
        get_mut(&mut self.vectors, id.0, "vector")
    }

    /// The rows of a matrix.
    ///
    /// # Errors
    /// [`Error::Internal`] if there is none of this number.
    pub fn matrix(&mut self, id: MatrixId) -> Result<&mut MatrixPart> {
        get_mut(&mut self.matrices, id.0, "matrix")
    }
}
