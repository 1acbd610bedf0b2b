//! Errors of the origin private file system, made from its exceptions.

use js_sys::Reflect;
use wasm_bindgen::JsValue;

use crate::error::Error;

/// [`Error::QuotaExceeded`] if the exception says so, or else `otherwise`.
pub(super) fn full(thrown: &JsValue, needed: u64, otherwise: impl FnOnce() -> Error) -> Error {
    match text(thrown, "name").as_deref() {
        // Other pages of this origin, or other programs, took the space after `reserve`.
        Some("QuotaExceededError") => Error::QuotaExceeded { needed, available: 0 },
        _ => otherwise(),
    }
}

/// [`Error::Storage`] with the message of the exception.
pub(super) fn storage(what: &str, thrown: &JsValue) -> Error {
    let why = text(thrown, "message").unwrap_or_else(|| format!("{thrown:?}"));
    Error::Storage { what: what.to_owned(), why }
}

fn text(thrown: &JsValue, key: &str) -> Option<String> {
    Reflect::get(thrown, &key.into()).ok().and_then(|value| value.as_string())
}
