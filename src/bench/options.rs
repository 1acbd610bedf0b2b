//! Options of the benchmark, and their meaning in tokens.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Definitions that the two figures follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Protocol {
    /// pp512 and tg128 of llama.cpp's `llama-bench`: a prompt alone, and a generation after BOS alone.
    #[default]
    #[serde(rename = "llama-bench")]
    LlamaBench,
    /// 1024 and 256 as Google publishes for LiteRT and MediaPipe: the generation follows the prompt.
    #[serde(rename = "litert")]
    LiteRt,
}

/// Options of a benchmark.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct BenchOptions {
    /// Definitions of the tests.
    pub protocol: Protocol,
    /// Tokens of the prompt; `None`: the protocol's. 0 leaves the test out.
    pub prompt_tokens: Option<usize>,
    /// Tokens generated, the first not counted; `None`: the protocol's. 0 leaves the test out.
    pub generated_tokens: Option<usize>,
    /// Counted runs of each test.
    pub repetitions: usize,
    /// Warm-up runs before them; the report has the very first one apart.
    pub warmups: usize,
    /// Depths of further generations: numbers of positions before them, filled with meaningless ids.
    pub depths: Vec<usize>,
    /// Whether to measure how fast the adapter reads memory.
    pub roofline: bool,
    /// Whether to measure the time of each kernel.
    pub kernels: bool,
    /// The caller's name for the model, for the report.
    pub label: Option<String>,
    /// The browser or the machine, for the report.
    pub host: Option<String>,
    /// The day, for the report.
    pub date: Option<String>,
    /// Time of the load as the caller measured it, in milliseconds, for the report.
    pub load_ms: Option<f64>,
}

impl Default for BenchOptions {
    fn default() -> Self {
        Self {
            protocol: Protocol::default(),
            prompt_tokens: None,
            generated_tokens: None,
            repetitions: 5,
            warmups: 2,
            depths: Vec::new(),
            roofline: true,
            kernels: true,
            label: None,
            host: None,
            load_ms: None,
            date: None,
        }
    }
}

/// Positions that the gate and the counts need.
pub(super) const LEAST_CONTEXT: usize = 48;
const MAX_RUNS: usize = 1000;

impl BenchOptions {
    /// P, tokens of the prompt.
    #[must_use]
    pub fn n_prompt(&self) -> usize {
        self.prompt_tokens.unwrap_or(match self.protocol {
            Protocol::LlamaBench => 512,
            Protocol::LiteRt => 1024,
        })
    }

    /// N, tokens generated after the first.
    #[must_use]
    pub fn n_generated(&self) -> usize {
        self.generated_tokens.unwrap_or(match self.protocol {
            Protocol::LlamaBench => 128,
            Protocol::LiteRt => 256,
        })
    }

    /// Positions before the first counted token of a generation.
    #[must_use]
    pub fn generation_depth(&self) -> usize {
        match self.protocol {
            Protocol::LlamaBench => 1,
            Protocol::LiteRt => self.n_prompt().max(1),
        }
    }

    /// Positions that the context must hold.
    #[must_use]
    pub fn context_needed(&self) -> usize {
        let deepest = self.depths.iter().copied().max().unwrap_or_default().max(self.generation_depth());
        LEAST_CONTEXT.max(self.n_prompt() + 1).max(deepest + self.n_generated() + 1)
    }

    /// # Errors
    /// [`Error::InvalidOption`] for numbers out of range, or a context that is too short.
    pub(super) fn validate(&self, context: usize) -> Result<()> {
        let invalid =
            |option, found: usize, expected: String| Err(Error::invalid_option(option, found, expected));
        if self.repetitions == 0 || self.repetitions > MAX_RUNS {
            return invalid("repetitions", self.repetitions, format!("1 to {MAX_RUNS}"));
        }
        if self.warmups > MAX_RUNS {
            return invalid("warmups", self.warmups, format!("0 to {MAX_RUNS}"));
        }
        if !self.depths.is_empty() && self.n_generated() == 0 {
            return invalid("generatedTokens", 0, "at least 1 where depths are given".to_owned());
        }
        let needed = self.context_needed();
        if context < needed {
            return invalid(
                "contextLength",
                context,
                format!("at least {needed}, which this benchmark takes"),
            );
        }
        Ok(())
    }
}
