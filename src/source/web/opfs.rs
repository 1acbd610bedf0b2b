//! Entries of the browser's cache, in the origin's private file system: files behind synchronous access
//! handles, which only workers have. JS opens, locks and closes them. The OPFS writer, another worker, holds
//! the data of a new entry.

use js_sys::{Function, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{FileSystemReadWriteOptions, FileSystemSyncAccessHandle};

use super::opfs_error::{full, storage};
use super::opfs_writer::WriterFile;
use crate::error::{Error, Result};
use crate::source::store::{ManifestFile, Store, Writing, read_full};

/// An open entry: the JS object `{ id, data, manifest, available }`, see `www/lib/engine/cache-store.ts`.
#[derive(Debug)]
pub struct OpfsStore {
    data: DataFile,
    manifest: OpfsFile,
    available: Function,
}

/// The data of an entry.
#[derive(Debug)]
enum DataFile {
    /// Open in this worker.
    Here(OpfsFile),
    /// Open in the OPFS writer.
    Writer(WriterFile),
}

impl OpfsStore {
    /// Reads the fields of the object.
    ///
    /// # Errors
    /// [`Error::Internal`] if one is missing.
    pub fn new(entry: &JsValue) -> Result<Self> {
        let id = field(entry, "id")?.as_string().unwrap_or_default();
        let name = |file: &str| format!("{id}/{file}");
        let data = match field(entry, "data")?.dyn_into() {
            Ok(handle) => DataFile::Here(OpfsFile { handle, name: name("data") }),
            Err(file) => DataFile::Writer(WriterFile::new(file, name("data"))),
        };
        let handle = field(entry, "manifest")?.dyn_into().map_err(|_| not_an_entry("manifest"))?;
        let available = field(entry, "available")?.dyn_into().map_err(|_| not_an_entry("available"))?;
        Ok(Self { data, manifest: OpfsFile { handle, name: name("manifest") }, available })
    }
}

fn field(entry: &JsValue, name: &str) -> Result<JsValue> {
    Reflect::get(entry, &name.into()).map_err(|_| not_an_entry(name))
}

fn not_an_entry(name: &str) -> Error {
    Error::Internal { what: format!("an entry of the cache came without `{name}`") }
}

impl Store for OpfsStore {
    type Manifest = OpfsFile;

    fn manifest(&mut self) -> &mut OpfsFile {
        &mut self.manifest
    }

    fn len(&self) -> Result<u64> {
        match &self.data {
            DataFile::Here(file) => file.len(),
            DataFile::Writer(file) => Ok(file.len()),
        }
    }

    async fn read(&mut self, offset: u64, into: &mut [u8]) -> Result<usize> {
        match &mut self.data {
            DataFile::Here(file) => read_full(offset, into, |offset, into| file.read_at(offset, into)),
            DataFile::Writer(file) => file.read(offset, into).await,
        }
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<Option<Writing>> {
        match &mut self.data {
            DataFile::Here(file) => file.write_at(offset, bytes).map(|()| None),
            DataFile::Writer(file) => Ok(Some(file.write(offset, bytes))),
        }
    }

    fn clear(&mut self) -> Result<()> {
        match &mut self.data {
            DataFile::Here(file) => file.clear(),
            DataFile::Writer(file) => {
                file.clear();
                Ok(())
            }
        }
    }

    fn flush(&mut self) -> Result<()> {
        match &mut self.data {
            DataFile::Here(file) => file.flush(),
            DataFile::Writer(file) => {
                file.flush();
                Ok(())
            }
        }
    }

    async fn reserve(&mut self, bytes: u64) -> Result<()> {
        let failed = |thrown: JsValue| storage("asking for space", &thrown);
        let promise: Promise =
            self.available.call1(&JsValue::NULL, &(bytes as f64).into()).map_err(failed)?.into();
        // NaN if the browser doesn't tell.
        let said = JsFuture::from(promise).await.map_err(failed)?.as_f64().filter(|said| !said.is_nan());
        let available = said.map_or(u64::MAX, |said| said.max(0.0) as u64);
        if available < bytes {
            return Err(Error::QuotaExceeded { needed: bytes, available });
        }
        Ok(())
    }
}

/// A file that this worker has open.
#[derive(Debug)]
pub struct OpfsFile {
    handle: FileSystemSyncAccessHandle,
    /// Name in messages.
    name: String,
}

impl OpfsFile {
    fn len(&self) -> Result<u64> {
        let len = self.handle.get_size().map_err(|thrown| self.failed("asking for the size of", &thrown))?;
        Ok(len as u64)
    }

    fn failed(&self, what: &str, thrown: &JsValue) -> Error {
        storage(&format!("{what} {}", self.name), thrown)
    }
}

impl ManifestFile for OpfsFile {
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
            // Some browsers do this instead of throwing.
            return Err(Error::QuotaExceeded { needed: bytes.len() as u64, available: written as u64 });
        }
        Ok(())
    }

    fn clear(&mut self) -> Result<()> {
        self.handle.truncate_with_f64(0.0).map_err(|thrown| self.failed("clearing", &thrown))
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
