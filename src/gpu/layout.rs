//! The limits of an adapter that decide how matrices and caches are split.

use serde::Serialize;

use super::kv_cache::KvShape;
use crate::error::{Error, Result};
use crate::quant::Format;

/// Rows of a part are a multiple of this: f16 scales, two to a word, never straddle parts or uploads, and the blocks of logits
/// that the sampler looks at never straddle parts.
pub(super) const ROW_STEP: u64 = 32;
/// Rows of a member of a stack are a multiple of this, for the f16 scales' sake.
const MEMBER_STEP: u64 = 16;

/// What an adapter allows. The default is what every WebGPU adapter does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Largest storage binding, in bytes.
    pub max_binding_bytes: u64,
    /// Largest buffer, in bytes.
    pub max_buffer_bytes: u64,
    /// Alignment of a storage binding's offset, in bytes.
    pub binding_alignment: u64,
    /// Storage buffers that a kernel may bind.
    pub max_storage_buffers: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_binding_bytes: 128 << 20,
            max_buffer_bytes: 256 << 20,
            binding_alignment: 256,
            max_storage_buffers: 8,
        }
    }
}

/// Rows of a matrix, or the same rows of each member of a stack, that share a buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowRange {
    /// First row within the matrix (within each member, where a stack is split).
    pub first_row: u64,
    /// Rows in this part.
    pub n_rows: u64,
    /// Row n of this part is row `first_row + n / fold * stride + n % fold` of the whole: `fold` rows of each member follow each
    /// other where a stack is split, and all rows where it isn't.
    pub fold: u64,
    /// Rows between the members of a split stack; 0 where it isn't split.
    pub stride: u64,
    /// Bytes of the buffer.
    pub bytes: u64,
    /// Offset and size in bytes of each plane in the buffer.
    pub planes: Vec<(u64, u64)>,
}

impl Limits {
    /// Largest buffer that can be bound whole, in bytes.
    #[must_use]
    pub fn max_bound_bytes(&self) -> u64 {
        self.max_binding_bytes.min(self.max_buffer_bytes)
    }

    /// How a matrix `[n_rows, n_cols]` is split by rows.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where a row is no multiple of 16 weights and of the block, [`Error::LimitTooLow`] where
    /// 32 rows exceed a buffer or one of their planes a binding.
    pub fn row_ranges(
        &self,
        label: &str,
        format: &Format,
        n_rows: u64,
        n_cols: u64,
    ) -> Result<Vec<RowRange>> {
        self.split(label, format, (n_rows, 1), n_cols)
    }

    /// How a stack of matrices of `rows` rows each is laid out: whole where it fits, else the same rows of each member in every
    /// part. `None` where neither can be: its members then stand alone.
    ///
    /// # Errors
    /// As [`Limits::row_ranges`].
    pub fn stack_ranges(
        &self,
        label: &str,
        format: &Format,
        rows: &[u64],
        n_cols: u64,
    ) -> Result<Option<Vec<RowRange>>> {
        let whole = self.range(format, 0, rows.iter().sum(), n_cols);
        if rows.iter().any(|n| !n.is_multiple_of(MEMBER_STEP)) {
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

    /// Splits `n_members` matrices of `n_rows` rows alike.
    fn split(
        &self,
        label: &str,
        format: &Format,
        (n_rows, n_members): (u64, u64),
        n_cols: u64,
    ) -> Result<Vec<RowRange>> {
        if !n_cols.is_multiple_of(16) || !n_cols.is_multiple_of(format.block_len as u64) {
            return Err(Error::Unsupported {
                what: format!("rows that are a multiple of {} weights", format.block_len.max(16)),
                found: format!("tensor \"{label}\" has rows of {n_cols}"),
            });
        }
        let stride = if n_members > 1 { n_rows } else { 0 };
        let range = |first_row, fold| RowRange {
            fold,
            stride,
            ..self.range(format, first_row, n_members * fold, n_cols)
        };
        let fits = |fold| self.fits(&range(0, fold));
        let per_part = if fits(n_rows) {
            n_rows
        } else {
            ROW_STEP * last_true(n_rows / ROW_STEP, |n| fits(ROW_STEP * n))
        };
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
    /// [`Error::LimitTooLow`] where one head alone exceeds it.
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

/// The largest n up to `most` for which `holds`, which is true up to some number and false above; 0 where there is none.
pub(crate) fn last_true(most: u64, holds: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (0, most);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if holds(middle) { low = middle } else { high = middle - 1 }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quant::{F32, Q4_0};

    #[test]
    fn a_search_finds_the_last() {
        for most in 0..20 {
            for last in 0..=most {
                assert_eq!(last_true(most, |n| n <= last), last, "{last} of {most}");
            }
        }
    }

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
    fn a_stack_is_whole_or_has_the_same_rows_of_each_member_in_every_part() {
        let limits = Limits { max_binding_bytes: 8192, max_buffer_bytes: 16384, ..Limits::default() };
        let ranges = |rows: &[u64]| limits.stack_ranges("w", &Q4_0, rows, 256).unwrap_or_default();
        let whole = ranges(&[32, 16, 16]).unwrap_or_default();
        assert!(matches!(whole.as_slice(), [RowRange { n_rows: 64, fold: 64, stride: 0, .. }]), "{whole:?}");
        assert_eq!(ranges(&[64, 32]), None, "neither whole nor alike");
        assert_eq!(ranges(&[16, 8]), None, "a member whose scales would straddle");
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
