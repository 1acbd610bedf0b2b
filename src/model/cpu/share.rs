//! Shares of a model: the rows and heads that each worker computes.

use std::ops::Range;

use crate::cpu::lanes::ROWS;
use crate::model::config::Config;

/// Share of one worker. Those of all workers lie side by side and cover everything, except for key/value heads: a
/// worker has those that its query heads read, even if another has them too.
#[derive(Clone, Debug)]
pub struct Share {
    /// Query heads, of H.
    pub heads: Range<usize>,
    /// Key/value heads, of K.
    pub kv_heads: Range<usize>,
    /// Rows of matrices to the residual stream, of D.
    pub model: Range<usize>,
    /// Columns of the feed-forward, of F.
    pub ff: Range<usize>,
    /// Rows of the embedding and of the logits matrix, of V.
    pub vocab: Range<usize>,
}

impl Share {
    /// The share of worker `index` of `n`.
    #[must_use]
    pub fn new(config: &Config, index: usize, n: usize) -> Self {
        let rows = |total| part_of_rows(total, index, n);
        let heads = part(config.n_heads, 1, index, n);
        let per_kv = config.n_heads / config.n_kv_heads;
        let kv_heads = if heads.is_empty() { 0..0 } else { heads.start / per_kv..heads.end.div_ceil(per_kv) };
        Self {
            heads,
            kv_heads,
            model: rows(config.d_model),
            ff: rows(config.d_ff),
            vocab: rows(config.n_vocab),
        }
    }

    /// The shares of `n` workers.
    #[must_use]
    pub fn all(config: &Config, n: usize) -> Vec<Self> {
        (0..n).map(|index| Self::new(config, index, n)).collect()
    }
}

/// Rows of a matrix that worker `index` of `n` has: whole groups, except for the last.
pub(super) fn part_of_rows(total: usize, index: usize, n: usize) -> Range<usize> {
    part(total, ROWS, index, n)
}

/// Part `index` of `n` of `0..total`, in whole units except for the last.
fn part(total: usize, unit: usize, index: usize, n: usize) -> Range<usize> {
    let units = total.div_ceil(unit);
    let at = |index: usize| (units * index / n * unit).min(total);
    at(index)..at(index + 1)
}

#[cfg(test)]
mod tests {
    use super::part;

    #[test]
    fn parts_cover_everything_once_in_whole_units() {
        for (total, unit) in [(640, 8), (21, 8), (4, 1), (1, 8), (262_145, 8)] {
            for n in 1..10 {
                let parts: Vec<_> = (0..n).map(|index| part(total, unit, index, n)).collect();
                assert_eq!((parts[0].start, parts[n - 1].end), (0, total));
                assert!(parts.windows(2).all(|two| two[0].end == two[1].start), "{parts:?}");
                assert!(parts.iter().all(|part| part.start == total || part.start % unit == 0), "{parts:?}");
            }
        }
    }
}
