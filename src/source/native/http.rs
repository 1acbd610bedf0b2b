//! HTTP by `ureq`: one thread for each request, which blocks in place of the caller.

use std::future::poll_fn;
use std::io::{ErrorKind, Read};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use futures_channel::{mpsc, oneshot};
use futures_util::StreamExt;
use ureq::config::RedirectAuthHeaders;
use ureq::http::{self, HeaderMap};

use crate::error::{Error, Result};
use crate::source::address::shown;
use crate::source::http::{HttpClient, Request, ResponseBody, ResponseHead};

/// Maximum bytes of one read.
const PIECE_BYTES: usize = 64 << 10;
/// Pieces that a thread reads ahead.
const PIECES: usize = 16;
/// Longest wait for the next byte. A server that stays silent longer counts as gone.
const SILENCE: Duration = Duration::from_secs(60);
/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(20);

/// The client, for HTTP and HTTPS. Clones share their connections.
#[derive(Clone, Debug)]
pub struct UreqClient {
    plain: ureq::Agent,
    /// For `https:` URLs, whose redirects must stay on HTTPS.
    secure: ureq::Agent,
}

impl Default for UreqClient {
    fn default() -> Self {
        let agent = |https_only| {
            let config = ureq::Agent::config_builder()
                .http_status_as_error(false)
                .https_only(https_only)
                .redirect_auth_headers(RedirectAuthHeaders::SameHost)
                .user_agent(concat!("gemma-web/", env!("CARGO_PKG_VERSION")))
                // A part of a compressed file is useless.
                .accept_encoding("identity")
                .timeout_connect(Some(CONNECT))
                .timeout_recv_response(Some(SILENCE))
                .timeout_per_read(Some(SILENCE));
            config.build().new_agent()
        };
        Self { plain: agent(false), secure: agent(true) }
    }
}

/// A piece of a body, or the error that ended it.
type Piece = Result<Vec<u8>>;
/// The head of a response, and the channel of its body.
type Response = Result<(ResponseHead, mpsc::Receiver<Piece>)>;

impl HttpClient for UreqClient {
    type Body = UreqBody;

    async fn get(&self, request: &Request<'_>) -> Result<(ResponseHead, UreqBody)> {
        let url = shown(request.url);
        let agent = if request.url.starts_with("https:") { &self.secure } else { &self.plain };
        let mut call = agent.get(request.url);
        for (name, value) in request.headers {
            call = call.header(name, value);
        }
        if let Some(range) = &request.range {
            call = call.header("Range", format!("bytes={}-{}", range.start, range.end.saturating_sub(1)));
        }
        if let Some(tag) = request.if_range {
            call = call.header("If-Range", tag);
        }
        let (sender, receiver) = oneshot::channel::<Response>();
        let secret: Arc<str> = request.url.into();
        let name = url.clone();
        let thread = thread::Builder::new().name("download".to_owned());
        let started = thread.spawn(move || {
            let failed = |error: &ureq::Error| failure(&name, &secret, error);
            match call.call() {
                Err(error) => drop(sender.send(Err(failed(&error)))),
                Ok(response) => {
                    let (pieces, arriving) = mpsc::channel(PIECES);
                    let head = head(&response);
                    // Nobody receives it if the download has ended.
                    if sender.send(Ok((head, arriving))).is_ok() {
                        forward(response, pieces, |why| Error::Network { url: name.clone(), why });
                    }
                }
            }
        });
        started.map_err(|e| Error::Network { url: url.clone(), why: format!("no thread: {e}") })?;
        let gone =
            |_| Error::Network { url: url.clone(), why: "the request ended without an answer".to_owned() };
        let (head, pieces) = receiver.await.map_err(gone)??;
        match head.content_encoding.as_deref() {
            None | Some("" | "identity") => Ok((head, UreqBody { pieces, piece: Vec::new(), used: 0 })),
            Some(found) => Err(Error::BadReply {
                url,
                what: "Content-Encoding".to_owned(),
                expected: "identity".to_owned(),
                found: found.to_owned(),
            }),
        }
    }

    fn sends_if_range(&self, _: &str) -> bool {
        true
    }

    /// Returns at once: only failures tell.
    async fn online(&self) {}

    async fn sleep(&self, ms: u32) {
        let (done, waiting) = oneshot::channel::<()>();
        let sleeping = thread::Builder::new().name("download: waits".to_owned()).spawn(move || {
            thread::sleep(Duration::from_millis(u64::from(ms)));
            // Nobody waits if the download has ended.
            let _ = done.send(());
        });
        if sleeping.is_ok() {
            let _ = waiting.await;
        }
    }
}

fn head(response: &http::Response<ureq::Body>) -> ResponseHead {
    let headers: &HeaderMap = response.headers();
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    ResponseHead {
        status: response.status().as_u16(),
        content_length: text("content-length").and_then(|length| length.parse().ok()),
        content_range: text("content-range"),
        content_encoding: text("content-encoding"),
        etag: text("etag"),
        last_modified: text("last-modified"),
        retry_after: text("retry-after"),
    }
}

/// Sends a body piece by piece, until it ends or the receiver is gone.
fn forward(
    response: http::Response<ureq::Body>,
    mut pieces: mpsc::Sender<Piece>,
    failed: impl Fn(String) -> Error,
) {
    let mut reader = response.into_body().into_reader();
    loop {
        let mut piece = vec![0; PIECE_BYTES];
        let piece = match reader.read(&mut piece) {
            Ok(0) => return,
            Ok(n) => {
                piece.truncate(n);
                Ok(piece)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => Err(failed(error.to_string())),
        };
        let last = piece.is_err();
        let ready = pollster::block_on(poll_fn(|context| pieces.poll_ready(context)));
        if ready.and_then(|()| pieces.start_send(piece)).is_err() || last {
            return;
        }
    }
}

fn failure(name: &str, url: &str, error: &ureq::Error) -> Error {
    let why = error.to_string().replace(url, name);
    match error {
        // A retry would not help.
        ureq::Error::BadUri(_) | ureq::Error::Http(_) | ureq::Error::RequireHttpsOnly(_) => {
            let expected =
                "an address that begins with http:// or https://, and headers of a name and a value";
            Error::invalid_option("url", format!("\"{name}\": {why}"), expected)
        }
        _ => Error::Network { url: name.to_owned(), why },
    }
}

/// The body of a response, which its thread reads.
#[derive(Debug)]
pub struct UreqBody {
    pieces: mpsc::Receiver<Piece>,
    piece: Vec<u8>,
    /// Bytes of the piece that the reader has.
    used: usize,
}

impl ResponseBody for UreqBody {
    async fn next(&mut self, into: &mut [u8]) -> Result<usize> {
        if self.used == self.piece.len() {
            let Some(piece) = self.pieces.next().await else { return Ok(0) };
            (self.piece, self.used) = (piece?, 0);
        }
        let rest = &self.piece[self.used..];
        let n = rest.len().min(into.len());
        into[..n].copy_from_slice(&rest[..n]);
        self.used += n;
        Ok(n)
    }
}
