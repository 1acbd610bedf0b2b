//! An entry of the browser's cache: two synchronous access handles of the origin's private file system, which only workers have.
//! They are opened, locked and closed in JS. The data of a new entry is another worker's, which writes while this one goes on.

use js_sys::{Function, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{FileSystemReadWriteOptions, FileSystemSyncAccessHandle};

use super::distant::Distant;
use super::stored::{RandomFile, Store, Writing, fill};
use crate::error::{Error, Result};

/// What JS hands over: `{ id, data, manifest, available }`, see `www/lib/engine/cache-store.ts`.
#[derive(Debug)]
pub struct Handles {
    data: File,
    manifest: File,
    available: Function,
}

/// A file of an entry.
#[derive(Debug)]
pub enum File {
    /// Open in this worker.
    Here(Handle),
    /// Open in another.
    There(Distant),
}

impl Handles {
    /// Takes the object apart.
    ///
    /// # Errors
    /// [`Error::Internal`] where it is something else.
    pub fn new(entry: &JsValue) -> Result<Self> {
        let id = field(entry, "id")?.as_string().unwrap_or_default();
        let file = |name: &str| -> Result<File> {
            let (file, name) = (field(entry, name)?, format!("{id}/{name}"));
            Ok(match file.dyn_into() {
                Ok(handle) => File::Here(Handle { handle, name }),
                Err(file) => File::There(Distant::new(file, name)),
            })
        };
        Ok(Self {
            data: file("data")?,
            manifest: file("manifest")?,
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
    type File = File;

    fn data(&mut self) -> &mut File {
        &mut self.data
    }

    fn manifest(&mut self) -> &mut File {
        &mut self.manifest
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<Option<Writing>> {
        match &mut self.data {
            File::Here(handle) => handle.write_at(offset, bytes).map(|()| None),
            File::There(distant) => distant.write(offset, bytes).map(Some),
        }
    }

    async fn read(&mut self, offset: u64, into: &mut [u8]) -> Result<usize> {
        match &mut self.data {
            File::Here(handle) => fill(handle, offset, into),
            File::There(distant) => distant.read(offset, into).await,
        }
    }

    async fn reserve(&mut self, bytes: u64) -> Result<()> {
        let failed = |thrown: JsValue| storage("asking for space", &thrown);
        let promise: Promise =
            self.available.call1(&JsValue::NULL, &(bytes as f64).into()).map_err(failed)?.into();
        // Not a number where the browser doesn't say.
        let said = JsFuture::from(promise).await.map_err(failed)?.as_f64().filter(|said| !said.is_nan());
        let available = said.map_or(u64::MAX, |said| said.max(0.0) as u64);
        if available < bytes {
            return Err(Error::QuotaExceeded { needed: bytes, available });
        }
        Ok(())
    }
}

/// One open file.
#[derive(Debug)]
pub struct Handle {
    handle: FileSystemSyncAccessHandle,
    /// What it is called in messages.
    name: String,
}

impl Handle {
    fn failed(&self, what: &str, thrown: &JsValue) -> Error {
        storage(&format!("{what} {}", self.name), thrown)
    }
}

impl File {
    fn either(&self) -> &dyn RandomFile {
        match self {
            Self::Here(handle) => handle,
            Self::There(distant) => distant,
        }
    }

    fn either_mut(&mut self) -> &mut dyn RandomFile {
        match self {
            Self::Here(handle) => handle,
            Self::There(distant) => distant,
        }
    }
}

impl RandomFile for File {
    fn len(&self) -> Result<u64> {
        self.either().len()
    }

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<usize> {
        self.either_mut().read_at(offset, into)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.either_mut().write_at(offset, bytes)
    }

    fn set_len(&mut self, len: u64) -> Result<()> {
        self.either_mut().set_len(len)
    }

    fn flush(&mut self) -> Result<()> {
        self.either_mut().flush()
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

pub(super) fn full(thrown: &JsValue, needed: u64, otherwise: impl FnOnce() -> Error) -> Error {
    match text(thrown, "name").as_deref() {
        // Somebody else of this origin, or of this disk, took the space since it was asked for.
        Some("QuotaExceededError") => Error::QuotaExceeded { needed, available: 0 },
        _ => otherwise(),
    }
}

pub(super) fn storage(what: &str, thrown: &JsValue) -> Error {
    let why = text(thrown, "message").unwrap_or_else(|| format!("{thrown:?}"));
    Error::Storage { what: what.to_owned(), why }
}

fn text(thrown: &JsValue, key: &str) -> Option<String> {
    Reflect::get(thrown, &key.into()).ok().and_then(|value| value.as_string())
}
