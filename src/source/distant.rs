//! A file of the browser's cache that another worker has open: written behind the engine's back, while it waits for the network or feeds
//! the GPU. Its half in JS is `www/lib/engine/opfs-writer-client.ts`.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures_util::future::FutureExt;
use js_sys::{Promise, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use super::handles::{full, storage};
use super::stored::{RandomFile, Writing};
use crate::error::{Error, Result};

#[wasm_bindgen]
extern "C" {
    /// Calls are carried out in the order they are made.
    #[derive(Clone, Debug)]
    type DistantFile;
    /// Takes the bytes away, and gives an array of the same length back to be used again.
    #[wasm_bindgen(method)]
    fn write(this: &DistantFile, offset: f64, bytes: Uint8Array) -> Promise;
    /// Fewer bytes than asked for at the end of the file only.
    #[wasm_bindgen(method)]
    fn read(this: &DistantFile, offset: f64, length: u32) -> Promise;
    /// Cuts the file. A failure shows in the next write.
    #[wasm_bindgen(method)]
    fn truncate(this: &DistantFile, length: f64);
    /// Has the system write down what it holds back.
    #[wasm_bindgen(method)]
    fn flush(this: &DistantFile);
}

/// The file.
#[derive(Debug)]
pub struct Distant {
    file: DistantFile,
    /// What it is called in messages.
    name: String,
    len: Cell<u64>,
    /// Arrays that came back.
    spare: Rc<RefCell<Vec<Uint8Array>>>,
}

impl Distant {
    /// An empty file.
    pub(super) fn new(file: JsValue, name: String) -> Self {
        Self { file: file.unchecked_into(), name, len: Cell::default(), spare: Rc::default() }
    }

    /// Hands bytes over; what is returned ends once they are written.
    pub(super) fn write(&self, offset: u64, bytes: &[u8]) -> Result<Writing> {
        let n = bytes.len() as u32;
        let fits = self.spare.borrow_mut().pop().filter(|array| array.length() == n);
        let array = fits.unwrap_or_else(|| Uint8Array::new_with_length(n));
        array.copy_from(bytes);
        let written = JsFuture::from(self.file.write(offset as f64, array));
        self.len.set(self.len.get().max(offset + u64::from(n)));
        let (spare, what) = (Rc::clone(&self.spare), format!("writing {}", self.name));
        let ended = async move {
            let array =
                written.await.map_err(|thrown| full(&thrown, u64::from(n), || storage(&what, &thrown)))?;
            spare.borrow_mut().push(array.unchecked_into());
            Ok(())
        };
        Ok(ended.boxed_local())
    }

    /// As [`super::stored::Store::read`].
    pub(super) async fn read(&self, offset: u64, into: &mut [u8]) -> Result<usize> {
        let read = JsFuture::from(self.file.read(offset as f64, into.len() as u32)).await;
        let failed = |thrown: JsValue| storage(&format!("reading {}", self.name), &thrown);
        let bytes: Uint8Array = read.map_err(failed)?.unchecked_into();
        let n = into.len().min(bytes.length() as usize);
        bytes.subarray(0, n as u32).copy_to(&mut into[..n]);
        Ok(n)
    }

    fn at_once(&self, what: &str) -> Error {
        Error::Internal {
            what: format!("{what} {}, which another worker has open, can't be done at once", self.name),
        }
    }
}

impl RandomFile for Distant {
    fn len(&self) -> Result<u64> {
        Ok(self.len.get())
    }

    fn read_at(&mut self, _: u64, _: &mut [u8]) -> Result<usize> {
        Err(self.at_once("reading"))
    }

    fn write_at(&mut self, _: u64, _: &[u8]) -> Result<()> {
        Err(self.at_once("writing"))
    }

    fn set_len(&mut self, len: u64) -> Result<()> {
        self.len.set(len);
        self.file.truncate(len as f64);
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.file.flush();
        Ok(())
    }
}
