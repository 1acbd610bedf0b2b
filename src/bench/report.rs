//! What a benchmark reports. A gigabyte is 10^9 bytes.

use serde::Serialize;

use super::options::Protocol;
use crate::gpu::Profile;
use crate::gpu::device::Counters;
use crate::session::report::{Info, Stats};

/// Where a benchmark stands.
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
    /// Generations behind many positions.
    Depth,
    /// Kernel by kernel.
    Kernels,
}

/// How far a benchmark is.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BenchProgress {
    /// What was done last.
    pub stage: Stage,
    /// Steps done, over all stages.
    pub done: usize,
    /// Steps in all.
    pub total: usize,
    /// Speed of the run that was done last, in tokens per second.
    pub tokens_per_second: Option<f64>,
}

/// Figures of the runs that count.
#[derive(Clone, Debug, Serialize)]
pub struct Spread {
    /// The one in the middle.
    pub median: f64,
    /// Lowest.
    pub min: f64,
    /// Highest.
    pub max: f64,
    /// Each, in the order they were run.
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

/// The file that was measured.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelFile {
    /// Its name, without folders.
    pub name: String,
    /// Its size, where known.
    pub bytes: Option<u64>,
    /// Bytes of the weights that every token reads: all, but of an embedding that is not the logits' matrix a row only.
    pub weight_bytes_per_token: u64,
}

/// What was found right before anything was timed.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Gate {
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// What the model generates after it: the same in two runs.
    pub tokens: Vec<u32>,
    /// Positions at which the prompt with those tokens was computed at once, to compare with token by token.
    pub compared: usize,
    /// At how many of them the likeliest token is the generated one.
    pub same: usize,
    /// Largest distance of a generated token's logit from the highest, in standard deviations of the logits.
    pub worst_gap: f64,
    /// The distance that rounding may explain.
    pub tolerance: f64,
}

/// How fast the adapter reads memory.
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

/// Speed at computing prompts.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PromptTest {
    /// Tokens of a prompt.
    pub tokens: usize,
    /// From the request to the arrival of the first token on the CPU.
    pub tokens_per_second: Spread,
    /// The same time, in milliseconds.
    pub first_token_ms: Spread,
    /// Arithmetic of the products with the layers' matrices, 10^12 operations per second.
    pub teraflops: f64,
    /// What the last run added to the counters.
    pub counts: Counters,
}

/// Speed at generating.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GenerationTest {
    /// Tokens a run counts: the first one generated is not among them.
    pub tokens: usize,
    /// Positions before the first that counts.
    pub depth: usize,
    /// From the arrival of the first token on the CPU to that of the last.
    pub tokens_per_second: Spread,
    /// Weights, keys and values that a token reads, on average.
    pub bytes_per_token: u64,
    /// The same by the median's time.
    pub gigabytes_per_second: f64,
    /// That as a part of the roofline.
    pub of_roofline: Option<f64>,
    /// What the last run added to the counters.
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

/// Where the time goes.
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
    /// As the caller said.
    pub date: Option<String>,
    /// As the caller said.
    pub host: Option<String>,
    /// As the caller said.
    pub label: Option<String>,
    /// As the caller said: how long loading took, in milliseconds.
    pub load_ms: Option<f64>,
    /// What the device was given beyond WebGPU's core, by WebGPU's names.
    pub features: Vec<&'static str>,
    /// The file.
    pub file: ModelFile,
    /// The model and the adapter.
    pub model: Info,
    /// Whose definitions.
    pub protocol: Protocol,
    /// Runs of each test that count.
    pub repetitions: usize,
    /// Runs before them that do not.
    pub warmups: usize,
    /// What was checked.
    pub gate: Gate,
    /// Time to the first token of the gate's prompt, in milliseconds: the very first work of a model that is just loaded.
    pub cold_first_token_ms: f64,
    /// Memory speed, where asked for.
    pub roofline: Option<Roofline>,
    /// Prompts, unless of 0 tokens.
    pub prompt: Option<PromptTest>,
    /// Generation, unless of 0 tokens.
    pub generation: Option<GenerationTest>,
    /// Work of a token, unless none is generated.
    pub per_token: Option<PerToken>,
    /// Generation behind many positions, where asked for.
    pub depths: Vec<GenerationTest>,
    /// Kernel by kernel, where asked for.
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
