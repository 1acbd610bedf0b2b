//! Data of a new cache entry, which the OPFS writer, another worker, has open: it writes while the engine
//! waits for the network or feeds the GPU. The JS half is `www/lib/engine/opfs-writer-client.ts`.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures_util::future::FutureExt;
use js_sys::{Promise, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use super::opfs_error::{full, storage};
use crate::error::Result;
use crate::source::store::Writing;

#[wasm_bindgen]
extern "C" {
    /// The JS half. The writer executes calls in order.
    #[derive(Clone, Debug)]
    type JsWriterFile;
    /// Takes ownership of the bytes, and resolves to an array of the same length for reuse.
    #[wasm_bindgen(method)]
    fn write(this: &JsWriterFile, offset: f64, bytes: Uint8Array) -> Promise;
    /// Resolves to fewer than `length` bytes only at the end of the file.
    #[wasm_bindgen(method)]
    fn read(this: &JsWriterFile, offset: f64, length: u32) -> Promise;
    /// Cuts the file. A failure shows in the next write.
    #[wasm_bindgen(method)]
    fn truncate(this: &JsWriterFile, length: f64);
    /// Asks the system to write its buffers to the disk.
    #[wasm_bindgen(method)]
    fn flush(this: &JsWriterFile);
}

/// A file that the OPFS writer has open.
#[derive(Debug)]
pub(super) struct WriterFile {
    file: JsWriterFile,
    /// Name in messages.
    name: String,
    len: Cell<u64>,
    /// Arrays that the writer returned.
    spare: Rc<RefCell<Vec<Uint8Array>>>,
}

impl WriterFile {
    /// An empty file.
    pub(super) fn new(file: JsValue, name: String) -> Self {
        Self { file: file.unchecked_into(), name, len: Cell::default(), spare: Rc::default() }
    }

    pub(super) fn len(&self) -> u64 {
        self.len.get()
    }

    /// Sends bytes to the writer.
    pub(super) fn write(&self, offset: u64, bytes: &[u8]) -> Writing {
        let n = bytes.len() as u32;
        let fits = self.spare.borrow_mut().pop().filter(|array| array.length() == n);
        let array = fits.unwrap_or_else(|| Uint8Array::new_with_length(n));
        array.copy_from(bytes);
        let written = JsFuture::from(self.file.write(offset as f64, array));
        self.len.set(self.len.get().max(offset + u64::from(n)));
        let (spare, what) = (Rc::clone(&self.spare), format!("writing {}", self.name));
        let writing = async move {
            let array =
                written.await.map_err(|thrown| full(&thrown, u64::from(n), || storage(&what, &thrown)))?;
            spare.borrow_mut().push(array.unchecked_into());
            Ok(())
        };
        writing.boxed_local()
    }

    /// Reads as [`crate::source::store::Store::read`].
    pub(super) async fn read(&self, offset: u64, into: &mut [u8]) -> Result<usize> {
        let read = JsFuture::from(self.file.read(offset as f64, into.len() as u32)).await;
        let failed = |thrown: JsValue| storage(&format!("reading {}", self.name), &thrown);
        let bytes: Uint8Array = read.map_err(failed)?.unchecked_into();
        let n = into.len().min(bytes.length() as usize);
        bytes.subarray(0, n as u32).copy_to(&mut into[..n]);
        Ok(n)
    }

    /// Removes all bytes. A failure shows in the next write.
    pub(super) fn clear(&self) {
        self.len.set(0);
        self.file.truncate(0.0);
    }

    pub(super) fn flush(&self) {
        self.file.flush();
    }
}
