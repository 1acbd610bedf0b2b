//! Information about an engine: the progress of its load, the model and its file, counters.

use serde::Serialize;

use super::options::GenerateOptions;
use crate::gguf::Header;
use crate::gpu::Tuning;
use crate::gpu::device::{AdapterInfo, Counters};
use crate::model::cpu::model::Processor;
use crate::model::gpu::self_test::Variants;
use crate::model::memory::{DeviceBytes, DeviceKind};
use crate::model::{Config, Model};

/// Phase of a load.
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

/// Progress of a load, in bytes of the file.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Progress {
    /// The phase.
    pub phase: Phase,
    /// Bytes of the file loaded so far.
    pub loaded: u64,
    /// Bytes of the file, if known.
    pub total: Option<u64>,
}

/// Facts about a model on a GPU.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GpuFacts {
    /// Adapter and limits.
    pub adapter: AdapterInfo,
    /// Variants of the kernels that run: arithmetic, and the number of lanes that share rows.
    pub tuning: Tuning,
    /// The same in detail, with the kernels that the self-test replaced.
    pub variants: Variants,
}

impl GpuFacts {
    pub(super) fn of(model: &Model) -> Option<Self> {
        let model = model.gpu()?;
        Some(Self { adapter: model.gpu().info().clone(), tuning: model.tuning(), variants: model.variants() })
    }
}

/// Description of a loaded model and its device.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Info {
    /// Hyper-parameters.
    pub config: Config,
    /// Positions that fit in the context (the model may support more).
    pub context_length: usize,
    /// Whether the model follows the turn format; otherwise it only continues text.
    pub chat: bool,
    /// Mixture of formats, by the name that file names end in: `Q4_K_M`.
    pub quantisation: String,
    /// Formats of the weights with the bytes each takes in the file, largest first.
    pub formats: Vec<(String, u64)>,
    /// The device that the model runs on.
    pub device: DeviceKind,
    /// Memory held there.
    pub gpu_bytes: DeviceBytes,
    /// Facts about a GPU.
    #[serde(flatten)]
    pub gpu: Option<GpuFacts>,
    /// Facts about the CPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processor: Option<Processor>,
    /// The adapter that was slower than the CPU, if the choice was left open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slow_adapter: Option<AdapterInfo>,
    /// Defaults of the options that a request does not set. Model files name none; these are the values of
    /// Gemma's model cards, and the `generation_config` files of Gemma 1 and 2 have no others.
    pub defaults: GenerateOptions,
}

/// Bytes of memory on the device by kind, and their sum.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Memory {
    /// By kind.
    #[serde(flatten)]
    pub kinds: DeviceBytes,
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
    /// Memory held there.
    pub gpu_bytes: DeviceBytes,
    /// Time from the header to a ready tokenizer, in milliseconds.
    pub tokenizer_ms: f64,
    /// Time that loading spent waiting for bytes of the file, in milliseconds.
    pub read_ms: f64,
}

/// The loaded file.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelFile {
    /// Its name, without folders.
    pub name: String,
    /// Its size, if known.
    pub bytes: Option<u64>,
    /// Bytes of the weights that every token reads: all weights, but only one row of an embedding that is not
    /// also the output matrix.
    pub weight_bytes_per_token: u64,
}

impl ModelFile {
    /// Describes the file of a header. `name` may be a path or an address.
    pub(super) fn new(name: &str, bytes: Option<u64>, header: &Header) -> Self {
        let address = name.split(['?', '#']).next().unwrap_or_default();
        let name = address.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
        let embedding =
            header.tensor("token_embd.weight").filter(|_| header.tensor("output.weight").is_some());
        let rows = |rows: Option<&u64>| rows.copied().unwrap_or(1).max(1);
        let all: u64 = header.tensors.iter().map(|tensor| tensor.bytes).sum();
        let unread = embedding.map_or(0, |tensor| tensor.bytes - tensor.bytes / rows(tensor.shape.get(1)));
        Self { name, bytes, weight_bytes_per_token: all - unread }
    }
}
