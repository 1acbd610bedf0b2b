//! Comparisons of results with exact ones. `tests/cpu/golden_comparison.rs` shows that they can fail.

/// Distance of a result that passed from the exact one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Distance {
    pub(crate) max: f32,
    pub(crate) rms: f32,
}

/// Every value within `max_abs` of the exact one; a NaN never is.
pub(crate) fn close(what: &str, exact: &[f32], found: &[f32], max_abs: f32) -> Result<Distance, String> {
    if exact.len() != found.len() || exact.is_empty() {
        return Err(format!("{what}: {} values, expected {}", found.len(), exact.len()));
    }
    let (mut max, mut sum) = (0_f32, 0_f64);
    for (at, (e, f)) in exact.iter().zip(found).enumerate() {
        let distance = (e - f).abs();
        if distance.is_nan() || distance > max_abs {
            return Err(format!("{what}: value {at} is {f}, expected {e} within {max_abs}"));
        }
        max = max.max(distance);
        sum += f64::from(distance) * f64::from(distance);
    }
    Ok(Distance { max, rms: (sum / exact.len() as f64).sqrt() as f32 })
}

/// The exact greedy continuation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Greedy<'a> {
    pub(crate) ids: &'a [u32],
    /// First minus second logit at each step.
    pub(crate) margins: &'a [f32],
    /// Ids after which generation stops; they are not part of the result.
    pub(crate) end_ids: &'a [u32],
}

impl Greedy<'_> {
    /// Steps that a result within `max_abs` of the exact logits cannot take otherwise: all before the first whose margin is
    /// below twice that. Nothing can be said about the steps after it, which continue another text.
    pub(crate) fn n_sure(&self, max_abs: f32) -> usize {
        self.margins.iter().take_while(|margin| **margin >= 2.0 * max_abs).count()
    }

    /// The number of steps that were compared.
    pub(crate) fn check(&self, what: &str, found: &[u32], max_abs: f32) -> Result<usize, String> {
        let n_sure = self.n_sure(max_abs);
        let n_before_end = self.ids.iter().take_while(|id| !self.end_ids.contains(id)).count();
        let ends = n_before_end < n_sure;
        let n_ids = n_sure.min(n_before_end);
        let exact = &self.ids[..n_ids];
        let same = found.iter().zip(exact).take_while(|(f, e)| f == e).count();
        if same < n_ids || (ends && found.len() != n_ids) {
            let end = if ends { " and then the end" } else { "" };
            return Err(format!(
                "{what}: step {same} of {n_sure} sure ones differs: {found:?}, expected {exact:?}{end}"
            ));
        }
        Ok(n_ids + usize::from(ends))
    }
}
