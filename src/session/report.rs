//! What an engine tells of itself: how far a load is, what is loaded, counts.

use serde::Serialize;

use super::options::GenerateOptions;
use crate::gpu::Tuning;
use crate::gpu::device::{AdapterInfo, Counters};
use crate::model::Config;
use crate::model::gpu::model::GpuBytes;
use crate::model::gpu::self_test::Variants;

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
    /// The same and more, with what the self-test replaced.
    pub variants: Variants,
    /// What options are where a request doesn't say. The files name none; these are the values of Gemma's model cards, and the
    /// `generation_config` files of Gemma 1 and 2 have no others.
    pub defaults: GenerateOptions,
}

/// Bytes of live GPU buffers by kind, and their sum.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Memory {
    /// By kind.
    #[serde(flatten)]
    pub kinds: GpuBytes,
    /// The sum.
    pub total: u64,
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
