//! A weight matrix on the GPU: block-quantised, in planes, split by rows where a plane would exceed a binding.

use super::buffer::{Buffer, Kind};
use super::device::Gpu;
use super::limits::{ROW_STEP, RowRange};
use crate::error::Result;
use crate::quant::Format;

/// `[N, K]` weights in one of the formats of [`crate::quant`].
#[derive(Debug)]
pub struct Matrix {
    /// Tensor name in the file.
    pub label: String,
    /// N, rows.
    pub n_rows: u64,
    /// K, weights a row; a multiple of 16 and of the format's block.
    pub n_cols: u64,
    /// How the weights are stored.
    pub format: &'static Format,
    /// Consecutive runs of rows.
    pub parts: Vec<Part>,
}

/// A run of rows in one buffer, plane after plane.
#[derive(Debug)]
pub struct Part {
    /// Which rows, and where their planes are.
    pub range: RowRange,
    pub(super) buffer: Buffer,
}

impl Matrix {
    /// Allocates the parts; the weights are written by [`Matrix::write_rows`].
    ///
    /// # Errors
    /// As [`super::Limits::row_ranges`].
    pub fn allocate(
        gpu: &Gpu,
        label: &str,
        format: &'static Format,
        n_rows: u64,
        n_cols: u64,
    ) -> Result<Self> {
        let ranges = gpu.limits().row_ranges(label, format, n_rows, n_cols)?;
        let part = |range: RowRange| {
            let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST;
            let label = format!("{label} from row {}", range.first_row);
            Part { buffer: gpu.buffer(Kind::Weights, &label, range.bytes, usage), range }
        };
        let parts = ranges.into_iter().map(part).collect();
        Ok(Self { label: label.to_owned(), n_rows, n_cols, format, parts })
    }

    /// Bytes a row takes in the file.
    #[must_use]
    pub fn row_bytes(&self) -> u64 {
        self.format.bytes_of(self.n_cols)
    }

    /// Repacks `blocks`, whole rows from `first_row` on (a multiple of 16), and writes them into their planes.
    pub fn write_rows(&self, gpu: &Gpu, first_row: u64, blocks: &[u8]) {
        let row_bytes = self.row_bytes();
        let end = first_row + blocks.len() as u64 / row_bytes;
        let mut plane = Vec::new();
        for part in &self.parts {
            let from = first_row.max(part.range.first_row);
            let to = end.min(part.range.first_row + part.range.n_rows);
            if from >= to {
                continue;
            }
            let bytes = |row: u64| ((row - first_row) * row_bytes) as usize;
            let rows = blocks.get(bytes(from)..bytes(to)).unwrap_or_default();
            for (i, (offset, _)) in part.range.planes.iter().enumerate() {
                plane.clear();
                self.format.repack(i, rows, &mut plane);
                plane.resize(plane.len().next_multiple_of(4), 0);
                let skipped = self.format.plane_bytes(i, (from - part.range.first_row) * self.n_cols);
                gpu.write(&part.buffer, offset + skipped, &plane);
            }
        }
    }

    /// Rows to read at once so that a chunk stays near `bytes`: a multiple of 16.
    #[must_use]
    pub fn rows_per_chunk(&self, bytes: u64) -> u64 {
        (bytes / self.row_bytes()).next_multiple_of(ROW_STEP)
    }
}
