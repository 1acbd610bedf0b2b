//! Weight matrices on the GPU: block-quantised, in planes, split by rows if a plane would exceed a binding.

use super::accounts::MemoryKind;
use super::buffer::Buffer;
use super::device::Gpu;
use super::layout::{ROW_STEP, RowRange};
use super::limits::Limits;
use crate::error::Result;
use crate::quant::Format;

/// One tensor of the file in a fused matrix.
#[derive(Clone, Debug)]
pub struct Slice {
    /// Its name.
    pub label: String,
    /// Its rows.
    pub n_rows: u64,
}

/// Tensors of one format and row length, one below the other, whose product with the same input takes one
/// dispatch. A matrix of a single tensor is a fused matrix of one slice.
#[derive(Clone, Debug)]
pub struct FusedMatrix {
    /// Slices from top to bottom.
    pub slices: Vec<Slice>,
    /// K, weights per row.
    pub n_cols: u64,
    /// Block format of the weights.
    pub format: &'static Format,
}

impl FusedMatrix {
    /// N, rows of all slices.
    #[must_use]
    pub fn n_rows(&self) -> u64 {
        self.slices.iter().map(|s| s.n_rows).sum()
    }

    /// Names of the slices.
    #[must_use]
    pub fn label(&self) -> String {
        self.slices.iter().map(|s| s.label.as_str()).collect::<Vec<_>>().join(" + ")
    }

    /// Fuses neighbouring tensors of one format and row length, as far as the limits allow.
    ///
    /// # Errors
    /// As [`Limits::fused_ranges`].
    pub fn join(limits: &Limits, singles: Vec<Self>) -> Result<Vec<Self>> {
        let mut joined: Vec<Self> = Vec::with_capacity(singles.len());
        for single in singles {
            if let Some(last) =
                joined.last_mut().filter(|last| last.format == single.format && last.n_cols == single.n_cols)
            {
                let mut both = last.clone();
                both.slices.extend(single.slices.iter().cloned());
                if both.ranges(limits)?.is_some() {
                    *last = both;
                    continue;
                }
            }
            joined.push(single);
        }
        Ok(joined)
    }

    fn ranges(&self, limits: &Limits) -> Result<Option<Vec<RowRange>>> {
        let rows: Vec<u64> = self.slices.iter().map(|s| s.n_rows).collect();
        limits.fused_ranges(&self.label(), self.format, &rows, self.n_cols)
    }

    /// Rows of each buffer.
    ///
    /// # Errors
    /// As [`Limits::row_ranges`].
    pub fn parts(&self, limits: &Limits) -> Result<Vec<RowRange>> {
        match self.slices.as_slice() {
            [_] => limits.row_ranges(&self.label(), self.format, self.n_rows(), self.n_cols),
            _ => Ok(self.ranges(limits)?.unwrap_or_default()),
        }
    }
}

/// `[N, K]` weights in one of the formats of [`crate::quant`].
#[derive(Debug)]
pub struct Matrix {
    /// Tensor names in the file.
    pub label: String,
    /// The tensors, from top to bottom.
    pub slices: Vec<Slice>,
    /// N, rows of all slices.
    pub n_rows: u64,
    /// K, weights per row; a multiple of 16 and of the format's block.
    pub n_cols: u64,
    /// Block format of the weights.
    pub format: &'static Format,
    /// Consecutive runs of rows.
    pub parts: Vec<Part>,
    /// Column of the product that row 0 computes; other matrices may compute the columns before it.
    pub first_col: u64,
    /// Columns of the product, including those of other matrices.
    pub n_total: u64,
}

/// A run of rows in one buffer, plane after plane.
#[derive(Debug)]
pub struct Part {
    /// The rows, and the places of their planes.
    pub range: RowRange,
    pub(super) buffer: Buffer,
}

impl Matrix {
    /// Allocates a matrix of one tensor; the weights are written by [`Matrix::write_rows`].
    ///
    /// # Errors
    /// As [`Limits::row_ranges`].
    pub fn allocate(
        gpu: &Gpu,
        label: &str,
        format: &'static Format,
        n_rows: u64,
        n_cols: u64,
    ) -> Result<Self> {
        let slices = vec![Slice { label: label.to_owned(), n_rows }];
        Self::fused(gpu, FusedMatrix { slices, n_cols, format }, 0, n_rows)
    }

    /// Allocates a fused matrix whose product is the columns from `first_col` on of `n_total`.
    ///
    /// # Errors
    /// As [`Limits::row_ranges`].
    pub fn fused(gpu: &Gpu, fused: FusedMatrix, first_col: u64, n_total: u64) -> Result<Self> {
        let (label, n_rows) = (fused.label(), fused.n_rows());
        let ranges = fused.parts(gpu.limits())?;
        let part = |range: RowRange| {
            let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST;
            let label = format!("{label} from row {}", range.first_row);
            Part { buffer: gpu.buffer(MemoryKind::Weights, &label, range.bytes, usage), range }
        };
        let parts = ranges.into_iter().map(part).collect();
        let FusedMatrix { slices, n_cols, format } = fused;
        Ok(Self { label, slices, n_rows, n_cols, format, parts, first_col, n_total })
    }

    /// Bytes of a row in the file.
    #[must_use]
    pub fn row_bytes(&self) -> u64 {
        self.format.bytes_of(self.n_cols)
    }

    /// Repacks `blocks`, whole rows of a slice from `first_row` on (a multiple of 16), and writes them into
    /// their planes.
    pub fn write_rows(&self, gpu: &Gpu, slice: usize, first_row: u64, blocks: &[u8]) {
        let row_bytes = self.row_bytes();
        let end = first_row + blocks.len() as u64 / row_bytes;
        let above: u64 = self.slices.iter().take(slice).map(|s| s.n_rows).sum();
        let own = self.slices.get(slice).map_or(0, |s| s.n_rows);
        let mut plane = Vec::new();
        for part in &self.parts {
            let range = &part.range;
            // Rows of this slice in the part, and the first of them there.
            let (n_own, offset_own) =
                if range.stride > 0 { (range.fold, slice as u64 * range.fold) } else { (own, above) };
            let last =
                if self.slices.len() == 1 { range.first_row + range.n_rows } else { range.first_row + n_own };
            let (from, to) = (first_row.max(range.first_row), end.min(last));
            if from >= to {
                continue;
            }
            let bytes = |row: u64| ((row - first_row) * row_bytes) as usize;
            let rows = blocks.get(bytes(from)..bytes(to)).unwrap_or_default();
            for (i, (offset, _)) in range.planes.iter().enumerate() {
                plane.clear();
                self.format.repack(i, rows, &mut plane);
                plane.resize(plane.len().next_multiple_of(4), 0);
                let before = (offset_own + from - range.first_row) * self.n_cols;
                gpu.write(&part.buffer, offset + self.format.plane_bytes(i, before), &plane);
            }
        }
    }

    /// Rows to read at once so that a chunk stays near `bytes`.
    #[must_use]
    pub fn rows_per_chunk(&self, bytes: u64) -> u64 {
        (bytes / self.row_bytes()).next_multiple_of(ROW_STEP)
    }
}
