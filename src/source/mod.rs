//! Sources of bytes: the trait [`ByteSource`], with implementations for files, downloads and synthetic
//! models.
//!
//! - [`address`]: URLs, the short form `hf:owner/repo/file.gguf`, and the names of shards,
//! - [`download`]: one remote file, requested in chunks, checked, stored and resumed,
//! - [`http`], [`store`]: the network and the cache as a download needs them, as traits,
//! - `native`, `web`: the two platforms; each has files, an HTTP client and a cache,
//! - [`synthetic`]: random models in the shape of real ones, without a download,
//! - [`concat`](mod@concat), [`prefixed`], [`timed`]: wrappers that join shards, serve header bytes from
//!   memory, and measure the time of reads.

use crate::cancel::Cancel;
use crate::error::Result;

pub mod address;
pub mod concat;
pub mod download;
pub mod http;
#[cfg(not(target_arch = "wasm32"))]
pub mod native;
pub mod prefixed;
pub mod store;
pub mod synthetic;
pub mod timed;
#[cfg(target_arch = "wasm32")]
pub mod web;

/// A file that can be read by ranges. One-pass sources accept only ranges that start at or after the end of
/// the last one.
#[allow(async_fn_in_trait, reason = "used through generics in this crate only; web futures are not Send")]
#[allow(
    clippy::len_without_is_empty,
    reason = "the length may be unknown, and an empty file is refused like any other stub"
)]
pub trait ByteSource {
    /// Length in bytes, if known.
    fn len(&self) -> Option<u64>;

    /// Name of the source in messages: a path or a URL.
    fn name(&self) -> &str;

    /// Fills `into` with the bytes from `offset` on.
    ///
    /// # Errors
    /// [`crate::Error::Truncated`] if the file ends first, [`crate::Error::Aborted`] after `cancel`, and the
    /// platform's own errors.
    async fn read(&mut self, offset: u64, into: &mut [u8], cancel: &Cancel) -> Result<()>;
}

/// All files of one model, one after the other.
#[allow(async_fn_in_trait, reason = "used through generics in this crate only; web futures are not Send")]
pub trait ModelSource: ByteSource {
    /// Offset of each file, in order. A model in one file has one, at 0.
    fn file_starts(&self) -> Vec<u64> {
        vec![0]
    }

    /// Completes the source after the last read: fetches what a cache still lacks, and verifies checksums.
    ///
    /// # Errors
    /// [`crate::Error::ChecksumMismatch`], and those of [`ByteSource::read`].
    async fn finish(&mut self, cancel: &Cancel) -> Result<()> {
        cancel.check()
    }
}

/// A borrowed source.
impl<S: ByteSource> ByteSource for &mut S {
    fn len(&self) -> Option<u64> {
        (**self).len()
    }

    fn name(&self) -> &str {
        (**self).name()
    }

    async fn read(&mut self, offset: u64, into: &mut [u8], cancel: &Cancel) -> Result<()> {
        (**self).read(offset, into, cancel).await
    }
}
