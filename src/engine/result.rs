//! Events and the result of a request: tokens, log-probabilities, usage, timings.

use serde::Serialize;
use web_time::Instant;

use crate::tokenizer::Tokenizer;

/// An event while a request runs.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Event {
    /// More of the prompt is computed.
    Prefill(Prefill),
    /// A token was chosen.
    Token(Piece),
    /// Text at the end that was held back because a stop string or a character could have begun with it. No
    /// token belongs to it.
    Rest {
        /// The text.
        text: String,
    },
}

/// Progress through a prompt, in tokens. Tokens reused from an earlier request count neither as done nor in
/// the total.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Prefill {
    /// Tokens computed so far.
    pub done: usize,
    /// Tokens to compute.
    pub total: usize,
}

/// A generated token and the text it completes, which is empty while a character is incomplete.
#[derive(Clone, Debug, Serialize)]
pub struct Piece {
    /// Token id.
    pub id: u32,
    /// New text.
    pub text: String,
    /// Natural logarithm of its probability, if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprob: Option<f32>,
    /// The likeliest tokens, likeliest first, if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top: Option<Vec<Likely>>,
}

/// A token that could have been chosen.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Likely {
    /// Token id.
    pub id: u32,
    /// Its text, or the name of a token without text.
    pub text: String,
    /// Natural logarithm of its probability, before penalties, biases and temperature.
    pub logprob: f32,
}

/// A generated token with its probability.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TokenLogprob {
    /// The token.
    #[serde(flatten)]
    pub chosen: Likely,
    /// The likeliest tokens at its position, likeliest first.
    pub top: Vec<Likely>,
}

/// Reason for the end of a generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model generated an end token, or the text reached a stop string.
    Stop,
    /// `max_tokens` were generated, or the context is full.
    Length,
    /// The caller stopped the request.
    Cancelled,
}

/// Tokens in and out.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// Tokens of the prompt, BOS included.
    pub prompt_tokens: usize,
    /// Tokens generated, without the end token.
    pub completion_tokens: usize,
    /// Tokens of the prompt that were in the KV cache already.
    pub cached_tokens: usize,
    /// Tokens dropped because the context was full, of the prompt and, if it slides, of the text.
    pub dropped_tokens: usize,
}

/// Wall-clock times of a generation, in milliseconds, and rates in tokens per second.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Timings {
    /// Time from the request to the logits of the prompt's last token.
    pub prompt_ms: f64,
    /// Time from the request to the first token.
    pub first_token_ms: f64,
    /// Time from the first token to the last.
    pub decode_ms: f64,
    /// Computed prompt tokens per second.
    pub prompt_per_second: f64,
    /// Tokens after the first, per second; 0 if there is only one.
    pub decode_per_second: f64,
}

impl Timings {
    /// Timings at the end of a generation; `prompt_ms` runs from the request to the prompt's logits.
    pub(super) fn of(started: Instant, first: Instant, prompt_ms: f64, usage: Usage) -> Self {
        let decode_ms = first.elapsed().as_secs_f64() * 1e3;
        let rate = |n: usize, ms: f64| if ms > 0.0 { n as f64 / ms * 1e3 } else { 0.0 };
        Self {
            prompt_ms,
            first_token_ms: (first - started).as_secs_f64() * 1e3,
            decode_ms,
            prompt_per_second: rate(
                usage.prompt_tokens - usage.cached_tokens.min(usage.prompt_tokens),
                prompt_ms,
            ),
            decode_per_second: rate(usage.completion_tokens.saturating_sub(1), decode_ms),
        }
    }
}

/// A finished generation.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Generation {
    /// The text, up to a stop string.
    pub text: String,
    /// All generated tokens, including those of a stop string, without the end token.
    pub tokens: Vec<u32>,
    /// The reason for its end.
    pub finish_reason: FinishReason,
    /// Tokens in and out.
    pub usage: Usage,
    /// Times and rates.
    pub timings: Timings,
    /// The seed that was used; it repeats a sampled text.
    pub seed: u64,
    /// Each token with its probability, if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<Vec<TokenLogprob>>,
}

/// Log-probabilities of token `id` and of the `n` likeliest: the log-softmax of the `logits [V]` that it was
/// chosen from.
pub(super) fn token_logprob(tokenizer: &Tokenizer, logits: &[f32], id: u32, n: usize) -> TokenLogprob {
    let norm = log_sum_exp(logits);
    let likely = |id: u32| {
        let logit = logits.get(id as usize).copied().unwrap_or(f32::NEG_INFINITY);
        Likely { id, text: text_of(tokenizer, id), logprob: (f64::from(logit) - norm) as f32 }
    };
    let top = likeliest(logits, n).into_iter().map(likely).collect();
    TokenLogprob { chosen: likely(id), top }
}

/// The text of one token: U+FFFD for bytes that are part of a character, the name of a token without text.
pub(super) fn text_of(tokenizer: &Tokenizer, id: u32) -> String {
    let text = tokenizer.decode(&[id]);
    if text.is_empty() { tokenizer.piece(id).unwrap_or_default().to_owned() } else { text }
}

/// ln(sum(exp(logits))).
pub(super) fn log_sum_exp(logits: &[f32]) -> f64 {
    let largest = f64::from(logits.iter().copied().fold(f32::MIN, f32::max));
    largest + logits.iter().map(|l| (f64::from(*l) - largest).exp()).sum::<f64>().ln()
}

/// Ids of the `n` highest logits, highest first, lower ids first among equals.
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

/// Milliseconds since a moment.
pub(super) fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
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
