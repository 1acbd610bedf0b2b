//! Report of a benchmark. A gigabyte is 10^9 bytes.

use serde::Serialize;

use super::options::Protocol;
use crate::engine::{Info, ModelFile, Stats};
use crate::gpu::Profile;
use crate::gpu::device::Counters;

/// Stage of a benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Checking that results are right before they are timed.
    Gate,
    /// Counting the work of a token.
    Counts,
    /// Reading memory.
    Roofline,
    /// Prompts.
    Prompt,
    /// Generations.
    Generation,
    /// Generations at a depth.
    Depth,
    /// Kernel by kernel.
    Kernels,
}

/// Progress of a benchmark.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BenchProgress {
    /// The stage of the last step.
    pub stage: Stage,
    /// Steps done, over all stages.
    pub done: usize,
    /// Steps in all.
    pub total: usize,
    /// Speed of the last run, in tokens per second.
    pub tokens_per_second: Option<f64>,
}

/// Figures of the runs that count.
#[derive(Clone, Debug, Serialize)]
pub struct Spread {
    /// Median.
    pub median: f64,
    /// Lowest.
    pub min: f64,
    /// Highest.
    pub max: f64,
    /// Every run, in the order they were run.
    pub runs: Vec<f64>,
}

impl Spread {
    pub(super) fn of(runs: Vec<f64>) -> Self {
        let mut sorted = runs.clone();
        sorted.sort_by(f64::total_cmp);
        let at = |ix: usize| sorted.get(ix).copied().unwrap_or_default();
        let median = (at(sorted.len() / 2) + at(sorted.len().saturating_sub(1) / 2)) / 2.0;
        Self { median, min: at(0), max: at(sorted.len().saturating_sub(1)), runs }
    }
}

/// Results of the check that precedes the timing.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Gate {
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// The tokens that the model generates after it: the same in two runs.
    pub tokens: Vec<u32>,
    /// Positions at which the prompt with those tokens was computed at once, to compare with token by token.
    pub compared: usize,
    /// Positions among them at which the likeliest token is the generated one.
    pub same: usize,
    /// Largest distance of a generated token's logit from the highest, in standard deviations of the logits.
    pub worst_gap: f64,
    /// The distance that rounding may explain.
    pub tolerance: f64,
}

/// Read bandwidth of the adapter's memory.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Roofline {
    /// Bytes of the buffer that was read.
    pub bytes: u64,
    /// The best run.
    pub gigabytes_per_second: f64,
    /// Each run.
    pub runs: Vec<f64>,
}

/// Result of the prompt test.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PromptTest {
    /// Tokens of a prompt.
    pub tokens: usize,
    /// Speed from the request to the arrival of the first token on the CPU.
    pub tokens_per_second: Spread,
    /// The same time, in milliseconds.
    pub first_token_ms: Spread,
    /// Arithmetic of the products with the layers' matrices, 10^12 operations per second.
    pub teraflops: f64,
    /// Counts of the last run.
    pub counts: Counters,
}

/// Result of a generation test.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GenerationTest {
    /// Counted tokens of a run, without the first one generated.
    pub tokens: usize,
    /// Positions before the first counted token.
    pub depth: usize,
    /// Speed from the arrival of the first token on the CPU to that of the last.
    pub tokens_per_second: Spread,
    /// Weights, keys and values that a token reads, on average.
    pub bytes_per_token: u64,
    /// The same per second, at the median speed.
    pub gigabytes_per_second: f64,
    /// The same as a fraction of the roofline.
    pub of_roofline: Option<f64>,
    /// Counts of the last run.
    pub counts: Counters,
}

/// Work of one decoded token, averaged.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PerToken {
    /// Compute dispatches.
    pub dispatches: f64,
    /// Compute passes.
    pub passes: f64,
    /// Queue submissions.
    pub submits: f64,
    /// Buffers, bind groups, pipelines and shader modules created.
    pub objects: f64,
    /// Bytes read back.
    pub bytes_read: f64,
    /// Bytes written.
    pub bytes_written: f64,
}

/// Time of each kernel.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Kernels {
    /// A decoded token.
    pub decode: Profile,
    /// Its position.
    pub decode_position: usize,
    /// A chunk of a prompt, from its beginning.
    pub prompt: Profile,
    /// Tokens of the chunk.
    pub prompt_tokens: usize,
}

/// The whole result.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BenchReport {
    /// Version of this crate.
    pub version: String,
    /// Day, as the caller gave it.
    pub date: Option<String>,
    /// Browser or machine, as the caller gave it.
    pub host: Option<String>,
    /// Name of the model, as the caller gave it.
    pub label: Option<String>,
    /// Time of the load, as the caller measured it, in milliseconds.
    pub load_ms: Option<f64>,
    /// Optional features of the device, by WebGPU's names.
    pub features: Vec<&'static str>,
    /// The file.
    pub file: ModelFile,
    /// The model and the adapter.
    pub model: Info,
    /// Definitions of the tests.
    pub protocol: Protocol,
    /// Counted runs of each test.
    pub repetitions: usize,
    /// Warm-up runs before them.
    pub warmups: usize,
    /// Results of the check.
    pub gate: Gate,
    /// Time to the first token of the gate's prompt, in milliseconds: the very first work of a newly loaded
    /// model.
    pub cold_first_token_ms: f64,
    /// Memory speed, if requested.
    pub roofline: Option<Roofline>,
    /// Prompt test, if it has tokens.
    pub prompt: Option<PromptTest>,
    /// Generation test, if it has tokens.
    pub generation: Option<GenerationTest>,
    /// Work of a token, if any is generated.
    pub per_token: Option<PerToken>,
    /// Generation at each depth, if requested.
    pub depths: Vec<GenerationTest>,
    /// Time of each kernel, if requested.
    pub kernels: Option<Kernels>,
    /// Running totals at the end.
    pub stats: Stats,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(Spread::of(vec![3.0, 1.0, 2.0]).median, 2.0);
        let even = Spread::of(vec![4.0, 1.0, 2.0, 3.0]);
        assert_eq!((even.median, even.min, even.max), (2.5, 1.0, 4.0));
        assert_eq!(even.runs, [4.0, 1.0, 2.0, 3.0], "in the order they were run");
    }
}
