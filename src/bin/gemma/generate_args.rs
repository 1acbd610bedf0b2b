//! Arguments of a generation, as clap reads them. Negative numbers pass here, and are refused by their range.

use clap::Args;
use gemma_web::engine::GenerateOptions;
use gemma_web::sampler;

/// Length, seed and sampling of a text.
#[derive(Debug, Args)]
pub(crate) struct Generate {
    /// Maximum number of tokens to generate.
    #[arg(short = 'n', long, value_name = "N", allow_negative_numbers = true)]
    #[arg(default_value_t = GenerateOptions::default().max_tokens)]
    max_tokens: usize,
    #[command(flatten)]
    sampling: Sampling,
    /// Seed that makes the text repeatable.
    #[arg(long, value_name = "SEED", allow_negative_numbers = true)]
    seed: Option<u64>,
}

impl Generate {
    pub(crate) fn options(&self) -> GenerateOptions {
        GenerateOptions {
            max_tokens: self.max_tokens,
            sampling: self.sampling.options(),
            seed: self.seed,
            ..GenerateOptions::default()
        }
    }
}

/// Choice of the next token.
#[derive(Debug, Args)]
struct Sampling {
    /// 0 takes the most likely token at each step.
    #[arg(long, value_name = "T", default_value_t = default().temperature, allow_negative_numbers = true)]
    temperature: f32,
    /// Keep the K most likely tokens; 0 keeps all.
    #[arg(long, value_name = "K", default_value_t = default().top_k, allow_negative_numbers = true)]
    top_k: usize,
    /// Keep the most likely tokens that together have this probability; 1 keeps all.
    #[arg(long, value_name = "P", default_value_t = default().top_p, allow_negative_numbers = true)]
    top_p: f32,
    /// Keep the tokens at least this likely, relative to the most likely one; 0 keeps all.
    #[arg(long, value_name = "P", default_value_t = default().min_p, allow_negative_numbers = true)]
    min_p: f32,
    /// Divide the positive and multiply the negative logits of the last 64 tokens, prompt included; 1 changes
    /// nothing.
    #[arg(long, value_name = "R", default_value_t = default().repetition_penalty, allow_negative_numbers = true)]
    repetition_penalty: f32,
    /// Subtract F from the logit of a token for each time it is among the last 64.
    #[arg(long, value_name = "F", default_value_t = default().frequency_penalty, allow_negative_numbers = true)]
    frequency_penalty: f32,
    /// Subtract P from the logits of the tokens among the last 64.
    #[arg(long, value_name = "P", default_value_t = default().presence_penalty, allow_negative_numbers = true)]
    presence_penalty: f32,
    /// Add to the logits of these tokens, up to 256; -inf forbids one.
    #[arg(long, value_name = "ID=BIAS,…", value_delimiter = ',', value_parser = id_and_bias)]
    logit_bias: Vec<(u32, f32)>,
}

impl Sampling {
    fn options(&self) -> sampler::Sampling {
        sampler::Sampling {
            temperature: self.temperature,
            top_k: self.top_k,
            top_p: self.top_p,
            min_p: self.min_p,
            repetition_penalty: self.repetition_penalty,
            frequency_penalty: self.frequency_penalty,
            presence_penalty: self.presence_penalty,
            logit_bias: self.logit_bias.iter().copied().collect(),
        }
    }
}

fn default() -> sampler::Sampling {
    sampler::Sampling::default()
}

fn id_and_bias(text: &str) -> Result<(u32, f32), String> {
    let parsed = text.split_once('=').and_then(|(id, bias)| Some((id.parse().ok()?, bias.parse().ok()?)));
    parsed.ok_or_else(|| "expected a token id, '=' and a number".to_owned())
}
