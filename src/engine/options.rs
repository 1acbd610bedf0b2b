//! What a request may set, and what is allowed.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use super::logit_bias;
use crate::error::{Error, Result};
use crate::sampler::Sampling;

/// Most stop strings, and their longest, in characters.
const MAX_STOPS: usize = 16;
const MAX_STOP_CHARS: usize = 1000;
/// Most tokens that are listed with their probabilities beside the chosen one.
pub(super) const MAX_LOGPROBS: usize = 20;

/// What happens where prompt and text don't fit in the context.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Overflow {
    /// [`Error::ContextFull`] where the prompt doesn't fit; at the end of the context the text ends ([`super::FinishReason::Length`]).
    #[default]
    Error,
    /// The oldest of the prompt is dropped, so that the text fits too (up to half the context). System text and BOS stay.
    Truncate,
    /// As truncate; and where the context is full while generating, the oldest is dropped again and the text goes on.
    Slide,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Texts before which the generated text ends, without them: up to 16 of 1 to 1000 characters. One string counts as a list of one.
    #[serde(deserialize_with = "one_or_more")]
    pub stop: Vec<String>,
    /// Tells the log-probability of each token, and of so many others that were likeliest (0 to 20). Every token's logits are then
    /// read back, which is slower. `None`: doesn't.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<usize>,
    /// What happens where prompt and text don't fit in the context.
    pub overflow: Overflow,
    /// Whether a request without a session uses what the last one left in the KV cache, as far as both begin alike. Sessions always do.
    pub cache_prompt: bool,
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
            stop: Vec::new(),
            logprobs: None,
            overflow: Overflow::default(),
            cache_prompt: false,
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
            return Err(invalid("maxTokens", "0", "at least 1".to_owned()));
        }
        let n_stops = self.stop.len();
        if n_stops > MAX_STOPS {
            return Err(invalid(
                "stop",
                format!("{n_stops} strings"),
                format!("at most {MAX_STOPS} strings"),
            ));
        }
        let lengths = self.stop.iter().map(|stop| stop.chars().count());
        if let Some(n) = lengths.into_iter().find(|n| !(1..=MAX_STOP_CHARS).contains(n)) {
            let expected = format!("strings of 1 to {MAX_STOP_CHARS} characters");
            return Err(invalid("stop", format!("a string of {n} characters"), expected));
        }
        if let Some(n) = self.logprobs.filter(|n| *n > MAX_LOGPROBS) {
            return Err(invalid("logprobs", n.to_string(), format!("0 to {MAX_LOGPROBS}")));
        }
        self.sampling().validate()
    }
}

fn invalid(option: &str, found: impl Into<String>, expected: String) -> Error {
    Error::InvalidOption { option: option.to_owned(), found: found.into(), expected }
}

fn one_or_more<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a string or an array of strings")]
    enum OneOrMore {
        One(String),
        More(Vec<String>),
    }
    Ok(match OneOrMore::deserialize(from)? {
        OneOrMore::One(stop) => vec![stop],
        OneOrMore::More(stops) => stops,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<GenerateOptions, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn one_stop_is_a_list_of_one() {
        assert_eq!(read(r#"{"stop": "a"}"#).unwrap().stop, ["a"]);
        assert_eq!(read(r#"{"stop": ["a", "b"]}"#).unwrap().stop, ["a", "b"]);
        assert!(read(r#"{"stop": 5}"#).unwrap_err().contains("a string or an array of strings"));
        assert_eq!(read(r#"{"overflow": "slide"}"#).unwrap().overflow, Overflow::Slide);
    }

    #[test]
    fn ranges_are_checked() {
        let with = |edit: fn(&mut GenerateOptions)| {
            let mut options = GenerateOptions::default();
            edit(&mut options);
            match options.validate() {
                Err(Error::InvalidOption { option, .. }) => option,
                other => format!("{other:?}"),
            }
        };
        assert!(GenerateOptions::default().validate().is_ok());
        assert_eq!(with(|o| o.max_tokens = 0), "maxTokens");
        assert_eq!(with(|o| o.stop = vec![String::new()]), "stop");
        assert_eq!(with(|o| o.stop = vec!["x".repeat(1001)]), "stop");
        assert_eq!(with(|o| o.stop = vec!["x".to_owned(); 17]), "stop");
        assert_eq!(with(|o| o.stop = vec!["é".repeat(1000); 16]), "Ok(())");
        assert_eq!(with(|o| o.logprobs = Some(21)), "logprobs");
        assert_eq!(with(|o| o.top_p = 2.0), "topP");
    }
}
