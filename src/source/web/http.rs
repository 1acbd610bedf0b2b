//! HTTP by `fetch`, in a page or a worker.

use js_sys::{Function, Promise, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortController, Headers, ReadableStream, ReadableStreamByobReader, ReadableStreamDefaultReader,
    RequestCache, RequestInit, Response,
};

use crate::error::{Error, Result};
use crate::source::address;
use crate::source::http::{HttpClient, Request, ResponseBody, ResponseHead};

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

/// Maximum bytes of one read.
const PIECE_BYTES: u32 = 256 << 10;

/// Longest wait for the network. Browsers are sometimes wrong about being offline, so the download tries
/// again after this time.
const OFFLINE_MS: u32 = 30_000;

/// The client: the `fetch` of the page or the worker.
#[derive(Clone, Copy, Debug, Default)]
pub struct FetchClient;

impl HttpClient for FetchClient {
    type Body = FetchBody;

    async fn get(&self, request: &Request<'_>) -> Result<(ResponseHead, FetchBody)> {
        let failed = |thrown: JsValue| failure(request.url, "before the first byte", &thrown);
        let stop = Stop(AbortController::new().map_err(failed)?);
        let response = match send(request, &stop).await {
            // Some browsers accept no compressed response to a request with a range, and some send a
            // preflight for it. A request from the start can omit the range; any other failure also occurs
            // without it.
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
        // URLs are absolute here.
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
        sleep_ms(ms).await;
    }
}

/// Waits `ms` milliseconds; 0 gives other work a turn.
pub(super) async fn sleep_ms(ms: u32) {
    wait(&|resolve| {
        set_timeout(&resolve, ms);
    })
    .await;
}

/// A field of a global object of pages and workers.
fn global(object: &str, field: &str) -> Option<JsValue> {
    let object = Reflect::get(&js_sys::global(), &object.into()).ok()?;
    Reflect::get(&object, &field.into()).ok()
}

/// Waits until the function that `start` receives is called.
async fn wait(start: &dyn Fn(Function)) {
    let promise = Promise::new(&mut |resolve, _| start(resolve));
    // The promise is never rejected.
    let _ = JsFuture::from(promise).await;
}

/// Guard that ends its request when dropped.
#[derive(Debug)]
struct Stop(AbortController);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The body of one response, read front to back.
///
/// Back-pressure comes for free: the reader asks for a piece only when it needs the bytes, and holds one at a
/// time.
#[derive(Debug)]
pub struct FetchBody {
    url: String,
    reader: Option<Reader>,
    piece: Uint8Array,
    /// Bytes of `piece` that were read.
    used: u32,
    /// Bytes of the body that were read.
    position: u64,
    _stop: Stop,
}

impl ResponseBody for FetchBody {
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
    /// Replaces the finished piece by the next one; false at the end of the body.
    async fn next_piece(&mut self) -> Result<bool> {
        let Some(reader) = &self.reader else { return Ok(false) };
        let failed = |thrown: JsValue| failure(&self.url, &format!("after {} bytes", self.position), &thrown);
        let step = JsFuture::from(reader.read(&self.piece)).await.map_err(failed)?;
        if Reflect::get(&step, &"done".into()).map_err(failed)?.is_truthy() {
            // An array that is lent to a reader is empty until it comes back.
            (self.piece, self.used) = (Uint8Array::new_with_length(0), 0);
            return Ok(false);
        }
        self.piece = Reflect::get(&step, &"value".into()).map_err(failed)?.dyn_into().map_err(failed)?;
        self.used = 0;
        Ok(true)
    }
}

/// Reader of a body, into one reused buffer if the browser supports it: separate pieces become garbage that
/// it collects late, after a hundred megabytes.
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
            // Not every browser reads every body this way.
            Err(_) => Ok(Self::Default(body.get_reader().dyn_into()?)),
        }
    }

    /// The next piece. It reuses the buffer of the last one, whose bytes are all read.
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
    // The browser's own cache would keep the file a second time, and mix old ranges with new ones.
    init.set_cache(RequestCache::NoStore);
    Ok(init)
}

fn head(response: &Response) -> ResponseHead {
    let headers = response.headers();
    let header = |name: &str| headers.get(name).ok().flatten();
    ResponseHead {
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
