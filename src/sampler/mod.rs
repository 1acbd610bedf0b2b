//! Sampling, from logits to one token: biases and penalties, temperature, top-k, top-p, min-p, in this order,
//! and a draw that depends on seed and position only. It is the CPU twin of the `sample` kernel, and takes
//! its place when the kernel cannot sample.

mod options;
mod penalties;
mod random;

pub use options::Sampling;
pub use penalties::adjust;
pub use random::uniform;

/// The likeliest token; the lowest id among equals. `None` if no logit is finite.
#[must_use]
pub fn argmax(logits: &[f32]) -> Option<u32> {
    let mut best: Option<(u32, f32)> = None;
    for (id, logit) in (0..).zip(logits) {
        if logit.is_finite() && best.is_none_or(|(_, largest)| *logit > largest) {
            best = Some((id, *logit));
        }
    }
    best.map(|(id, _)| id)
}

/// The token that follows `text`, chosen from its `logits [V]` after biases and penalties have changed them.
/// `None` if a logit is NaN or infinite, or all are -infinity (forbidden).
#[must_use]
pub fn choose(logits: &mut [f32], sampling: &Sampling, text: &[u32], seed: u64) -> Option<u32> {
    if logits.iter().any(|logit| logit.is_nan() || *logit == f32::INFINITY) {
        return None;
    }
    adjust(logits, sampling, text);
    sample(logits, sampling, seed, text.len() as u32)
}

/// Chooses a token from `logits [V]`. `position` is the context position the token will have: with the same
/// seed, position and logits the choice is the same, whatever the earlier draws were.
#[must_use]
pub fn sample(logits: &[f32], sampling: &Sampling, seed: u64, position: u32) -> Option<u32> {
    if sampling.is_greedy() {
        return argmax(logits);
    }
    let mut kept = candidates(logits, sampling.top_k);
    let largest = f64::from(kept.first()?.1);
    let temperature = f64::from(sampling.temperature);
    let weights: Vec<f64> =
        kept.iter().map(|(_, l)| ((f64::from(*l) - largest) / temperature).exp()).collect();
    let n = nucleus(&weights, f64::from(sampling.top_p), f64::from(sampling.min_p));
    kept.truncate(n);
    let total: f64 = weights.iter().take(n).sum();
    let mut left = uniform(seed, position) * total;
    for ((id, _), weight) in kept.iter().zip(&weights) {
        left -= weight;
        if left < 0.0 {
            return Some(*id);
        }
    }
    kept.last().map(|(id, _)| *id)
}

/// The `top_k` likeliest finite logits (all for 0), best first, lower ids first among equals.
fn candidates(logits: &[f32], top_k: usize) -> Vec<(u32, f32)> {
    let mut all: Vec<(u32, f32)> =
        (0..).zip(logits.iter().copied()).filter(|(_, logit)| logit.is_finite()).collect();
    // None is NaN, and -0 counts as 0: only ids tell equals apart, as in `argmax`.
    let order = |a: &(u32, f32), b: &(u32, f32)| (b.1 + 0.0).total_cmp(&(a.1 + 0.0)).then(a.0.cmp(&b.0));
    if top_k > 0 && top_k < all.len() {
        all.select_nth_unstable_by(top_k, order);
        all.truncate(top_k);
    }
    all.sort_unstable_by(order);
    all
}

/// Number of the descending `weights` that top-p and min-p keep: at least one. The token that crosses p is
/// kept.
fn nucleus(weights: &[f64], top_p: f64, min_p: f64) -> usize {
    let total: f64 = weights.iter().sum();
    let threshold = min_p * weights.first().copied().unwrap_or(0.0);
    let mut sum = 0.0;
    for (n, weight) in weights.iter().enumerate() {
        if n > 0 && ((top_p < 1.0 && sum >= top_p * total) || *weight < threshold) {
            return n;
        }
        sum += weight;
    }
    weights.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGITS: [f32; 6] = [0.0, 3.0, 1.0, 3.0, -1.0, 2.0];

    fn with(edit: impl FnOnce(&mut Sampling)) -> Sampling {
        let mut sampling = Sampling { top_k: 0, top_p: 1.0, ..Sampling::default() };
        edit(&mut sampling);
        sampling
    }

    fn drawn(sampling: &Sampling) -> Vec<u32> {
        let mut ids: Vec<u32> = (0..500).map(|p| sample(&LOGITS, sampling, 7, p).unwrap()).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    #[test]
    fn greedy_takes_the_lowest_id_among_equals() {
        assert_eq!(sample(&LOGITS, &with(|s| s.temperature = 0.0), 1, 0), Some(1));
        assert_eq!(sample(&LOGITS, &with(|s| s.top_k = 1), 1, 0), Some(1));
    }

    #[test]
    fn nothing_finite_gives_nothing() {
        assert_eq!(argmax(&[f32::NAN, f32::NEG_INFINITY]), None);
        assert_eq!(sample(&[f32::NAN; 4], &Sampling::default(), 1, 0), None);
        assert_eq!(sample(&[], &Sampling::default(), 1, 0), None);
    }

    #[test]
    fn choosing_looks_at_the_text() {
        let greedy = with(|s| (s.temperature, s.presence_penalty) = (0.0, 0.5));
        assert_eq!(choose(&mut LOGITS.clone(), &greedy, &[], 1), Some(1));
        assert_eq!(choose(&mut LOGITS.clone(), &greedy, &[1], 1), Some(3));
        let drawn = with(|_| {});
        assert_eq!(choose(&mut LOGITS.clone(), &drawn, &[0; 9], 1), sample(&LOGITS, &drawn, 1, 9));
    }

    #[test]
    fn minus_zero_is_zero() {
        let first = with(|s| (s.top_k, s.min_p) = (2, 1.0));
        let ids: Vec<u32> = (0..50).map(|p| sample(&[-1.0, -0.0, 0.0, 0.0], &first, 7, p).unwrap()).collect();
        assert!(ids.contains(&1) && ids.contains(&2) && !ids.contains(&3), "{ids:?}");
    }

    #[test]
    fn each_filter_keeps_what_it_should() {
        assert_eq!(drawn(&with(|_| {})), [0, 1, 2, 3, 4, 5]);
        assert_eq!(drawn(&with(|s| s.top_k = 3)), [1, 3, 5]);
        // Probabilities: 0.400, 0.400, 0.147, ...: two reach 0.75, the third is needed for 0.85.
        assert_eq!(drawn(&with(|s| s.top_p = 0.75)), [1, 3]);
        assert_eq!(drawn(&with(|s| s.top_p = 0.85)), [1, 3, 5]);
        // exp(-1) = 0.37 of the likeliest, exp(-2) = 0.14.
        assert_eq!(drawn(&with(|s| s.min_p = 0.3)), [1, 3, 5]);
        assert_eq!(drawn(&with(|s| s.min_p = 0.5)), [1, 3]);
    }

    #[test]
    fn draws_follow_the_probabilities() {
        let sampling = with(|s| s.top_k = 3);
        let n = 20_000;
        let mut counts = [0u32; 6];
        for position in 0..n {
            counts[sample(&LOGITS, &sampling, 42, position).unwrap() as usize] += 1;
        }
        // 1, 1, exp(-1), normalised.
        for (id, expected) in [(1, 0.4223), (3, 0.4223), (5, 0.1554)] {
            let share = f64::from(counts[id]) / f64::from(n);
            assert!((share - expected).abs() < 0.012, "token {id}: {share} against {expected}");
        }
    }

    #[test]
    fn the_draw_depends_on_seed_and_position_only() {
        let sampling = with(|_| {});
        let run = |seed| (0..64).map(|p| sample(&LOGITS, &sampling, seed, p)).collect::<Vec<_>>();
        assert_eq!(run(5), run(5));
        assert_ne!(run(5), run(6));
        assert_ne!(run(5), run(5 << 32));
    }
}
