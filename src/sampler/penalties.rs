//! Biases and penalties, which change the logits before a token is chosen.

use crate::kernels::sample::RECENT;
use crate::sampler::Sampling;

/// Adds the biases to `logits [V]`, then penalises the tokens among the last [`RECENT`] of `text`, prompt
/// included, as llama.cpp does with its default `--repeat-last-n`: penalties over all of a long text would
/// punish the words that every sentence needs. A logit that is not finite does not change. The f32 operations
/// are those of the `sample` kernel.
pub fn adjust(logits: &mut [f32], sampling: &Sampling, text: &[u32]) {
    for (id, bias) in &sampling.logit_bias {
        change(logits, *id, |logit| logit + bias);
    }
    if !sampling.penalises() {
        return;
    }
    let window = text.get(text.len().saturating_sub(RECENT)..).unwrap_or_default();
    let (repetition, inverse) = (sampling.repetition_penalty, 1.0 / sampling.repetition_penalty);
    for (i, id) in window.iter().enumerate() {
        if window.iter().take(i).any(|earlier| earlier == id) {
            continue;
        }
        let count = window.iter().filter(|other| *other == id).count() as f32;
        change(logits, *id, |logit| {
            let scaled = logit * if logit > 0.0 { inverse } else { repetition };
            scaled - (count * sampling.frequency_penalty + sampling.presence_penalty)
        });
    }
}

fn change(logits: &mut [f32], id: u32, to: impl FnOnce(f32) -> f32) {
    if let Some(logit) = logits.get_mut(id as usize).filter(|logit| logit.is_finite()) {
        *logit = to(*logit);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const LOGITS: [f32; 4] = [4.0, -4.0, 1.0, f32::NAN];

    fn adjusted(sampling: &Sampling, text: &[u32]) -> [f32; 4] {
        let mut logits = LOGITS;
        adjust(&mut logits, sampling, text);
        logits
    }

    #[test]
    fn each_penalty_does_what_it_says() {
        let repetition = Sampling { repetition_penalty: 2.0, ..Sampling::default() };
        assert_eq!(adjusted(&repetition, &[1, 0, 0, 3, 9])[..3], [2.0, -8.0, 1.0]);
        let frequency = Sampling { frequency_penalty: 0.5, ..Sampling::default() };
        assert_eq!(adjusted(&frequency, &[1, 0, 0, 0])[..3], [2.5, -4.5, 1.0]);
        let presence = Sampling { presence_penalty: -1.5, ..Sampling::default() };
        assert_eq!(adjusted(&presence, &[1, 0, 0, 0])[..3], [5.5, -2.5, 1.0]);
        assert!(adjusted(&presence, &[3])[3].is_nan());
        assert_eq!(adjusted(&Sampling::default(), &[0, 1, 2])[..3], LOGITS[..3]);
    }

    #[test]
    fn biases_come_before_penalties() {
        let logit_bias = BTreeMap::from([(1, 6.0), (2, f32::NEG_INFINITY), (9, 1.0)]);
        let sampling = Sampling { repetition_penalty: 2.0, logit_bias, ..Sampling::default() };
        assert_eq!(adjusted(&sampling, &[1, 2])[..3], [4.0, 1.0, f32::NEG_INFINITY]);
    }

    #[test]
    fn only_recent_tokens_count() {
        let sampling = Sampling { frequency_penalty: 1.0, ..Sampling::default() };
        let mut text = vec![0; RECENT];
        text.push(1);
        assert_eq!(adjusted(&sampling, &text)[..2], [4.0 - 63.0, -5.0]);
        text.extend([2; RECENT]);
        assert_eq!(adjusted(&sampling, &text)[..3], [4.0, -4.0, 1.0 - 64.0]);
    }
}
