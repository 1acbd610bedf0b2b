//! What a session is told and what it reports: options, progress, pieces, results, counts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use web_time::Instant;

use crate::error::{Error, Result};
use crate::gpu::Tuning;
use crate::gpu::device::{AdapterInfo, Counters};
use crate::model::Config;
use crate::model::runner::GpuBytes;
use crate::sampler::Sampling;
use crate::session::logit_bias;

/// Where a load stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Reading metadata and tensor table, building the tokenizer.
    Header,
    /// Streaming weights to the GPU.
    Weights,
    /// Ready to generate.
    Ready,
}

/// How far a load is, in bytes of the file.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Progress {
    /// Where the load stands.
    pub phase: Phase,
    /// Bytes of the file that are done.
    pub loaded: u64,
    /// Bytes of the file, where known.
    pub total: Option<u64>,
}

/// What a request may set. Defaults are those of Gemma's model cards.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct GenerateOptions {
    /// Tokens to generate at most; at least 1.
    pub max_tokens: usize,
    /// See [`Sampling::temperature`].
    pub temperature: f32,
    /// See [`Sampling::top_k`].
    pub top_k: usize,
    /// See [`Sampling::top_p`].
    pub top_p: f32,
    /// See [`Sampling::min_p`].
    pub min_p: f32,
    /// See [`Sampling::repetition_penalty`].
    pub repetition_penalty: f32,
    /// See [`Sampling::frequency_penalty`].
    pub frequency_penalty: f32,
    /// See [`Sampling::presence_penalty`].
    pub presence_penalty: f32,
    /// See [`Sampling::logit_bias`].
    #[serde(deserialize_with = "logit_bias::deserialize")]
    pub logit_bias: BTreeMap<u32, f32>,
    /// Repeats a sampled text on the same adapter; `None`: another text each time.
    pub seed: Option<u64>,
    /// Goes on after an end token, as a benchmark must.
    #[serde(skip)]
    pub ignore_end: bool,
}

impl Default for GenerateOptions {
    fn default() -> Self {
        let sampling = Sampling::default();
        Self {
            max_tokens: 256,
            temperature: sampling.temperature,
            top_k: sampling.top_k,
            top_p: sampling.top_p,
            min_p: sampling.min_p,
            repetition_penalty: sampling.repetition_penalty,
            frequency_penalty: sampling.frequency_penalty,
            presence_penalty: sampling.presence_penalty,
            logit_bias: sampling.logit_bias,
            seed: None,
            ignore_end: false,
        }
    }
}

impl GenerateOptions {
    pub(super) fn sampling(&self) -> Sampling {
        Sampling {
            temperature: self.temperature,
            top_k: self.top_k,
            top_p: self.top_p,
            min_p: self.min_p,
            repetition_penalty: self.repetition_penalty,
            frequency_penalty: self.frequency_penalty,
            presence_penalty: self.presence_penalty,
            logit_bias: self.logit_bias.clone(),
        }
    }

    /// # Errors
    /// [`Error::InvalidOption`] naming the option, its value and its range.
    pub fn validate(&self) -> Result<()> {
        if self.max_tokens == 0 {
            return Err(Error::InvalidOption {
                option: "maxTokens".to_owned(),
                found: "0".to_owned(),
                expected: "at least 1".to_owned(),
            });
        }
        self.sampling().validate()
    }
}

/// A generated token and the text it completes, which is empty while a character is incomplete.
#[derive(Clone, Debug, Serialize)]
pub struct Piece {
    /// Token id.
    pub id: u32,
    /// New text.
    pub text: String,
}

/// Why a generation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model gave an end token.
    Stop,
    /// `max_tokens` were generated, or the context is full.
    Length,
}

/// Tokens in and out.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// Tokens of the prompt, BOS included.
    pub prompt_tokens: usize,
    /// Tokens generated, without the end token.
    pub completion_tokens: usize,
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
    /// Prompt tokens a second.
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
            prompt_per_second: rate(usage.prompt_tokens, prompt_ms),
            decode_per_second: rate(usage.completion_tokens.saturating_sub(1), decode_ms),
        }
    }
}

/// A finished generation.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Generation {
    /// The text.
    pub text: String,
    /// Its tokens, without the end token.
    pub tokens: Vec<u32>,
    /// Why it ended.
    pub finish_reason: FinishReason,
    /// Tokens in and out.
    pub usage: Usage,
    /// How long it took.
    pub timings: Timings,
    /// The seed that was used: repeats a sampled text.
    pub seed: u64,
}

/// What is loaded, and on what.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Info {
    /// Hyper-parameters.
    pub config: Config,
    /// Positions that fit (the model may know more).
    pub context_length: usize,
    /// Whether the model follows the turn format; otherwise it continues texts.
    pub chat: bool,
    /// The mixture of formats by the name that files end in: `Q4_K_M`.
    pub quantisation: String,
    /// Formats of the weights with the bytes each takes in the file, largest first.
    pub formats: Vec<(String, u64)>,
    /// Adapter and limits.
    pub adapter: AdapterInfo,
    /// GPU memory held.
    pub gpu_bytes: GpuBytes,
    /// Which variants of the kernels run: arithmetic and how many lanes share rows.
    pub tuning: Tuning,
}

/// Running totals of the device, and the memory it holds.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// Dispatches, submissions, bytes …
    #[serde(flatten)]
    pub counters: Counters,
    /// GPU memory held.
    pub gpu_bytes: GpuBytes,
    /// Time from the header to a ready tokenizer, in milliseconds.
    pub tokenizer_ms: f64,
    /// Time that loading spent waiting for bytes of the file, in milliseconds.
    pub read_ms: f64,
}
