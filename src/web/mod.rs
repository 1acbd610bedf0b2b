//! The JS boundary: one class, `Engine`, with promises, callbacks and an `AbortSignal`.
//!
//! Besides `source::web`, and a few lines in `gpu` for what wgpu does not offer, it is the only module that
//! mentions JS. Results cross as plain objects, errors as `{ code, message, …details }`; the TypeScript in
//! `www/lib` makes `GemmaError`s of them.

mod abort;
mod bench;
mod cache;
mod convert;
mod options;
mod progress;
mod request;
mod sessions;
mod source;
mod text;

use js_sys::{Float32Array, Function};
use wasm_bindgen::prelude::*;
use web_sys::AbortSignal;

use crate::engine;
use crate::error::Result;
use crate::{cancel::Cancel, source::download::DownloadProgress};
use abort::AbortLink;
use convert::{to_js, to_js_error};
use progress::Reporter;
use source::Source;

pub use cache::{describe_entry, locate, verify_entry};

/// Runs once, when the module is instantiated.
#[wasm_bindgen(start)]
pub fn start() {
    // A panic can't be caught in wasm. Thrown with its message it reaches the worker's error listener, which
    // ends every pending promise; the bare trap would say "unreachable" only.
    std::panic::set_hook(Box::new(|info| wasm_bindgen::throw_str(&info.to_string())));
}

/// A loaded model.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Engine {
    engine: engine::Engine,
}

#[wasm_bindgen]
impl Engine {
    /// Fetches, checks and uploads the model, and compiles its shaders.
    ///
    /// `source` is an array of files. Each is one that [`locate`] returned, with a `store` if it is to be
    /// cached (`{ id, data, manifest, available }`), or an object `{ size, name, read(offset, length) }`. Or
    /// `source` is `synthetic:SHAPE:FORMAT`, for random weights in the shape of a real model, without a
    /// download. `signal` stops a load, for callers without a worker to terminate.
    ///
    /// # Errors
    /// An object `{ code, message, … }` made from [`crate::Error`].
    pub async fn load(
        source: JsValue,
        options: JsValue,
        on_progress: Option<Function>,
        signal: Option<AbortSignal>,
    ) -> Result<Self, JsValue> {
        let load = async {
            let options = options::load(&options)?;
            let link = AbortLink::new(signal);
            let cancel = link.cancel();
            let reporter = Reporter::new(on_progress);
            let source = Source::open(&source, &reporter.download(), cancel).await?;
            engine::Engine::load(source, &options, cancel, &mut |progress| reporter.report(progress)).await
        };
        load.await.map(|engine| Self { engine }).map_err(|error| to_js_error(&error))
    }

    /// Frees everything that the GPU holds. Until [`Engine::reload`], every call that needs the GPU fails
    /// with `device_lost`.
    pub fn sleep(&mut self) {
        self.engine.sleep();
    }

    /// Loads the model again onto another device, from the file it was loaded from: `source` is as in
    /// [`Engine::load`].
    ///
    /// # Errors
    /// As [`Engine::load`]; `file_changed` if it is another file.
    #[wasm_bindgen(js_name = revive)]
    pub async fn reload(
        &mut self,
        source: JsValue,
        on_progress: Option<Function>,
        signal: Option<AbortSignal>,
    ) -> Result<(), JsValue> {
        let reload = async {
            // The lost device takes no memory while the next one is loaded.
            self.engine.sleep();
            let link = AbortLink::new(signal);
            let cancel = link.cancel();
            let reporter = Reporter::new(on_progress);
            let source = Source::open(&source, &reporter.download(), cancel).await?;
            self.engine.reload(source, cancel, &mut |progress| reporter.report(progress)).await
        };
        reload.await.map_err(|error| to_js_error(&error))
    }

    /// Reads the header of a file and plans its memory, without loading it: a plain object. `source` is as in
    /// [`Engine::load`].
    ///
    /// # Errors
    /// An object `{ code, message, … }` made from [`crate::Error`].
    pub async fn inspect(source: JsValue, options: JsValue) -> Result<JsValue, JsValue> {
        let inspect = async {
            let options = options::load(&options)?;
            let cancel = Cancel::default();
            let source = Source::open(&source, &DownloadProgress::default(), &cancel).await?;
            to_js(&engine::inspect(source, &options, &cancel).await?)
        };
        inspect.await.map_err(|error| to_js_error(&error))
    }

    /// The logits after the last of `ids`, from an empty cache: `[V]`.
    ///
    /// # Errors
    /// An object `{ code, message, … }` made from [`crate::Error`].
    pub async fn logits(
        &mut self,
        ids: JsValue,
        signal: Option<AbortSignal>,
    ) -> Result<Float32Array, JsValue> {
        let run = async {
            let ids = options::ids("ids", &ids)?;
            let link = AbortLink::new(signal);
            self.engine.logits(&ids, link.cancel()).await
        };
        run.await.map(|logits| Float32Array::from(logits.as_slice())).map_err(|error| to_js_error(&error))
    }

    /// Description of the model and its adapter: a plain object.
    ///
    /// # Errors
    /// An object `{ code, message, … }` made from [`crate::Error`].
    pub fn info(&self) -> Result<JsValue, JsValue> {
        to_js(&self.engine.info()).map_err(|error| to_js_error(&error))
    }

    /// Results of the self-tests on this adapter, for the option `tested` of the next load; empty if none
    /// ran.
    #[must_use]
    pub fn tested(&self) -> String {
        self.engine.tested().clone().into()
    }

    /// Counters since the model was loaded: a plain object.
    ///
    /// # Errors
    /// An object `{ code, message, … }` made from [`crate::Error`].
    pub fn stats(&self) -> Result<JsValue, JsValue> {
        to_js(&self.engine.stats()).map_err(|error| to_js_error(&error))
    }

    /// Bytes of live GPU buffers: `{ weights, kv, scratch, sessions, total }`. `sessions` are KV caches of
    /// waiting sessions.
    ///
    /// # Errors
    /// An object `{ code, message, … }` made from [`crate::Error`].
    pub fn memory(&self) -> Result<JsValue, JsValue> {
        to_js(&self.engine.memory()).map_err(|error| to_js_error(&error))
    }
}
