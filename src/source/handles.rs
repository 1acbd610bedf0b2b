//! An entry of the browser's cache: two synchronous access handles of the origin's private file system, which only workers have.
//! They are opened, locked and closed in JS.

use js_sys::{Function, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{FileSystemReadWriteOptions, FileSystemSyncAccessHandle};

use super::stored::{RandomFile, Store};
use crate::error::{Error, Result};

/// What JS hands over: `{ id, data, manifest, available }`.
#[derive(Debug)]
pub struct Handles {
    data: Handle,
    manifest: Handle,
    available: Function,
}

impl Handles {
    /// Takes the object apart.
    ///
    /// # Errors
    /// [`Error::Internal`] where it is something else.
    pub fn new(entry: &JsValue) -> Result<Self> {
        let id = field(entry, "id")?.as_string().unwrap_or_default();
        let handle = |name: &str| -> Result<Handle> {
            let handle = field(entry, name)?.dyn_into().map_err(|_| not_an_entry(name))?;
            Ok(Handle { handle, name: format!("{id}/{name}") })
        };
        Ok(Self {
            data: handle("data")?,
            manifest: handle("manifest")?,
            available: field(entry, "available")?.dyn_into().map_err(|_| not_an_entry("available"))?,
        })
    }
}

fn field(entry: &JsValue, name: &str) -> Result<JsValue> {
    Reflect::get(entry, &name.into()).map_err(|_| not_an_entry(name))
}

fn not_an_entry(name: &str) -> Error {
    Error::Internal { what: format!("an entry of the cache came without `{name}`") }
}

impl Store for Handles {
    type File = Handle;

    fn data(&mut self) -> &mut Handle {
        &mut self.data
    }

    fn manifest(&mut self) -> &mut Handle {
        &mut self.manifest
    }

    async fn reserve(&mut self, bytes: u64) -> Result<()> {
        let failed = |thrown: JsValue| storage("asking for space", &thrown);
        let promise: Promise =
            self.available.call1(&JsValue::NULL, &(bytes as f64).into()).map_err(failed)?.into();
        // Not a number where the browser doesn't say.
        let said = JsFuture::from(promise).await.map_err(failed)?.as_f64().filter(|said| !said.is_nan());
        let said = said.map_or(u64::MAX, |said| said.max(0.0) as u64);
        // Some browsers name a space that is not there, so as to tell nothing of the disk. What is there shows only in use.
        let available = if said < bytes { said } else { self.data.room(bytes)? };
        if available < bytes {
            return Err(Error::QuotaExceeded { needed: bytes, available });
        }
        Ok(())
    }
}

/// How exactly space is measured.
const PROBE_BYTES: u64 = 1 << 16;

/// One open file.
#[derive(Debug)]
pub struct Handle {
    handle: FileSystemSyncAccessHandle,
    /// What it is called in messages.
    name: String,
}

impl Handle {
    /// How many of so many bytes the file can be extended by: all of them, or as many as were found by trying. It stays as it is.
    fn room(&mut self, bytes: u64) -> Result<u64> {
        let len = self.len()?;
        let mut fits = if self.can_be(len + bytes)? { bytes } else { 0 };
        let mut too_much = bytes;
        while too_much - fits > PROBE_BYTES {
            let middle = fits + (too_much - fits) / 2;
            if self.can_be(len + middle)? {
                fits = middle;
            } else {
                too_much = middle;
            }
        }
        self.set_len(len)?;
        Ok(fits)
    }

    /// Whether the file may have that length, which it then has.
    fn can_be(&mut self, len: u64) -> Result<bool> {
        match self.set_len(len) {
            Ok(()) => Ok(true),
            Err(Error::QuotaExceeded { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn failed(&self, what: &str, thrown: &JsValue) -> Error {
        storage(&format!("{what} {}", self.name), thrown)
    }
}

impl RandomFile for Handle {
    fn len(&self) -> Result<u64> {
        let len = self.handle.get_size().map_err(|thrown| self.failed("asking for the size of", &thrown))?;
        Ok(len as u64)
    }

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<usize> {
        let read = self.handle.read_with_u8_array_and_options(into, &at(offset));
        Ok(read.map_err(|thrown| self.failed("reading", &thrown))? as usize)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        let written = self
            .handle
            .write_with_u8_array_and_options(bytes, &at(offset))
            .map_err(|thrown| full(&thrown, bytes.len() as u64, || self.failed("writing", &thrown)))?;
        if (written as usize) < bytes.len() {
            // What some browsers do in place of throwing.
            return Err(Error::QuotaExceeded { needed: bytes.len() as u64, available: written as u64 });
        }
        Ok(())
    }

    fn set_len(&mut self, len: u64) -> Result<()> {
        let set = self.handle.truncate_with_f64(len as f64);
        set.map_err(|thrown| full(&thrown, len, || self.failed("setting the size of", &thrown)))
    }

    fn flush(&mut self) -> Result<()> {
        self.handle.flush().map_err(|thrown| self.failed("flushing", &thrown))
    }
}

fn at(offset: u64) -> FileSystemReadWriteOptions {
    let options = FileSystemReadWriteOptions::new();
    options.set_at_f64(offset as f64);
    options
}

fn full(thrown: &JsValue, needed: u64, otherwise: impl FnOnce() -> Error) -> Error {
    match text(thrown, "name").as_deref() {
        // Somebody else of this origin, or of this disk, took the space since it was asked for.
        Some("QuotaExceededError") => Error::QuotaExceeded { needed, available: 0 },
        _ => otherwise(),
    }
}

fn storage(what: &str, thrown: &JsValue) -> Error {
    let why = text(thrown, "message").unwrap_or_else(|| format!("{thrown:?}"));
    Error::Storage { what: what.to_owned(), why }
}

fn text(thrown: &JsValue, key: &str) -> Option<String> {
    Reflect::get(thrown, &key.into()).ok().and_then(|value| value.as_string())
}
