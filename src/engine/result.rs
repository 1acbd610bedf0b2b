//! What a request reports: what happens while it runs, and its result.

use serde::Serialize;
use web_time::Instant;

/// What happens while a request runs.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Event {
    /// More of the prompt is computed.
    Prefill(Prefill),
    /// A token was chosen.
    Token(Piece),
    /// Text that was held back, at the end, and that no token comes with: it could have begun a stop string or a character.
    Rest {
        /// The text.
        text: String,
    },
}

/// How far a prompt is, in tokens. What is used again of an earlier request counts neither as done nor in the total.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Prefill {
    /// Tokens that are computed.
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
    /// Natural logarithm of its probability, where asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprob: Option<f32>,
    /// The likeliest tokens, likeliest first, where asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top: Option<Vec<Likely>>,
}

/// A token that could have been chosen.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Likely {
    /// Token id.
    pub id: u32,
    /// Its text; the name of a token that stands for none.
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
    /// The likeliest tokens in its place, likeliest first.
    pub top: Vec<Likely>,
}

/// Why a generation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model gave an end token, or the text came to a stop string.
    Stop,
    /// `max_tokens` were generated, or the context is full.
    Length,
    /// The caller asked for no more.
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
    /// Tokens left out because the context was full, of the prompt and, where it slides, of the text.
    pub dropped_tokens: usize,
}

/// Wall-clock times of a generation, in milliseconds, and rates in tokens per second.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Timings {
    /// From the request to the logits of the prompt's last token.
    pub prompt_ms: f64,
    /// From the request to the first token.
    pub first_token_ms: f64,
    /// From the first token to the last.
    pub decode_ms: f64,
    /// Computed prompt tokens a second.
    pub prompt_per_second: f64,
    /// Tokens after the first, a second; 0 where there is one.
    pub decode_per_second: f64,
}

impl Timings {
    /// Taken at the end of a generation; `prompt_ms` is from the request to the prompt's logits.
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
    /// All generated tokens, also those of a stop string, without the end token.
    pub tokens: Vec<u32>,
    /// Why it ended.
    pub finish_reason: FinishReason,
    /// Tokens in and out.
    pub usage: Usage,
    /// How long it took.
    pub timings: Timings,
    /// The seed that was used: repeats a sampled text.
    pub seed: u64,
    /// Each token with its probability, where asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<Vec<TokenLogprob>>,
}
