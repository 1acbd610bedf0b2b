//! The exact results in tests/data (see the README there).

use std::path::PathBuf;

use serde::Deserialize;

use super::npy::Array;

/// Exact results of one model.
#[derive(Debug, Deserialize)]
pub(crate) struct Goldens {
    pub(crate) prompts: Vec<Prompt>,
    /// Ids of the perplexity text, BOS first; the real model only.
    #[serde(default)]
    pub(crate) ppl_ids: Vec<u32>,
}

/// One prompt and what follows it.
#[derive(Debug, Deserialize)]
pub(crate) struct Prompt {
    pub(crate) name: String,
    /// The real model only; without BOS, which `ids` has.
    #[serde(default)]
    pub(crate) text: String,
    pub(crate) ids: Vec<u32>,
    /// This prompt's index into the arrays.
    pub(crate) row: usize,
    /// Id and logit of the highest logits of the last position, highest first.
    pub(crate) top20: Vec<(u32, f32)>,
    /// The most likely ids after the prompt, one after the other.
    pub(crate) greedy: Vec<u32>,
    /// First minus second logit at each greedy step.
    pub(crate) margins: Vec<f32>,
}

/// A path under tests/data.
pub(crate) fn data(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "data", name].iter().collect()
}

/// Reads `tests/data/NAME.json`.
pub(crate) fn goldens(name: &str) -> Goldens {
    let path = data(&format!("{name}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Reads `tests/data/NAME.npy`.
pub(crate) fn array(name: &str) -> Array {
    Array::read(&data(&format!("{name}.npy")))
}
