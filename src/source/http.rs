//! HTTP as a download needs it: GET requests with a byte range, responses with a head and a streamed body.

use core::ops::Range;

use crate::error::Result;

/// A GET request.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The URL.
    pub url: &'a str,
    /// The caller's headers. They may be secret: the client sends them and never shows or stores them.
    pub headers: &'a [(String, String)],
    /// Bytes to ask for in `Range`; `None`: the whole file.
    pub range: Option<Range<u64>>,
    /// The `ETag` to send in `If-Range`: the server sends the part only if the tag still matches.
    pub if_range: Option<&'a str>,
}

/// Status and headers of a response, as far as they are readable. Across origins a page reads only headers
/// that the server exposes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseHead {
    /// The status, after redirects.
    pub status: u16,
    /// `Content-Length`: bytes before a `Content-Encoding` is undone.
    pub content_length: Option<u64>,
    /// `Content-Range`.
    pub content_range: Option<String>,
    /// `Content-Encoding`. The body arrives decoded.
    pub content_encoding: Option<String>,
    /// `ETag`.
    pub etag: Option<String>,
    /// `Last-Modified`.
    pub last_modified: Option<String>,
    /// `Retry-After`.
    pub retry_after: Option<String>,
}

/// The body of a response. Dropping it ends the request.
#[allow(async_fn_in_trait, reason = "used through generics in this crate only; web futures are not Send")]
pub trait ResponseBody {
    /// Fills the beginning of `into`, which is not empty, and returns the number of bytes: 0 at the end of
    /// the body.
    ///
    /// # Errors
    /// [`crate::Error::Network`] if the connection breaks.
    async fn next(&mut self, into: &mut [u8]) -> Result<usize>;
}

/// A platform's HTTP client.
#[allow(async_fn_in_trait, reason = "used through generics in this crate only; web futures are not Send")]
pub trait HttpClient: 'static {
    /// The platform's response body.
    type Body: ResponseBody + 'static;

    /// Sends a request, follows redirects and waits for the head of the response, whatever its status.
    /// Dropping the future ends the request.
    ///
    /// # Errors
    /// [`crate::Error::Network`] if no response arrives.
    async fn get(&self, request: &Request<'_>) -> Result<(ResponseHead, Self::Body)>;

    /// Whether a request to `url` may carry `If-Range`. Across origins it causes a preflight, which file
    /// servers refuse.
    fn sends_if_range(&self, url: &str) -> bool;

    /// Waits until the platform reports a network. Returns at once if it cannot know.
    async fn online(&self);

    /// Waits `ms` milliseconds.
    async fn sleep(&self, ms: u32);
}
