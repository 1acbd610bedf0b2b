//! The network by `fetch`, in a page as in a worker.

use js_sys::{Function, Promise, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortController, Headers, ReadableStream, ReadableStreamByobReader, ReadableStreamDefaultReader,
    RequestCache, RequestInit, Response,
};

use super::address;
use super::transport::{Body, Head, Request, Transport};
use crate::error::{Error, Result};

#[wasm_bindgen]
extern "C" {
    // Globals of pages and of workers; web-sys has them only as methods of each.
    #[wasm_bindgen(catch)]
    fn fetch(url: &str, init: &RequestInit) -> Result<Promise, JsValue>;
    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(callback: &Function, ms: u32) -> i32;
    #[wasm_bindgen(js_name = addEventListener)]
    fn add_event_listener(kind: &str, callback: &Function, options: &JsValue);
    // web-sys has it without its exceptions.
    #[wasm_bindgen(extends = ReadableStream)]
    type AnyStream;
    #[wasm_bindgen(method, catch, js_name = getReader)]
    fn byob_reader(this: &AnyStream, options: &JsValue) -> Result<ReadableStreamByobReader, JsValue>;
}

/// Bytes that one read takes at most.
const PIECE_BYTES: u32 = 256 << 10;

/// Longest wait for the network. Browsers are sometimes wrong about being offline, so it is tried now and then all the same.
const OFFLINE_MS: u32 = 30_000;

/// `fetch`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fetch;

impl Transport for Fetch {
    type Body = FetchBody;

    async fn get(&self, request: &Request<'_>) -> Result<(Head, FetchBody)> {
        let failed = |thrown: JsValue| failure(request.url, "before the first byte", &thrown);
        let stop = Stop(AbortController::new().map_err(failed)?);
        let response = match send(request, &stop).await {
            // Some browsers take no compressed answer to a request with a range, some ask first whether they may send one. A request
            // from the start can do without; anything else that is wrong is so without it too.
            Err(_) if request.range.as_ref().is_some_and(|range| range.start == 0) => {
                let whole = Request { range: None, if_range: None, ..request.clone() };
                send(&whole, &stop).await
            }
            sent => sent,
        };
        let response = response.map_err(failed)?;
        let reader = response.body().map(Reader::new).transpose().map_err(failed)?;
        let body = FetchBody {
            url: request.url.to_owned(),
            reader,
            piece: Uint8Array::new_with_length(0),
            used: 0,
            position: 0,
            _stop: stop,
        };
        Ok((head(&response), body))
    }

    fn sends_if_range(&self, url: &str) -> bool {
        // Addresses are absolute here.
        let own = global("location", "origin").and_then(|origin| origin.as_string());
        own.is_some_and(|own| url.strip_prefix(&own).is_some_and(|rest| rest.starts_with(['/', '?', '#'])))
    }

    async fn online(&self) {
        if global("navigator", "onLine").and_then(|online| online.as_bool()) != Some(false) {
            return;
        }
        wait(&|resolve| {
            let once = js_sys::Object::new();
            // Setting a field of a fresh plain object can't fail.
            let _ = Reflect::set(&once, &"once".into(), &JsValue::TRUE);
            add_event_listener("online", &resolve, &once);
            set_timeout(&resolve, OFFLINE_MS);
        })
        .await;
    }

    async fn sleep(&self, ms: u32) {
        wait(&|resolve| {
            set_timeout(&resolve, ms);
        })
        .await;
    }
}

/// A field of a global object, of pages and of workers.
fn global(object: &str, field: &str) -> Option<JsValue> {
    let object = Reflect::get(&js_sys::global(), &object.into()).ok()?;
    Reflect::get(&object, &field.into()).ok()
}

/// Waits until the function that is handed out was called.
async fn wait(start: &dyn Fn(Function)) {
    let promise = Promise::new(&mut |resolve, _| start(resolve));
    // It is never rejected.
    let _ = JsFuture::from(promise).await;
}

/// Ends its request when dropped.
#[derive(Debug)]
struct Stop(AbortController);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The body of one answer, read front to back.
///
/// Back-pressure comes for free: a piece is asked for only when its bytes are wanted, and one is held at a time.
#[derive(Debug)]
pub struct FetchBody {
    url: String,
    reader: Option<Reader>,
    piece: Uint8Array,
    /// Bytes of `piece` that were handed out.
    used: u32,
    /// Bytes of the body that were handed out.
    position: u64,
    _stop: Stop,
}

impl Body for FetchBody {
    async fn next(&mut self, into: &mut [u8]) -> Result<usize> {
        while self.used == self.piece.length() {
            if !self.next_piece().await? {
                return Ok(0);
            }
        }
        let n = (self.piece.length() - self.used).min(into.len() as u32);
        self.piece.subarray(self.used, self.used + n).copy_to(&mut into[..n as usize]);
        self.used += n;
        self.position += u64::from(n);
        Ok(n as usize)
    }
}

impl FetchBody {
    /// Replaces the used-up piece by the next one; false at the end of the body.
    async fn next_piece(&mut self) -> Result<bool> {
        let Some(reader) = &self.reader else { return Ok(false) };
        let failed = |thrown: JsValue| failure(&self.url, &format!("after {} bytes", self.position), &thrown);
        let step = JsFuture::from(reader.read(&self.piece)).await.map_err(failed)?;
        if Reflect::get(&step, &"done".into()).map_err(failed)?.is_truthy() {
            // What is lent to a reader is empty until it comes back.
            (self.piece, self.used) = (Uint8Array::new_with_length(0), 0);
            return Ok(false);
        }
        self.piece = Reflect::get(&step, &"value".into()).map_err(failed)?.dyn_into().map_err(failed)?;
        self.used = 0;
        Ok(true)
    }
}

/// Reads a body into one buffer over and over where the browser can: pieces of their own are garbage that it collects late, a hundred
/// megabytes of it.
#[derive(Debug)]
enum Reader {
    Byob(ReadableStreamByobReader),
    Default(ReadableStreamDefaultReader),
}

impl Reader {
    fn new(body: ReadableStream) -> Result<Self, JsValue> {
        let options = js_sys::Object::new();
        Reflect::set(&options, &"mode".into(), &"byob".into())?;
        match body.unchecked_ref::<AnyStream>().byob_reader(&options) {
            Ok(reader) => Ok(Self::Byob(reader)),
            // Not every browser reads every body so.
            Err(_) => Ok(Self::Default(body.get_reader().dyn_into()?)),
        }
    }

    /// The next piece. The buffer of the last one, all of whose bytes were used, is lent to the browser for it.
    fn read(&self, last: &Uint8Array) -> Promise {
        match self {
            Self::Default(reader) => reader.read(),
            Self::Byob(reader) => {
                let buffer = last.buffer();
                let whole = if buffer.byte_length() == PIECE_BYTES {
                    Uint8Array::new(&buffer)
                } else {
                    Uint8Array::new_with_length(PIECE_BYTES)
                };
                reader.read_with_array_buffer_view(&whole)
            }
        }
    }
}

async fn send(request: &Request<'_>, stop: &Stop) -> Result<Response, JsValue> {
    JsFuture::from(fetch(request.url, &init(request, stop)?)?).await?.dyn_into()
}

fn init(request: &Request<'_>, stop: &Stop) -> Result<RequestInit, JsValue> {
    let headers = Headers::new()?;
    for (name, value) in request.headers {
        headers.append(name, value)?;
    }
    if let Some(range) = &request.range {
        headers.set("Range", &format!("bytes={}-{}", range.start, range.end.saturating_sub(1)))?;
    }
    if let Some(etag) = request.if_range {
        headers.set("If-Range", etag)?;
    }
    let init = RequestInit::new();
    init.set_headers(&headers);
    init.set_signal(Some(&stop.0.signal()));
    // The browser's own cache would hold the file a second time, and mix old ranges with new ones.
    init.set_cache(RequestCache::NoStore);
    Ok(init)
}

fn head(response: &Response) -> Head {
    let headers = response.headers();
    let header = |name: &str| headers.get(name).ok().flatten();
    Head {
        status: response.status(),
        content_length: header("content-length").and_then(|length| length.parse().ok()),
        content_range: header("content-range"),
        content_encoding: header("content-encoding"),
        etag: header("etag"),
        last_modified: header("last-modified"),
        retry_after: header("retry-after"),
    }
}

fn failure(url: &str, when: &str, thrown: &JsValue) -> Error {
    let text = |key: &str| Reflect::get(thrown, &key.into()).ok().and_then(|value| value.as_string());
    let said = text("message").unwrap_or_else(|| format!("{thrown:?}"));
    // Browsers repeat the address in some messages.
    let shown = address::shown(url);
    Error::Network { why: format!("{when}: {}", said.replace(url, &shown)), url: shown }
}
