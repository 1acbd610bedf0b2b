//! Inspection of a file by its header alone, before a download or an allocation: its model, and the memory it
//! needs.

use serde::Serialize;

use crate::cancel::Cancel;
use crate::error::Result;
use crate::gguf::{self, Header};
use crate::gpu::Gpu;
use crate::gpu::device::AdapterInfo;
use crate::model::loading::plan_memory;
use crate::model::memory::MemoryPlan;
use crate::model::{Config, ModelOptions};
use crate::quant;
use crate::source::ModelSource;

/// A model that could be loaded.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inspection {
    /// Hyper-parameters.
    pub config: Config,
    /// Mixture of formats, by the name that file names end in: `Q4_K_M`.
    pub quantisation: String,
    /// Formats of the weights with the bytes each takes in the file, largest first.
    pub formats: Vec<(String, u64)>,
    /// Bytes of the file, if known.
    pub file_bytes: Option<u64>,
    /// Memory that the model takes, and whether it fits.
    pub memory: MemoryPlan,
    /// The adapter that there is. `None` if there is none; the plan is then for the CPU or, in a browser, for
    /// WebGPU's default limits.
    pub adapter: Option<AdapterInfo>,
}

/// Reads the header of a file and plans its memory for the device at hand.
///
/// # Errors
/// Those of the source and of [`plan_memory`]. A model that doesn't fit is no error.
pub async fn inspect<S: ModelSource>(
    mut source: S,
    options: &ModelOptions,
    cancel: &Cancel,
) -> Result<Inspection> {
    let (header, _) = gguf::read_header(&mut source, cancel).await?;
    let adapter = Gpu::open(&options.gpu).await.ok().map(|gpu| gpu.info().clone());
    Ok(Inspection {
        config: Config::from_metadata(&header.metadata)?,
        quantisation: quantisation(&header)?,
        formats: formats(&header),
        file_bytes: source.len(),
        memory: plan_memory(&header, options, adapter.as_ref().map(|adapter| &adapter.limits))?,
        adapter,
    })
}

/// Name of the mixture of formats, as the file states it; if it does not, the format with the most bytes.
pub(super) fn quantisation(header: &Header) -> Result<String> {
    let mixture = header.metadata.opt_u32("general.file_type")?;
    let named = mixture.and_then(quant::mixture_name).map(str::to_owned);
    let largest = || formats(header).into_iter().next().map(|(name, _)| name);
    Ok(named.or_else(largest).unwrap_or_default())
}

/// Formats of the tensors with their bytes in the file, largest first.
pub(super) fn formats(header: &Header) -> Vec<(String, u64)> {
    let mut formats: Vec<(String, u64)> = Vec::new();
    for tensor in &header.tensors {
        match formats.iter_mut().find(|(name, _)| name == tensor.format.name) {
            Some((_, bytes)) => *bytes += tensor.bytes,
            None => formats.push((tensor.format.name.to_owned(), tensor.bytes)),
        }
    }
    formats.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    formats
}
