//! Options of JS callers, checked name by name.

use std::iter;

use js_sys::{Array, JSON, Object};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde::de::value::MapDeserializer;
use serde_wasm_bindgen::Deserializer;
use wasm_bindgen::{JsCast, JsValue};

use crate::bench::BenchOptions;
use crate::chat::Message;
use crate::engine::{GenerateOptions, KvType, LoadOptions, SelfTest, SessionOptions};
use crate::error::{Error, Result};
use crate::gpu::Tuning;

/// Options of `load`; an absent field has the default of [`LoadOptions`].
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct LoadFields {
    context_length: Option<usize>,
    prefill_chunk: Option<usize>,
    kv: Option<KvType>,
    tuning: Option<Tuning>,
    self_test: Option<SelfTest>,
    tested: Option<String>,
}

/// # Errors
/// [`Error::InvalidOption`] for an unknown name or a wrong type.
pub(super) fn load(options: &JsValue) -> Result<LoadOptions> {
    let fields: LoadFields = read(options)?;
    let default = LoadOptions::default();
    Ok(LoadOptions {
        context_length: fields.context_length.or(default.context_length),
        prefill_chunk: fields.prefill_chunk.unwrap_or(default.prefill_chunk),
        kv: fields.kv.unwrap_or(default.kv),
        tuning: fields.tuning,
        self_test: fields.self_test.unwrap_or(default.self_test),
        // A record that the page kept. One that can't be read counts as none.
        tested: fields.tested.unwrap_or_default().into(),
        ..default
    })
}

/// # Errors
/// [`Error::InvalidOption`] for an unknown name, a wrong type or a value out of range.
pub(super) fn generate(options: &JsValue) -> Result<GenerateOptions> {
    let mut read = GenerateOptions::default();
    for (name, value) in entries(options)? {
        read.set(&name, Deserializer::from(value.clone()))
            .map_err(|error| invalid(&name, &value, expected(&error.to_string())))?;
    }
    read.validate()?;
    Ok(read)
}

/// # Errors
/// [`Error::InvalidOption`] for an unknown name or a wrong type.
pub(super) fn bench(options: &JsValue) -> Result<BenchOptions> {
    read(options)
}

/// # Errors
/// [`Error::InvalidOption`] for an unknown name or a wrong type.
pub(super) fn session(options: &JsValue) -> Result<SessionOptions> {
    read(options)
}

/// An array of messages.
///
/// # Errors
/// [`Error::InvalidOption`] for anything else.
pub(super) fn messages(name: &str, value: &JsValue) -> Result<Vec<Message>> {
    serde_wasm_bindgen::from_value(value.clone())
        .map_err(|_| invalid(name, value, "an array of messages { role, content }, both strings"))
}

/// An array of token ids, typed or not.
///
/// # Errors
/// [`Error::InvalidOption`] for anything else.
pub(super) fn ids(name: &str, value: &JsValue) -> Result<Vec<u32>> {
    serde_wasm_bindgen::from_value(value.clone())
        .map_err(|_| invalid(name, value, "an array of token ids (integers from 0 on)"))
}

/// Entries of an object that are not undefined; none if there is no object.
fn entries(options: &JsValue) -> Result<Vec<(String, JsValue)>> {
    if options.is_undefined() || options.is_null() {
        return Ok(Vec::new());
    }
    let Some(object) = options.dyn_ref::<Object>() else {
        return Err(invalid("options", options, "an object"));
    };
    Ok(Object::entries(object)
        .iter()
        .map(|entry| entry.unchecked_into::<Array>())
        .filter(|entry| !entry.get(1).is_undefined())
        .map(|entry| (entry.get(0).as_string().unwrap_or_default(), entry.get(1)))
        .collect())
}

/// Reads an object entry by entry, since serde names neither the field of a wrong value nor, for JS objects,
/// an unknown one.
fn read<T: DeserializeOwned + Default>(options: &JsValue) -> Result<T> {
    let entries = entries(options)?;
    for (name, value) in &entries {
        let one = iter::once((name.clone(), Deserializer::from(value.clone())));
        T::deserialize(MapDeserializer::new(one))
            .map_err(|error| invalid(name, value, expected(&error.to_string())))?;
    }
    let all = entries.into_iter().map(|(name, value)| (name, Deserializer::from(value)));
    T::deserialize(MapDeserializer::new(all))
        .map_err(|error: serde_wasm_bindgen::Error| invalid("options", options, expected(&error.to_string())))
}

/// The error of an option, with the found value as JSON.
pub(super) fn invalid(option: &str, found: &JsValue, expected: impl Into<String>) -> Error {
    let written = JSON::stringify(found).ok().and_then(|text| text.as_string());
    Error::invalid_option(option, written.unwrap_or_else(|| format!("{found:?}")), expected)
}

/// The end of serde's "invalid type: string "x", expected f32".
fn expected(message: &str) -> String {
    message.rsplit_once(", expected ").map_or(message, |(_, end)| end).to_owned()
}
