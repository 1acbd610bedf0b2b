//! Workload of a benchmark: its prompts, and the operations and counted work of a token.

use crate::gpu::device::Counters;
use crate::model::Config;

/// Multiplications and additions of a token with the matrices of all layers.
pub(super) fn flops_per_token(config: &Config) -> f64 {
    let (d, f) = (config.d_model as f64, config.d_ff as f64);
    let (q, kv) = ((config.n_heads * config.head_dim) as f64, (config.n_kv_heads * config.head_dim) as f64);
    2.0 * config.n_layers as f64 * (d * (q + 2.0 * kv) + q * d + 3.0 * d * f)
}

/// Difference of two readings of the counters.
pub(super) fn increase(before: &Counters, after: &Counters) -> Counters {
    Counters {
        dispatches: after.dispatches - before.dispatches,
        passes: after.passes - before.passes,
        submits: after.submits - before.submits,
        objects: after.objects - before.objects,
        unscoped: after.unscoped - before.unscoped,
        bytes_read: after.bytes_read - before.bytes_read,
        bytes_written: after.bytes_written - before.bytes_written,
    }
}

/// BOS, then meaningless ids: their values make no difference to the work.
pub(super) fn pseudo_random_prompt(bos: u32, seed: u64, n_ids: usize, n_vocab: usize) -> Vec<u32> {
    let mut state = seed;
    let mut next = || {
        // Knuth's 64-bit linear congruential generator; the high bits are the good ones.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) % n_vocab.max(1) as u64) as u32
    };
    (0..n_ids).map(|i| if i == 0 { bos } else { next() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_stay_in_the_vocabulary_and_differ_by_seed() {
        let ids = pseudo_random_prompt(2, 1, 100, 50);
        assert_eq!((ids.len(), ids.first()), (100, Some(&2)), "BOS is one of them");
        assert!(ids.iter().all(|id| *id < 50), "{ids:?}");
        assert_ne!(ids, pseudo_random_prompt(2, 2, 100, 50), "another seed");
    }

    #[test]
    fn counts_are_what_was_added() {
        let before = Counters { dispatches: 3, submits: 1, ..Counters::default() };
        let after = Counters { dispatches: 5, submits: 1, bytes_read: 4, ..Counters::default() };
        let added = increase(&before, &after);
        assert_eq!((added.dispatches, added.submits, added.bytes_read), (2, 0, 4));
    }
}
