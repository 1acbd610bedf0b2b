//! Loading of an engine: reads the header, builds the tokenizer, and streams the weights to a device.

use std::collections::BTreeMap;

use futures_util::future::try_join;
use web_time::Instant;

use super::info::{GpuFacts, Info, ModelFile, Phase, Progress};
use super::live_kv::LiveKv;
use super::options::GenerateOptions;
use super::result::ms;
use super::state::Engine;
use super::{inspect, save};
use crate::cancel::Cancel;
use crate::chat::{self, Template};
use crate::error::{Error, Result};
use crate::gguf::{self, Header};
use crate::gpu::device::AdapterInfo;
use crate::model::gpu::adapter_record::AdapterRecord;
use crate::model::gpu::self_test::SelfTest;
use crate::model::loading::{Loading, Opened};
use crate::model::tensors::checked_config;
use crate::model::{Model, ModelOptions as LoadOptions};
use crate::source::prefixed::Prefixed;
use crate::source::timed::Timed;
use crate::source::{ByteSource, ModelSource};
use crate::tokenizer::Tokenizer;

/// A model on its device, with its header and the time spent waiting for bytes.
pub(super) struct LoadedModel {
    pub(super) model: Model,
    pub(super) header: Header,
    pub(super) read_ms: f64,
}

/// The beginning of a file: its header, and the bytes that were read for it.
pub(super) struct FileHead<'a> {
    pub(super) header: &'a Header,
    pub(super) name: &'a str,
    prefix: &'a [u8],
    total: Option<u64>,
}

impl FileHead<'_> {
    pub(super) fn fingerprint(&self) -> u64 {
        save::fingerprint(self.header, self.prefix)
    }

    fn file(&self) -> ModelFile {
        ModelFile::new(self.name, self.total, self.header)
    }
}

/// The empty record, for a load without a record of the adapter.
pub(super) fn no_record(_: &AdapterInfo) -> AdapterRecord {
    AdapterRecord::default()
}

impl Engine {
    /// Reads the header, builds the tokenizer, and streams the weights to the GPU.
    ///
    /// # Errors
    /// Every variant of [`Error`] about files, sources and devices.
    pub async fn load<S: ModelSource>(
        source: S,
        options: &LoadOptions,
        cancel: &Cancel,
        on_progress: &mut dyn FnMut(Progress),
    ) -> Result<Self> {
        Self::load_recalling(source, options, &no_record, cancel, on_progress).await
    }

    /// As [`Engine::load`]. Calls `recall` once, when the adapter is open, for its record from earlier loads.
    ///
    /// # Errors
    /// As [`Engine::load`].
    pub async fn load_recalling<S: ModelSource>(
        source: S,
        options: &LoadOptions,
        recall: &dyn Fn(&AdapterInfo) -> AdapterRecord,
        cancel: &Cancel,
        on_progress: &mut dyn FnMut(Progress),
    ) -> Result<Self> {
        let mut found = None;
        let mut on_header = |head: &FileHead<'_>| {
            let started = Instant::now();
            let tokenizer = Tokenizer::from_gguf(&head.header.metadata)?;
            found = Some((tokenizer, ms(started), head.fingerprint(), head.file()));
            Ok(())
        };
        let loaded = load_model(source, options, recall, cancel, on_progress, &mut on_header).await?;
        let LoadedModel { model, header, read_ms } = loaded;
        let missing = || Error::Internal { what: "a model came without its tokenizer".to_owned() };
        let (tokenizer, tokenizer_ms, fingerprint, file) = found.ok_or_else(missing)?;
        let info = Info {
            config: model.config().clone(),
            context_length: model.context(),
            chat: chat::is_chat(&tokenizer, &header.metadata),
            quantisation: inspect::quantisation(&header)?,
            formats: inspect::formats(&header),
            device: model.device(),
            gpu_bytes: model.bytes(),
            gpu: GpuFacts::of(&model),
            processor: model.processor().cloned(),
            slow_adapter: model.slow_adapter().cloned(),
            defaults: GenerateOptions::default(),
        };
        Ok(Self {
            kv_layout: save::kv_layout(fingerprint, &model),
            fingerprint,
            options: reload_options(options, &model),
            model: Some(model),
            info,
            tokenizer,
            file,
            template: Template::from_gguf(&header.metadata)?,
            tokenizer_ms,
            read_ms,
            live_kv: LiveKv::default(),
            sessions: BTreeMap::new(),
            suspended: None,
            n_opened: 0,
        })
    }
}

/// Reads the header and streams the weights to a new device. Calls `on_header` with the header while the
/// device compiles kernels.
pub(super) async fn load_model<S: ModelSource>(
    source: S,
    options: &LoadOptions,
    recall: &dyn Fn(&AdapterInfo) -> AdapterRecord,
    cancel: &Cancel,
    on_progress: &mut dyn FnMut(Progress),
    on_header: &mut dyn FnMut(&FileHead<'_>) -> Result<()>,
) -> Result<LoadedModel> {
    let mut source = Timed::new(source);
    let total = source.len();
    let mut report = |phase, loaded| on_progress(Progress { phase, loaded, total });
    report(Phase::Header, 0);
    let reading = gguf::read_header(&mut source, cancel);
    let ((header, prefix), opened) = try_join(reading, Opened::new(options, recall)).await?;
    // The architecture is checked before the tokenizer: the error for a file of another model names its
    // architecture.
    let config = checked_config(&header)?;
    // The device compiles the kernels, in a browser by another process, while the tokenizer is built.
    let prepared = Loading::new(opened, &header, config, options)?;
    on_header(&FileHead { header: &header, prefix: &prefix, name: source.name(), total })?;
    report(Phase::Header, header.data_start);
    let mut rest = Prefixed::new(prefix, &mut source);
    let mut on_bytes = |loaded| report(Phase::Weights, loaded);
    let model = prepared.finish(&header, &mut rest, cancel, &mut on_bytes).await?;
    source.finish(cancel).await?;
    report(Phase::Ready, total.unwrap_or(header.data_start));
    Ok(LoadedModel { model, header, read_ms: source.spent().as_secs_f64() * 1e3 })
}

/// Options for the next load of the same model: with the variants that `model` has now, and with the results
/// of its self-test, so that nothing is tested twice.
pub(super) fn reload_options(options: &LoadOptions, model: &Model) -> LoadOptions {
    let Some(model) = model.gpu() else { return options.clone() };
    let variants = model.variants();
    let self_test = if options.self_test == SelfTest::Off { SelfTest::Off } else { SelfTest::Fast };
    let (tuning, tested) = (Some(model.tuning()), model.tested().clone());
    LoadOptions { tuning, kv: variants.kv, self_test, tested, ..options.clone() }
}
