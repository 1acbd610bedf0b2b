//! A weight matrix on the GPU: block-quantised, in planes, split by rows where a plane would exceed a binding.

use super::buffer::{Buffer, Kind};
use super::device::Gpu;
use crate::error::{Error, Result};
use crate::quant::Format;

/// Rows of a part are a multiple of this, so that f16 scales, two to a word, never straddle parts or uploads.
const ROW_STEP: u64 = 16;

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
    /// First row within the matrix.
    pub first_row: u64,
    /// Rows in this part.
    pub n_rows: u64,
    pub(super) buffer: Buffer,
    /// Offset and size in bytes of each plane in `buffer`.
    pub(super) planes: Vec<(u64, u64)>,
}

/// Offset and size of each plane of `n_rows` rows, and the bytes of all; offsets are multiples of `alignment`.
fn layout(format: &Format, n_rows: u64, n_cols: u64, alignment: u64) -> (Vec<(u64, u64)>, u64) {
    let mut end = 0;
    let planes = (0..format.planes.len())
        .map(|plane| {
            let at = end;
            let bytes = format.plane_bytes(plane, n_rows * n_cols).next_multiple_of(16);
            end = (at + bytes).next_multiple_of(alignment);
            (at, bytes)
        })
        .collect();
    (planes, end)
}

/// Rows that fit in one part; 0 where not even [`ROW_STEP`] rows do.
fn rows_per_part(format: &Format, n_rows: u64, n_cols: u64, gpu: (u64, u64, u64)) -> u64 {
    let (max_binding, max_buffer, alignment) = gpu;
    let fits = |rows: u64| {
        let (planes, total) = layout(format, rows, n_cols, alignment);
        total <= max_buffer && planes.iter().all(|(_, bytes)| *bytes <= max_binding)
    };
    if fits(n_rows) {
        return n_rows;
    }
    let (mut low, mut high) = (0, n_rows / ROW_STEP);
    while low < high {
        let middle = (low + high).div_ceil(2);
        if fits(middle * ROW_STEP) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    low * ROW_STEP
}

impl Matrix {
    /// Allocates the parts; the weights are written by [`Matrix::write_rows`].
    ///
    /// # Errors
    /// [`Error::WrongShape`] where a row is no multiple of 16 weights, [`Error::LimitTooLow`] where a few rows exceed a binding.
    pub fn allocate(
        gpu: &Gpu,
        label: &str,
        format: &'static Format,
        n_rows: u64,
        n_cols: u64,
    ) -> Result<Self> {
        if !n_cols.is_multiple_of(16) || !n_cols.is_multiple_of(format.block_len as u64) {
            return Err(Error::Unsupported {
                what: format!("rows that are a multiple of {} weights", format.block_len.max(16)),
                found: format!("tensor \"{label}\" has rows of {n_cols}"),
            });
        }
        let limits = (
            gpu.info().max_binding_bytes,
            gpu.info().max_buffer_bytes,
            gpu.alignment(),
        );
        let per_part = rows_per_part(format, n_rows, n_cols, limits);
        if per_part == 0 {
            let (_, needs) = layout(format, ROW_STEP, n_cols, gpu.alignment());
            return Err(Error::LimitTooLow {
                what: label.to_owned(),
                needs,
                offers: limits.0.min(limits.1),
            });
        }
        let parts = (0..n_rows.div_ceil(per_part))
            .map(|i| {
                let first_row = i * per_part;
                let rows = per_part.min(n_rows - first_row);
                let (planes, bytes) = layout(format, rows, n_cols, gpu.alignment());
                let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST;
                let buffer = gpu.buffer(Kind::Weights, &format!("{label} {i}"), bytes, usage);
                Part {
                    first_row,
                    n_rows: rows,
                    buffer,
                    planes,
                }
            })
            .collect();
        Ok(Self {
            label: label.to_owned(),
            n_rows,
            n_cols,
            format,
            parts,
        })
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
            let from = first_row.max(part.first_row);
            let to = end.min(part.first_row + part.n_rows);
            if from >= to {
                continue;
            }
            let bytes = |row: u64| ((row - first_row) * row_bytes) as usize;
            let rows = blocks.get(bytes(from)..bytes(to)).unwrap_or_default();
            for (i, (offset, _)) in part.planes.iter().enumerate() {
                plane.clear();
                self.format.repack(i, rows, &mut plane);
                plane.resize(plane.len().next_multiple_of(4), 0);
                let skipped = self.format.plane_bytes(i, (from - part.first_row) * self.n_cols);
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
