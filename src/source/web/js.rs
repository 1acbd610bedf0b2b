//! Bytes of a JS object: a `Blob`, a stream, or anything else that a page serves.

use js_sys::{Function, Promise, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::source::{ByteSource, ModelSource};

/// Bytes of one read: a call into JS costs much more than a small copy.
const BLOCK_BYTES: u64 = 4 << 20;

/// A JS object `{ size, name, read(offset, length) -> Promise<Uint8Array> }`. Reading forwards requests every
/// byte once, in order.
#[derive(Debug)]
pub struct JsSource {
    object: JsValue,
    read: Function,
    len: Option<u64>,
    name: String,
    /// The current block, and its offset.
    block: Uint8Array,
    start: u64,
}

impl JsSource {
    /// Reads the fields of the object.
    ///
    /// # Errors
    /// [`Error::Internal`] if it has no `read`.
    pub fn new(object: JsValue) -> Result<Self> {
        let wrong = || Error::Internal { what: "a source of bytes came without `read`".to_owned() };
        let field = |name: &str| Reflect::get(&object, &name.into()).map_err(|_| wrong());
        Ok(Self {
            read: field("read")?.dyn_into().map_err(|_| wrong())?,
            len: field("size")?.as_f64().map(|size| size as u64),
            name: field("name")?.as_string().unwrap_or_default(),
            block: Uint8Array::new_with_length(0),
            start: 0,
            object,
        })
    }

    /// Loads the block with the byte at `offset`; false if the file ends before it.
    async fn seek(&mut self, offset: u64) -> Result<bool> {
        let end = self.start + u64::from(self.block.length());
        if (self.start..end).contains(&offset) {
            return Ok(true);
        }
        let left = self.len.map_or(BLOCK_BYTES, |len| len.saturating_sub(offset).min(BLOCK_BYTES));
        if left == 0 {
            return Ok(false);
        }
        let failed = |thrown: JsValue| failure(&self.name, &thrown);
        let promise: Promise = self
            .read
            .call2(&self.object, &(offset as f64).into(), &(left as f64).into())
            .map_err(failed)?
            .into();
        self.block = JsFuture::from(promise).await.map_err(failed)?.dyn_into().map_err(failed)?;
        self.start = offset;
        Ok(self.block.length() > 0)
    }
}

impl ByteSource for JsSource {
    fn len(&self) -> Option<u64> {
        self.len
    }

    fn name(&self) -> &str {
        &self.name
    }

    async fn read(&mut self, offset: u64, into: &mut [u8], cancel: &Cancel) -> Result<()> {
        let needs = offset.saturating_add(into.len() as u64);
        let mut filled = 0;
        while filled < into.len() {
            cancel.check()?;
            let at = offset + filled as u64;
            if !self.seek(at).await? {
                let has = self.len.unwrap_or(self.start + u64::from(self.block.length()));
                return Err(Error::Truncated { what: self.name.clone(), needs, has });
            }
            let from = (at - self.start) as u32;
            let n = (self.block.length() - from).min((into.len() - filled) as u32);
            self.block.subarray(from, from + n).copy_to(&mut into[filled..filled + n as usize]);
            filled += n as usize;
        }
        Ok(())
    }
}

impl ModelSource for JsSource {}

fn failure(name: &str, thrown: &JsValue) -> Error {
    let said = Reflect::get(thrown, &"message".into()).ok().and_then(|value| value.as_string());
    Error::Io { path: name.to_owned(), why: said.unwrap_or_else(|| format!("{thrown:?}")) }
}
