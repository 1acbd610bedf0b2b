//! Layout of matrices and caches in buffers: pure arithmetic over an adapter's limits, with no device.
//!
//! The allocator and the memory plan both call these functions, so that the plan repeats no size.

use super::bisect::largest;
use super::limits::Limits;
use crate::error::{Error, Result};
use crate::quant::{Format, KvType};

/// Rows of a part are a multiple of this: f16 scales, two to a word, never straddle parts or uploads, and the
/// blocks of logits that the sampler looks at never straddle parts.
pub(super) const ROW_STEP: u64 = 32;
/// Rows of a slice of a fused matrix are a multiple of this, for the sake of the f16 scales.
const SLICE_STEP: u64 = 16;

/// Rows of a matrix, or the same rows of each slice of a fused matrix, that share a buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowRange {
    /// First row within the matrix (within each slice, if a fused matrix is split).
    pub first_row: u64,
    /// Rows in this part.
    pub n_rows: u64,
    /// Row n of this part is row `first_row + n / fold * stride + n % fold` of the whole: `fold` rows of each
    /// slice follow each other if a fused matrix is split, and all rows if it is not.
    pub fold: u64,
    /// Rows between the slices of a split fused matrix; 0 if it is not split.
    pub stride: u64,
    /// Bytes of the buffer.
    pub bytes: u64,
    /// Offset and size in bytes of each plane in the buffer.
    pub planes: Vec<(u64, u64)>,
}

/// Extents of a layer's cache.
#[derive(Clone, Copy, Debug)]
pub struct KvShape {
    /// Type of keys and values.
    pub kv: KvType,
    /// Positions kept: the whole context, or a ring for layers with a window.
    pub n_slots: usize,
    /// K.
    pub n_kv_heads: usize,
    /// C.
    pub head_dim: usize,
}

impl KvShape {
    /// Bytes of the keys (or the values) of one head.
    #[must_use]
    pub fn head_bytes(&self) -> u64 {
        (self.n_slots * self.head_dim) as u64 * self.kv.bytes()
    }
}

impl Limits {
    /// Split of a matrix `[n_rows, n_cols]` by rows.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if a row is no multiple of 16 weights and of the block, [`Error::LimitTooLow`]
    /// if 32 rows exceed a buffer or one of their planes a binding.
    pub fn row_ranges(
        &self,
        label: &str,
        format: &Format,
        n_rows: u64,
        n_cols: u64,
    ) -> Result<Vec<RowRange>> {
        self.split(label, format, (n_rows, 1), n_cols)
    }

    /// Layout of a fused matrix whose slices have `rows` rows each: whole if it fits, else the same rows of
    /// each slice in every part. `None` if neither is possible: its slices then stand alone.
    ///
    /// # Errors
    /// As [`Limits::row_ranges`].
    pub fn fused_ranges(
        &self,
        label: &str,
        format: &Format,
        rows: &[u64],
        n_cols: u64,
    ) -> Result<Option<Vec<RowRange>>> {
        let whole = self.range(format, 0, rows.iter().sum(), n_cols);
        if rows.iter().any(|n| !n.is_multiple_of(SLICE_STEP)) {
            return Ok(None);
        }
        match rows {
            _ if n_cols.is_multiple_of(format.block_len as u64) && self.fits(&whole) => Ok(Some(vec![whole])),
            [first, rest @ ..] if rest.iter().all(|n| n == first) => {
                self.split(label, format, (*first, rows.len() as u64), n_cols).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Splits `n_slices` matrices of `n_rows` rows each in the same way.
    fn split(
        &self,
        label: &str,
        format: &Format,
        (n_rows, n_slices): (u64, u64),
        n_cols: u64,
    ) -> Result<Vec<RowRange>> {
        if !n_cols.is_multiple_of(16) || !n_cols.is_multiple_of(format.block_len as u64) {
            return Err(Error::Unsupported {
                what: format!("rows that are a multiple of {} weights", format.block_len.max(16)),
                found: format!("tensor \"{label}\" has rows of {n_cols}"),
            });
        }
        let stride = if n_slices > 1 { n_rows } else { 0 };
        let range = |first_row, fold| RowRange {
            fold,
            stride,
            ..self.range(format, first_row, n_slices * fold, n_cols)
        };
        let fits = |fold| self.fits(&range(0, fold));
        let per_part =
            if fits(n_rows) { n_rows } else { ROW_STEP * largest(n_rows / ROW_STEP, |n| fits(ROW_STEP * n)) };
        if per_part == 0 {
            let needs = range(0, ROW_STEP).bytes;
            return Err(Error::LimitTooLow { what: label.to_owned(), needs, offers: self.max_bound_bytes() });
        }
        let ranges =
            (0..n_rows.div_ceil(per_part)).map(|i| range(i * per_part, per_part.min(n_rows - i * per_part)));
        Ok(ranges.collect())
    }

    fn range(&self, format: &Format, first_row: u64, n_rows: u64, n_cols: u64) -> RowRange {
        let mut bytes = 0;
        let planes = (0..format.planes.len())
            .map(|plane| {
                let at = bytes;
                let len = format.plane_bytes(plane, n_rows * n_cols).next_multiple_of(16);
                bytes = (at + len).next_multiple_of(self.binding_alignment);
                (at, len)
            })
            .collect();
        RowRange { first_row, n_rows, fold: n_rows, stride: 0, bytes, planes }
    }

    fn fits(&self, range: &RowRange) -> bool {
        range.bytes <= self.max_buffer_bytes
            && range.planes.iter().all(|(_, bytes)| *bytes <= self.max_binding_bytes)
    }

    /// Key/value heads that share a buffer.
    ///
    /// # Errors
    /// [`Error::LimitTooLow`] if one head alone exceeds it.
    pub fn heads_per_part(&self, shape: &KvShape) -> Result<usize> {
        let offers = self.max_bound_bytes();
        match (offers / shape.head_bytes().max(1)).min(shape.n_kv_heads as u64) {
            0 => Err(Error::LimitTooLow {
                what: format!("a head of the KV cache of {} positions", shape.n_slots),
                needs: shape.head_bytes(),
                offers,
            }),
            n => Ok(n as usize),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quant::{F32, Q4_0};

    #[test]
    fn ranges_cover_every_row_once_and_keep_the_limits() {
        let limits = Limits { max_binding_bytes: 4096, max_buffer_bytes: 4608, ..Limits::default() };
        for n_rows in [1, 15, 16, 17, 31, 33, 100, 1000] {
            let ranges = limits.row_ranges("w", &Q4_0, n_rows, 256).unwrap_or_default();
            let mut next = 0;
            for range in &ranges {
                assert_eq!(range.first_row, next, "{n_rows} rows");
                assert!(
                    range.first_row.is_multiple_of(ROW_STEP) && limits.fits(range),
                    "{n_rows} rows: {range:?}"
                );
                next += range.n_rows;
            }
            assert_eq!(next, n_rows, "every row");
        }
    }

    #[test]
    fn a_fused_matrix_is_whole_or_has_the_same_rows_of_each_slice_in_every_part() {
        let limits = Limits { max_binding_bytes: 8192, max_buffer_bytes: 16384, ..Limits::default() };
        let ranges = |rows: &[u64]| limits.fused_ranges("w", &Q4_0, rows, 256).unwrap_or_default();
        let whole = ranges(&[32, 16, 16]).unwrap_or_default();
        assert!(matches!(whole.as_slice(), [RowRange { n_rows: 64, fold: 64, stride: 0, .. }]), "{whole:?}");
        assert_eq!(ranges(&[64, 32]), None, "neither whole nor alike");
        assert_eq!(ranges(&[16, 8]), None, "a slice whose scales would straddle");
        let parts = ranges(&[80, 80]).unwrap_or_default();
        let found: Vec<_> = parts.iter().map(|r| (r.first_row, r.n_rows, r.fold, r.stride)).collect();
        assert_eq!(found, [(0, 64, 32, 80), (32, 64, 32, 80), (64, 32, 16, 80)]);
    }

    #[test]
    fn what_fits_nowhere_is_refused() {
        let limits = Limits { max_binding_bytes: 4096, ..Limits::default() };
        assert!(
            matches!(limits.row_ranges("w", &F32, 64, 128), Err(Error::LimitTooLow { needs: 16384, .. })),
            "32 rows"
        );
        assert!(
            matches!(limits.row_ranges("w", &Q4_0, 64, 48), Err(Error::Unsupported { .. })),
            "half a block"
        );
    }
}
