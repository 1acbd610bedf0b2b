//! The device and what it holds, which come and go: a device may be lost at any moment, and an engine that sleeps has none. Tokenizer,
//! conversations and the request under way stay.

use futures_util::future::try_join;

use super::bench::{self, ModelFile};
use super::report::{Phase, Progress};
use super::{Active, Engine, LoadOptions, SelfTest, Variants, snapshot};
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::gguf::{self, Header};
use crate::model::Model;
use crate::model::gpu::load::{LoadingModel, OpenedDevice};
use crate::model::tensors::checked_config;
use crate::source::ByteSource;
use crate::source::prefixed::Prefixed;
use crate::source::timed::Timed;

/// A model on its device, with what else a load finds.
pub(super) struct Brought {
    pub(super) model: Model,
    pub(super) header: Header,
    pub(super) read_ms: f64,
}

/// The beginning of a file.
pub(super) struct Met<'a> {
    pub(super) header: &'a Header,
    prefix: &'a [u8],
    name: &'a str,
    total: Option<u64>,
}

impl Met<'_> {
    pub(super) fn fingerprint(&self) -> u64 {
        snapshot::fingerprint(self.header, self.prefix)
    }

    pub(super) fn file(&self) -> ModelFile {
        bench::model_file(self.name, self.total, self.header)
    }
}

/// Reads the header, which `meet` looks at while kernels are compiled, and streams the weights to a device of their own.
pub(super) async fn bring<S: ByteSource>(
    source: S,
    options: &LoadOptions,
    cancel: &Cancel,
    on_progress: &mut dyn FnMut(Progress),
    meet: &mut dyn FnMut(&Met<'_>) -> Result<()>,
) -> Result<Brought> {
    let mut source = Timed::new(source);
    let total = source.len();
    let mut report = |phase, loaded| on_progress(Progress { phase, loaded, total });
    report(Phase::Header, 0);
    let reading = gguf::read_header(&mut source, cancel);
    let ((header, prefix), opened) = try_join(reading, OpenedDevice::new(options)).await?;
    // The architecture is checked before the tokenizer: a file of another model is refused for what it is.
    let config = checked_config(&header)?;
    // The kernels are compiled, in a browser by another process, while the tokenizer is built.
    let prepared = LoadingModel::new(opened, &header, config, options)?;
    meet(&Met { header: &header, prefix: &prefix, name: source.name(), total })?;
    report(Phase::Header, header.data_start);
    let mut rest = Prefixed::new(prefix, &mut source);
    let mut on_bytes = |loaded| report(Phase::Weights, loaded);
    let model = prepared.finish(&header, &mut rest, cancel, &mut on_bytes).await?;
    source.finish(cancel).await?;
    report(Phase::Ready, total.unwrap_or(header.data_start));
    Ok(Brought { model, header, read_ms: source.spent().as_secs_f64() * 1e3 })
}

impl Engine {
    /// Frees all that the GPU holds. [`Engine::revive`] brings it back; until then whatever needs it fails with [`Error::DeviceLost`].
    pub fn sleep(&mut self) {
        self.sessions.values_mut().for_each(|session| session.kept = None);
        self.active = Active::default();
        self.model = None;
    }

    /// Loads the model anew, from the file it was loaded from, onto another device: after [`Engine::sleep`] or [`Error::DeviceLost`].
    /// Conversations go on; what was computed of them is computed again when their turn comes.
    ///
    /// # Errors
    /// As [`Engine::load`]; [`Error::FileChanged`] where it is another file. The engine sleeps then.
    pub async fn revive<S: ByteSource>(
        &mut self,
        source: S,
        cancel: &Cancel,
        on_progress: &mut dyn FnMut(Progress),
    ) -> Result<()> {
        self.sleep();
        let was = self.fingerprint;
        let mut meet = |met: &Met<'_>| match met.fingerprint() {
            is if is == was => Ok(()),
            is => Err(Error::FileChanged {
                url: met.name.to_owned(),
                was: format!("{was:016x} by its header"),
                is: format!("{is:016x}"),
            }),
        };
        let Brought { model, .. } = bring(source, &self.options, cancel, on_progress, &mut meet).await?;
        self.info.adapter = model.gpu().info().clone();
        self.info.variants = Variants { self_test: self.info.variants.self_test, ..model.variants() };
        self.options = again(&self.options, &model);
        self.model = Some(model);
        Ok(())
    }

    /// What destroys the device, as a driver may at any time: for tests.
    ///
    /// # Errors
    /// [`Error::DeviceLost`] where there is none.
    #[doc(hidden)]
    pub fn device_destroyer(&self) -> Result<impl Fn() + use<>> {
        Ok(self.model()?.gpu().destroyer())
    }

    /// Kernels that were compiled, for tests.
    ///
    /// # Errors
    /// [`Error::DeviceLost`] where there is no device.
    #[doc(hidden)]
    pub fn n_pipelines(&self) -> Result<usize> {
        Ok(self.model()?.gpu().n_pipelines())
    }

    /// # Errors
    /// [`Error::DeviceLost`] where there is none.
    pub(super) fn model(&self) -> Result<&Model> {
        self.model.as_ref().ok_or_else(asleep)
    }
}

/// Options for the same model another time: with the variants that it has now, and without a test of what was tested.
pub(super) fn again(options: &LoadOptions, model: &Model) -> LoadOptions {
    let variants = model.variants();
    let self_test = if options.self_test == SelfTest::Off { SelfTest::Off } else { SelfTest::Fast };
    let (tuning, tested) = (Some(model.tuning()), model.tested().clone());
    LoadOptions { tuning, kv: variants.kv, self_test, tested, ..options.clone() }
}

/// The error of what needs a device while there is none.
pub(super) fn asleep() -> Error {
    Error::DeviceLost { why: "the model sleeps".to_owned() }
}
