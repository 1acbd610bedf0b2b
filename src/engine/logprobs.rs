//! How likely the tokens of a position are: the log-softmax of its logits, as the model gives them.

use super::Engine;
use super::result::{Likely, TokenLogprob};
use crate::tokenizer::Tokenizer;

/// The token `id` among the `logits [V]` it was chosen from, and the `n` likeliest.
pub(super) fn logprob(tokenizer: &Tokenizer, logits: &[f32], id: u32, n: usize) -> TokenLogprob {
    let norm = log_sum_exp(logits);
    let likely = |id: u32| {
        let logit = logits.get(id as usize).copied().unwrap_or(f32::NEG_INFINITY);
        Likely { id, text: text_of(tokenizer, id), logprob: (f64::from(logit) - norm) as f32 }
    };
    let top = likeliest(logits, n).into_iter().map(likely).collect();
    TokenLogprob { chosen: likely(id), top }
}

/// The text of one token: U+FFFD for bytes that are part of a character, its name where it stands for no text.
pub(super) fn text_of(tokenizer: &Tokenizer, id: u32) -> String {
    let text = tokenizer.decode(&[id]);
    if text.is_empty() { tokenizer.piece(id).unwrap_or_default().to_owned() } else { text }
}

pub(super) fn log_sum_exp(logits: &[f32]) -> f64 {
    let largest = f64::from(logits.iter().copied().fold(f32::MIN, f32::max));
    largest + logits.iter().map(|l| (f64::from(*l) - largest).exp()).sum::<f64>().ln()
}

/// The `n` highest, highest first, lower ids first among equals.
fn likeliest(logits: &[f32], n: usize) -> Vec<u32> {
    if n == 0 {
        return Vec::new();
    }
    let mut all: Vec<(u32, f32)> = (0..).zip(logits.iter().copied()).collect();
    let order = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    if all.len() > n {
        all.select_nth_unstable_by(n - 1, order);
        all.truncate(n);
    }
    all.sort_unstable_by(order);
    all.into_iter().map(|(id, _)| id).collect()
}

impl Engine {
    /// The text of one token.
    pub(super) fn text_of(&self, id: u32) -> String {
        text_of(&self.tokenizer, id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likeliest_come_in_order() {
        let logits = [0.5, 2.0, -1.0, 2.0, 3.0];
        assert_eq!(likeliest(&logits, 0), [0_u32; 0]);
        assert_eq!(likeliest(&logits, 3), [4, 1, 3]);
        assert_eq!(likeliest(&logits, 20), [4, 1, 3, 0, 2]);
    }

    #[test]
    fn probabilities_sum_to_one() {
        let logits = [1.0_f32, -2.0, 30.0, 29.5];
        let norm = log_sum_exp(&logits);
        let total: f64 = logits.iter().map(|l| (f64::from(*l) - norm).exp()).sum();
        assert!((total - 1.0).abs() < 1e-12, "{total}");
    }
}
