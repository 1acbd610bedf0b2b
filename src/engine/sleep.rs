//! Sleep and reload of an engine. A sleeping engine has no device, and a device may be lost at any moment;
//! the tokenizer, the sessions and the request in progress stay.

use super::info::{GpuFacts, Progress};
use super::live_kv::LiveKv;
use super::load::{FileHead, load_model, no_record, reload_options};
use super::state::{Engine, no_device};
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::source::ModelSource;

impl Engine {
    /// Frees everything that the GPU holds. Until [`Engine::reload`], every call that needs the GPU fails
    /// with [`Error::DeviceLost`].
    pub fn sleep(&mut self) {
        self.sessions.values_mut().for_each(|session| session.waiting_kv = None);
        self.live_kv = LiveKv::default();
        self.model = None;
    }

    /// Loads the model again, from the file it was loaded from, onto another device: after [`Engine::sleep`]
    /// or [`Error::DeviceLost`]. Sessions stay open; each one's KV cache is computed again at its next
    /// request.
    ///
    /// # Errors
    /// As [`Engine::load`]; [`Error::FileChanged`] if it is another file. After an error the engine sleeps.
    pub async fn reload<S: ModelSource>(
        &mut self,
        source: S,
        cancel: &Cancel,
        on_progress: &mut dyn FnMut(Progress),
    ) -> Result<()> {
        self.sleep();
        let was = self.fingerprint;
        let mut on_header = |head: &FileHead<'_>| match head.fingerprint() {
            is if is == was => Ok(()),
            is => Err(Error::FileChanged {
                url: head.name.to_owned(),
                was: format!("{was:016x} by its header"),
                is: format!("{is:016x}"),
            }),
        };
        let loaded =
            load_model(source, &self.options, &no_record, cancel, on_progress, &mut on_header).await?;
        let model = loaded.model;
        // The effort of the first self-test stays: this one had nothing left to test.
        let effort = self.info.gpu.as_ref().map(|facts| facts.variants.self_test);
        self.info.gpu = GpuFacts::of(&model);
        if let (Some(facts), Some(effort)) = (&mut self.info.gpu, effort) {
            facts.variants.self_test = effort;
        }
        self.info.device = model.device();
        self.info.processor = model.processor().cloned();
        self.info.slow_adapter = model.slow_adapter().cloned();
        self.options = reload_options(&self.options, &model);
        self.model = Some(model);
        Ok(())
    }

    /// A function that destroys the device, as a driver may at any time: for tests.
    ///
    /// # Errors
    /// [`Error::DeviceLost`] if there is none.
    #[doc(hidden)]
    pub fn device_destroyer(&self) -> Result<impl Fn() + use<>> {
        Ok(self.model()?.gpu().ok_or_else(no_device)?.gpu().destroyer())
    }

    /// Number of compiled kernels: for tests.
    ///
    /// # Errors
    /// [`Error::DeviceLost`] if there is no device.
    #[doc(hidden)]
    pub fn n_pipelines(&self) -> Result<usize> {
        Ok(self.model()?.gpu().ok_or_else(no_device)?.gpu().n_pipelines())
    }
}
