//! Files by `fetch`, in one pass, in a page as in a worker.

use js_sys::{Promise, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortSignal, ReadableStreamDefaultReader, RequestInit, Response};

use super::ByteSource;
use crate::cancel::Cancel;
use crate::error::{Error, Result};

#[wasm_bindgen]
extern "C" {
    // `fetch` is a global of pages and of workers; web-sys has it only as a method of each.
    #[wasm_bindgen(catch)]
    fn fetch(url: &str, init: &RequestInit) -> Result<Promise, JsValue>;
}

/// The body of one GET request, read front to back.
///
/// Back-pressure comes for free: a chunk is asked for only when its bytes are wanted, and one is held at a time.
#[derive(Debug)]
pub struct HttpSource {
    url: String,
    len: Option<u64>,
    reader: ReadableStreamDefaultReader,
    chunk: Uint8Array,
    /// Bytes of `chunk` that were handed out or skipped.
    used: u32,
    /// Offset in the file of the next byte of `chunk`.
    position: u64,
}

impl HttpSource {
    /// Sends the request and waits for the head of the answer. `signal` stops the request at any later moment too.
    ///
    /// # Errors
    /// [`Error::Http`] for a status other than 2xx, [`Error::Network`] where there is no answer, [`Error::Aborted`].
    pub async fn open(url: &str, signal: Option<&AbortSignal>) -> Result<Self> {
        let failed = |thrown: JsValue| failure(url, "before the first byte", &thrown);
        let init = RequestInit::new();
        init.set_signal(signal);
        let response = JsFuture::from(fetch(url, &init).map_err(failed)?).await.map_err(failed)?;
        let response: Response = response.dyn_into().map_err(failed)?;
        if !response.ok() {
            return Err(Error::Http { url: url.to_owned(), status: response.status() });
        }
        let reader = match response.body() {
            Some(body) => body.get_reader().dyn_into().map_err(|thrown| failed(thrown.into()))?,
            None => {
                return Err(Error::Network { url: url.to_owned(), why: "the answer has no body".to_owned() });
            }
        };
        let len = content_length(&response);
        Ok(Self {
            url: url.to_owned(),
            len,
            reader,
            chunk: Uint8Array::new_with_length(0),
            used: 0,
            position: 0,
        })
    }

    /// Bytes left in the chunk at hand.
    fn left(&self) -> u32 {
        self.chunk.length().saturating_sub(self.used)
    }

    fn advance(&mut self, bytes: u32) {
        self.used += bytes;
        self.position += u64::from(bytes);
    }

    /// Replaces the used-up chunk by the next one; false at the end of the body.
    async fn next_chunk(&mut self) -> Result<bool> {
        let failed = |thrown: JsValue| failure(&self.url, &format!("after {} bytes", self.position), &thrown);
        let step = JsFuture::from(self.reader.read()).await.map_err(failed)?;
        if Reflect::get(&step, &"done".into()).map_err(failed)?.is_truthy() {
            return Ok(false);
        }
        self.chunk = Reflect::get(&step, &"value".into()).map_err(failed)?.dyn_into().map_err(failed)?;
        self.used = 0;
        Ok(true)
    }
}

impl ByteSource for HttpSource {
    fn len(&self) -> Option<u64> {
        self.len
    }

    fn name(&self) -> &str {
        &self.url
    }

    async fn read(&mut self, offset: u64, into: &mut [u8], cancel: &Cancel) -> Result<()> {
        let Some(mut skip) = offset.checked_sub(self.position) else {
            return Err(Error::Internal {
                what: format!("a one-pass source at byte {} was asked for byte {offset}", self.position),
            });
        };
        let mut filled = 0;
        while filled < into.len() {
            cancel.check()?;
            if self.left() == 0 && !self.next_chunk().await? {
                let needs = offset + into.len() as u64;
                return Err(Error::Truncated { what: self.url.clone(), needs, has: self.position });
            }
            let skipped = skip.min(u64::from(self.left()));
            skip -= skipped;
            self.advance(skipped as u32);
            let take = (self.left() as usize).min(into.len() - filled);
            let part = self.chunk.subarray(self.used, self.used + take as u32);
            part.copy_to(&mut into[filled..filled + take]);
            self.advance(take as u32);
            filled += take;
        }
        Ok(())
    }
}

impl Drop for HttpSource {
    /// Ends the download where the file was not read to its end.
    fn drop(&mut self) {
        // The promise is of no interest: there is nobody left to tell.
        let _ = self.reader.cancel();
    }
}

/// `Content-Length`, unless the body is compressed: then it counts other bytes than those that arrive.
fn content_length(response: &Response) -> Option<u64> {
    let header = |name: &str| response.headers().get(name).ok().flatten();
    match header("content-encoding") {
        Some(encoding) if encoding != "identity" => None,
        _ => header("content-length")?.parse().ok(),
    }
}

fn failure(url: &str, when: &str, thrown: &JsValue) -> Error {
    let text = |key: &str| Reflect::get(thrown, &key.into()).ok().and_then(|value| value.as_string());
    if text("name").as_deref() == Some("AbortError") {
        return Error::Aborted;
    }
    let said = text("message").unwrap_or_else(|| format!("{thrown:?}"));
    Error::Network { url: url.to_owned(), why: format!("{when}: {said}") }
}
