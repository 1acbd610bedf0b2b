//! Sampling options, their ranges, and the kernel settings that follow from them.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::kernels::sample::{MAX_BIASES, MAX_TOP_K, Settings};
use crate::sampler::random::seed_hash;

/// Options of the choice of a token, by the names that callers use.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sampling {
    /// Divides the logits; 0 takes the likeliest token. 0 to 100.
    pub temperature: f32,
    /// Keeps the k likeliest tokens; 0 keeps all.
    pub top_k: usize,
    /// Then keeps the likeliest tokens until their probabilities reach p. Above 0, up to 1.
    pub top_p: f32,
    /// Then keeps tokens at least this fraction as likely as the likeliest. 0 to 1.
    pub min_p: f32,
    /// Divides the positive and multiplies the negative logits of recent tokens; 1 changes nothing. 0.01 to
    /// 100.
    pub repetition_penalty: f32,
    /// Subtracted from the logit of a recent token for each time it occurs. -2 to 2.
    pub frequency_penalty: f32,
    /// Subtracted from the logit of a recent token once. -2 to 2.
    pub presence_penalty: f32,
    /// Added to the logits of these tokens, -100 to 100; -infinity forbids one. Up to 256 tokens.
    pub logit_bias: BTreeMap<u32, f32>,
}

/// The values of Gemma's model cards.
impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            top_k: 64,
            top_p: 0.95,
            min_p: 0.0,
            repetition_penalty: 1.0,
            frequency_penalty: 0.0,
            presence_penalty: 0.0,
            logit_bias: BTreeMap::new(),
        }
    }
}

impl Sampling {
    /// The likeliest token at each step.
    #[must_use]
    pub fn greedy() -> Self {
        Self { temperature: 0.0, ..Self::default() }
    }

    /// # Errors
    /// [`Error::InvalidOption`] naming the option, its value and its range.
    pub fn validate(&self) -> Result<()> {
        let check = |option: &str, value: f32, ok: bool, expected: &str| {
            if ok { Ok(()) } else { Err(Error::invalid_option(option, value, expected)) }
        };
        let t = self.temperature;
        check("temperature", t, (0.0..=100.0).contains(&t), "a number from 0 to 100")?;
        check("topP", self.top_p, self.top_p > 0.0 && self.top_p <= 1.0, "a number above 0, up to 1")?;
        check("minP", self.min_p, (0.0..=1.0).contains(&self.min_p), "a number from 0 to 1")?;
        let r = self.repetition_penalty;
        check("repetitionPenalty", r, (0.01..=100.0).contains(&r), "a number from 0.01 to 100")?;
        for (option, p) in
            [("frequencyPenalty", self.frequency_penalty), ("presencePenalty", self.presence_penalty)]
        {
            check(option, p, (-2.0..=2.0).contains(&p), "a number from -2 to 2")?;
        }
        self.validate_biases()
    }

    fn validate_biases(&self) -> Result<()> {
        let (n, biases) = (self.logit_bias.len(), &self.logit_bias);
        if n > MAX_BIASES {
            let expected = format!("at most {MAX_BIASES} tokens");
            return Err(Error::invalid_option("logitBias", format!("{n} tokens"), expected));
        }
        let allowed = |bias: f32| (-100.0..=100.0).contains(&bias) || bias == f32::NEG_INFINITY;
        match biases.iter().find(|(_, bias)| !allowed(**bias)) {
            Some((id, bias)) => {
                let expected = "biases from -100 to 100, or -Infinity to forbid a token";
                Err(Error::invalid_option("logitBias", format!("{bias} for token {id}"), expected))
            }
            None => Ok(()),
        }
    }

    /// # Errors
    /// [`Error::InvalidOption`] if a token of `logit_bias` is none of the `n_vocab` there are.
    pub fn validate_ids(&self, n_vocab: usize) -> Result<()> {
        match self.logit_bias.keys().find(|id| **id as usize >= n_vocab) {
            Some(id) => {
                let expected = format!("token ids below {n_vocab}");
                Err(Error::invalid_option("logitBias", format!("token {id}"), expected))
            }
            None => Ok(()),
        }
    }

    /// Whether every step takes the likeliest token, after penalties and biases.
    #[must_use]
    pub fn is_greedy(&self) -> bool {
        self.temperature == 0.0 || self.top_k == 1
    }

    /// Whether recent tokens affect the choice.
    #[must_use]
    pub fn penalises(&self) -> bool {
        self.repetition_penalty != 1.0 || self.frequency_penalty != 0.0 || self.presence_penalty != 0.0
    }

    /// Settings of the `sample` kernel, which takes [`Sampling::logit_bias`] beside them. `None` if the
    /// kernel cannot do it: a draw from all tokens (`top_k` 0), or from more than [`MAX_TOP_K`], happens on
    /// the CPU, in [`super::choose`], from logits that are read back.
    #[must_use]
    pub fn settings(&self, seed: u64) -> Option<Settings> {
        if !self.is_greedy() && !(1..=MAX_TOP_K).contains(&self.top_k) {
            return None;
        }
        Some(Settings {
            // Below this temperature only the likeliest tokens have a weight, and its inverse is still
            // finite.
            inverse_temperature: 1.0 / self.temperature.max(1e-30),
            top_k: if self.is_greedy() { 1 } else { self.top_k as u32 },
            top_p: self.top_p,
            min_p: self.min_p,
            repetition: self.repetition_penalty,
            inverse_repetition: 1.0 / self.repetition_penalty,
            frequency: self.frequency_penalty,
            presence: self.presence_penalty,
            penalises: u32::from(self.penalises()),
            n_biases: self.logit_bias.len().min(MAX_BIASES) as u32,
            seed_hash: seed_hash(seed),
            pad: 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(edit: impl FnOnce(&mut Sampling)) -> Sampling {
        let mut sampling = Sampling::default();
        edit(&mut sampling);
        sampling
    }

    #[test]
    fn ranges_are_checked() {
        assert!(Sampling::default().validate().is_ok());
        assert!(
            with(|s| s.logit_bias = BTreeMap::from([(1, f32::NEG_INFINITY), (2, 100.0)])).validate().is_ok()
        );
        let biased = |bias| with(|s| s.logit_bias = BTreeMap::from([(7, bias)]));
        for (bad, name) in [
            (with(|s| s.temperature = -1.0), "temperature"),
            (with(|s| s.temperature = f32::NAN), "temperature"),
            (with(|s| s.top_p = 0.0), "topP"),
            (with(|s| s.min_p = 1.5), "minP"),
            (with(|s| s.repetition_penalty = 0.0), "repetitionPenalty"),
            (with(|s| s.frequency_penalty = 2.5), "frequencyPenalty"),
            (with(|s| s.presence_penalty = f32::NAN), "presencePenalty"),
            (biased(f32::NAN), "logitBias"),
            (biased(f32::INFINITY), "logitBias"),
            (biased(-101.0), "logitBias"),
            (with(|s| s.logit_bias = (0..257).map(|id| (id, 1.0)).collect()), "logitBias"),
        ] {
            match bad.validate() {
                Err(Error::InvalidOption { option, .. }) => assert_eq!(option, name),
                other => panic!("{name}: {other:?}"),
            }
        }
        assert!(biased(1.0).validate_ids(8).is_ok());
        assert!(
            matches!(biased(1.0).validate_ids(7), Err(Error::InvalidOption { found, .. }) if found == "token 7")
        );
    }

    #[test]
    fn the_kernel_takes_what_it_can() {
        assert!(Sampling::default().settings(1).is_some());
        assert!(with(|s| s.top_k = 65).settings(1).is_none());
        assert!(with(|s| s.top_k = 0).settings(1).is_none());
        let greedy = with(|s| (s.temperature, s.top_k) = (0.0, 0)).settings(1);
        assert_eq!(greedy.map(|settings| settings.top_k), Some(1));
    }
}
