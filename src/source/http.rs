//! What a download needs of a network: requests with a range, answers with a head and a body.

use core::ops::Range;

use crate::error::Result;

/// A GET request.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The address.
    pub url: &'a str,
    /// Headers that the caller gave. They may be secret: they are sent, and go nowhere else.
    pub headers: &'a [(String, String)],
    /// Bytes asked for, in `Range`; none: the whole file.
    pub range: Option<Range<u64>>,
    /// The `ETag` under which alone a part is wanted, in `If-Range`.
    pub if_range: Option<&'a str>,
}

/// The head of an answer: what is there and may be read. Across origins a page reads only what the server exposes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The status, after redirects.
    pub status: u16,
    /// `Content-Length`, which counts the bytes before a `Content-Encoding` is undone.
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

/// The body of an answer. Dropping it ends the request.
#[allow(async_fn_in_trait, reason = "used through generics in this crate only; web futures are not Send")]
pub trait Body {
    /// Fills the beginning of `into`, which is not empty, and says how many bytes that are: at least one, 0 at the end.
    ///
    /// # Errors
    /// [`crate::Error::Network`] where the body breaks off.
    async fn next(&mut self, into: &mut [u8]) -> Result<usize>;
}

/// A platform's way to the network.
#[allow(async_fn_in_trait, reason = "used through generics in this crate only; web futures are not Send")]
pub trait Transport: 'static {
    /// What answers come with.
    type Body: Body + 'static;

    /// Sends a request and waits for the head of its answer, whatever its status; redirects are followed. Dropping the future ends
    /// the request.
    ///
    /// # Errors
    /// [`crate::Error::Network`] where there is no answer.
    async fn get(&self, request: &Request<'_>) -> Result<(Head, Self::Body)>;

    /// Whether `If-Range` may be sent there. Across origins it costs a preflight, which file servers refuse.
    fn sends_if_range(&self, url: &str) -> bool;

    /// Waits until the platform believes to be online; at once where it does, or can't know.
    async fn online(&self);

    /// Waits so many milliseconds.
    async fn sleep(&self, ms: u32);
}
