//! Conversion of results and errors to plain JS objects, and calls of JS callbacks.

use js_sys::Function;
use serde::Serialize;
use wasm_bindgen::prelude::*;

use crate::error::{Error, Result};

/// Calls a callback of the worker's own code. It only posts messages; if it throws, there is nothing to undo.
pub(super) fn call(callback: &Function, argument: &JsValue) {
    let _ = callback.call1(&JsValue::NULL, argument);
}

pub(super) fn to_js(value: &impl Serialize) -> Result<JsValue> {
    value
        .serialize(&serde_wasm_bindgen::Serializer::json_compatible())
        .map_err(|error| Error::Internal { what: format!("a result does not fit in a JS object: {error}") })
}

/// `{ code, message, …details }`.
pub(super) fn to_js_error(error: &Error) -> JsValue {
    let object = to_js(error).unwrap_or_else(|_| js_sys::Object::new().into());
    // Setting a field of a fresh plain object can't fail.
    let _ = js_sys::Reflect::set(&object, &"message".into(), &error.to_string().into());
    object
}
