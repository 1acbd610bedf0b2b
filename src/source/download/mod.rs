//! One remote file, downloaded in chunks that survive: asked for by ranges, checked, kept, and asked for again where that failed.
//!
//! [`Remote`] is the file. It has `job`s fetch stretches of it, which try again by the rules of `retry` and believe no
//! `reply` that is not what was asked for; it keeps the chunks in a `ledger`, which writes a `manifest`, and has as many
//! jobs at once as `pace` finds useful. Everything is polled inside `read`: what nobody reads is not fetched.
//!
//! Three promises hold whatever servers and disks do. Bytes of two versions of a file are never mixed: every reply has to be
//! about the version that the first one was about, and a chunk that comes a second time has to be the same. A chunk counts as stored
//! only with a hash that its bytes match whenever they are read. And a download that ends, however it ends, leaves a store that
//! the next one goes on with; only of a server that sends neither `ETag` nor `Last-Modified` it can't, since it can't know the
//! file again.

mod checksum;
mod chunks;
mod entry;
mod fetch;
mod job;
mod ledger;
mod manifest;
mod pace;
mod remote;
mod reply;
mod retry;
mod watch;

pub use checksum::parse_sha256;
pub use chunks::CHUNK_BYTES;
pub use entry::{Entry, Report, describe, verify};
pub use remote::Remote;
pub use watch::{Transfer, Waiting, Watch};

use core::fmt;

/// The file to download.
#[derive(Clone, Default)]
pub struct Wanted {
    /// Its URL, as [`super::address::resolve`] gives it.
    pub url: String,
    /// Headers for each request.
    pub headers: Vec<(String, String)>,
    /// What its SHA-256 has to be.
    pub sha256: Option<[u8; 32]>,
    /// Hears how the download goes.
    pub watch: Watch,
}

impl fmt::Debug for Wanted {
    /// Without what may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wanted").field("url", &super::address::shown(&self.url)).finish_non_exhaustive()
    }
}
