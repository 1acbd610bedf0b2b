//! Benchmark, for JS callers.

use js_sys::Function;
use wasm_bindgen::prelude::*;
use web_sys::AbortSignal;

use super::abort::AbortLink;
use super::convert::{call, to_js, to_js_error};
use super::{Engine, options};

#[wasm_bindgen]
impl Engine {
    /// Checks the model's results, then measures. Returns a plain object made from
    /// [`crate::bench::BenchReport`].
    ///
    /// # Errors
    /// An object `{ code, message, … }` made from [`crate::Error`].
    pub async fn bench(
        &mut self,
        options: JsValue,
        on_progress: Option<Function>,
        signal: Option<AbortSignal>,
    ) -> Result<JsValue, JsValue> {
        let run = async {
            let options = options::bench(&options)?;
            let link = AbortLink::new(signal);
            let mut report = |progress| {
                if let (Some(callback), Ok(progress)) = (&on_progress, to_js(&progress)) {
                    call(callback, &progress);
                }
            };
            to_js(&self.engine.bench(&options, link.cancel(), &mut report).await?)
        };
        run.await.map_err(|error| to_js_error(&error))
    }
}
