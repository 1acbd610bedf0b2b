//! Options of a request, by the names that callers use, and their ranges.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Deserializer, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::sampler::Sampling;

/// Maximum number of stop strings, and maximum length of each in characters.
const MAX_STOPS: usize = 16;
const MAX_STOP_CHARS: usize = 1000;
/// Maximum number of likely tokens to list with the chosen one.
pub(super) const MAX_LOGPROBS: usize = 20;

/// Treatment of a text that does not fit in the context.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Overflow {
    /// A prompt that does not fit is [`Error::ContextFull`]; at the end of the context the text ends
    /// ([`super::FinishReason::Length`]).
    #[default]
    Error,
    /// Drops the oldest part of the prompt to make room for the generated text (at most half the context).
    /// The system text and BOS stay.
    Truncate,
    /// As `Truncate`. If the context fills up during generation, drops the oldest part again and continues.
    Slide,
}

/// Options of a request. Defaults are those of Gemma's model cards.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GenerateOptions {
    /// Maximum number of tokens to generate; at least 1.
    pub max_tokens: usize,
    /// Sampling of each token.
    #[serde(flatten)]
    pub sampling: Sampling,
    /// Seed that repeats a sampled text on the same adapter; `None`: another text each time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Strings that end the generated text, which does not include them: up to 16, of 1 to 1000 characters
    /// each. A single string counts as a list of one.
    pub stop: Vec<String>,
    /// Reports the log-probability of each token, and of this many of the likeliest tokens (0 to 20). Every
    /// token's logits are then read back, which is slower. `None`: no log-probabilities.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<usize>,
    /// Treatment of a text that does not fit in the context.
    pub overflow: Overflow,
    /// Whether a request without a session reuses the KV cache of the last one, as far as both texts begin
    /// alike. Sessions always do.
    pub cache_prompt: bool,
    /// Continues after an end token, as a benchmark must.
    #[serde(skip)]
    pub ignore_end: bool,
}

impl Default for GenerateOptions {
    fn default() -> Self {
        Self {
            max_tokens: 256,
            sampling: Sampling::default(),
            seed: None,
            stop: Vec::new(),
            logprobs: None,
            overflow: Overflow::default(),
            cache_prompt: false,
            ignore_end: false,
        }
    }
}

/// Reader of an option's value.
type Read<D, E> = fn(&mut GenerateOptions, D) -> std::result::Result<(), E>;

impl GenerateOptions {
    /// Options for the likeliest token at each step.
    #[must_use]
    pub fn greedy(max_tokens: usize) -> Self {
        Self { max_tokens, sampling: Sampling::greedy(), ..Self::default() }
    }

    /// Sets the option that callers know by `name`.
    ///
    /// # Errors
    /// Those of the deserializer: for an unknown name, which the error answers with all names, or a value of
    /// the wrong type.
    pub fn set<'de, D: Deserializer<'de>>(
        &mut self,
        name: &str,
        value: D,
    ) -> std::result::Result<(), D::Error> {
        let readers: [(&str, Read<D, D::Error>); 14] = [
            ("maxTokens", |options, value| read(&mut options.max_tokens, value)),
            ("temperature", |options, value| read(&mut options.sampling.temperature, value)),
            ("topK", |options, value| read(&mut options.sampling.top_k, value)),
            ("topP", |options, value| read(&mut options.sampling.top_p, value)),
            ("minP", |options, value| read(&mut options.sampling.min_p, value)),
            ("repetitionPenalty", |options, value| read(&mut options.sampling.repetition_penalty, value)),
            ("frequencyPenalty", |options, value| read(&mut options.sampling.frequency_penalty, value)),
            ("presencePenalty", |options, value| read(&mut options.sampling.presence_penalty, value)),
            ("logitBias", |options, value| {
                options.sampling.logit_bias = value.deserialize_map(Biases)?;
                Ok(())
            }),
            ("seed", |options, value| read(&mut options.seed, value)),
            ("stop", |options, value| {
                options.stop = one_or_more(value)?;
                Ok(())
            }),
            ("logprobs", |options, value| read(&mut options.logprobs, value)),
            ("overflow", |options, value| read(&mut options.overflow, value)),
            ("cachePrompt", |options, value| read(&mut options.cache_prompt, value)),
        ];
        match readers.iter().find(|(known, _)| *known == name) {
            Some((_, read)) => read(self, value),
            None => {
                let names = readers.map(|(known, _)| format!("`{known}`")).join(", ");
                Err(de::Error::custom(format_args!("unknown field `{name}`, expected one of {names}")))
            }
        }
    }

    /// # Errors
    /// [`Error::InvalidOption`] naming the option, its value and its range.
    pub fn validate(&self) -> Result<()> {
        if self.max_tokens == 0 {
            return Err(Error::invalid_option("maxTokens", 0, "at least 1"));
        }
        let n_stops = self.stop.len();
        if n_stops > MAX_STOPS {
            let expected = format!("at most {MAX_STOPS} strings");
            return Err(Error::invalid_option("stop", format!("{n_stops} strings"), expected));
        }
        let lengths = self.stop.iter().map(|stop| stop.chars().count());
        if let Some(n) = lengths.into_iter().find(|n| !(1..=MAX_STOP_CHARS).contains(n)) {
            let expected = format!("strings of 1 to {MAX_STOP_CHARS} characters");
            return Err(Error::invalid_option("stop", format!("a string of {n} characters"), expected));
        }
        if let Some(n) = self.logprobs.filter(|n| *n > MAX_LOGPROBS) {
            return Err(Error::invalid_option("logprobs", n, format!("0 to {MAX_LOGPROBS}")));
        }
        self.sampling.validate()
    }
}

fn read<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    into: &mut T,
    value: D,
) -> std::result::Result<(), D::Error> {
    *into = T::deserialize(value)?;
    Ok(())
}

fn one_or_more<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Vec<String>, D::Error> {
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

/// Biases by token id. JSON and JS objects have names as ids, a JS `Map` has numbers.
struct Biases;

impl<'de> Visitor<'de> for Biases {
    type Value = BTreeMap<u32, f32>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or a map from token ids to numbers")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> std::result::Result<Self::Value, A::Error> {
        let mut biases = BTreeMap::new();
        while let Some((Id(id), bias)) = entries.next_entry()? {
            biases.insert(id, bias);
        }
        Ok(biases)
    }
}

struct Id(u32);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        from.deserialize_any(IdVisitor)
    }
}

struct IdVisitor;

impl Visitor<'_> for IdVisitor {
    type Value = Id;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("token ids (integers from 0 on)")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> std::result::Result<Id, E> {
        text.parse().map(Id).map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
    }

    fn visit_u64<E: de::Error>(self, id: u64) -> std::result::Result<Id, E> {
        id.try_into().map(Id).map_err(|_| E::invalid_value(Unexpected::Unsigned(id), &self))
    }

    fn visit_i64<E: de::Error>(self, id: i64) -> std::result::Result<Id, E> {
        id.try_into().map(Id).map_err(|_| E::invalid_value(Unexpected::Signed(id), &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<GenerateOptions, String> {
        let entries: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(json).map_err(|error| error.to_string())?;
        let mut options = GenerateOptions::default();
        for (name, value) in entries {
            options.set(&name, value).map_err(|error| error.to_string())?;
        }
        Ok(options)
    }

    #[test]
    fn every_option_is_set_by_its_name() {
        let options = GenerateOptions { seed: Some(1), logprobs: Some(2), ..GenerateOptions::default() };
        let written = serde_json::to_value(&options).unwrap();
        assert_eq!(written.as_object().unwrap().len(), 14);
        let set = read(&written.to_string()).unwrap();
        assert_eq!(serde_json::to_value(&set).unwrap(), written);
        let unknown = read(r#"{"top_k": 5}"#).unwrap_err();
        let names = "expected one of `maxTokens`, `temperature`, `topK`, ";
        assert!(unknown.starts_with("unknown field `top_k`, ") && unknown.contains(names), "{unknown}");
    }

    #[test]
    fn biases_have_ids_as_names() {
        let biases = |json: &str| read(json).map(|options| Vec::from_iter(options.sampling.logit_bias));
        assert_eq!(biases("{}"), Ok(vec![]));
        assert_eq!(biases(r#"{"logitBias": {"7": -1.5, "5": 2}}"#), Ok(vec![(5, 2.0), (7, -1.5)]));
        for (bad, words) in [
            (r#"{"logitBias": 5}"#, "an object or a map"),
            (r#"{"logitBias": {"-1": 5}}"#, "token ids"),
            (r#"{"logitBias": {"5": "x"}}"#, "f32"),
        ] {
            assert!(biases(bad).is_err_and(|error| error.contains(words)), "{bad}: {:?}", biases(bad));
        }
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
        assert_eq!(with(|o| o.sampling.top_p = 2.0), "topP");
    }
}
