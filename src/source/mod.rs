//! Where bytes come from: one trait, one file per platform source.

use crate::cancel::Cancel;
use crate::error::Result;

pub mod address;
#[cfg(not(target_arch = "wasm32"))]
pub mod client;
#[cfg(not(target_arch = "wasm32"))]
pub mod directory;
#[cfg(target_arch = "wasm32")]
pub mod distant;
pub mod download;
#[cfg(not(target_arch = "wasm32"))]
pub mod file;
#[cfg(target_arch = "wasm32")]
pub mod handles;
#[cfg(target_arch = "wasm32")]
pub mod http;
pub mod joined;
pub mod prefixed;
#[cfg(target_arch = "wasm32")]
pub mod script;
pub mod stored;
pub mod synthetic;
pub mod timed;
pub mod transport;

/// A file that can be read by ranges. One-pass sources accept only ranges that start at or after the end of the last.
#[allow(async_fn_in_trait, reason = "used through generics in this crate only; web futures are not Send")]
#[allow(
    clippy::len_without_is_empty,
    reason = "the length may be unknown, and an empty file is refused like any other stub"
)]
pub trait ByteSource {
    /// Length in bytes, where known.
    fn len(&self) -> Option<u64>;

    /// What the source is called in messages: a path or an address.
    fn name(&self) -> &str;

    /// Fills `into` with the bytes from `offset` on.
    ///
    /// # Errors
    /// [`crate::Error::Truncated`] where the file ends first, [`crate::Error::Aborted`] after `cancel`, and the platform's own.
    async fn read(&mut self, offset: u64, into: &mut [u8], cancel: &Cancel) -> Result<()>;

    /// Does what is left to be done and to be checked once all that is wanted was read. A source that wraps another hands this on.
    ///
    /// # Errors
    /// [`crate::Error::ChecksumMismatch`], and those of [`ByteSource::read`].
    async fn finish(&mut self, cancel: &Cancel) -> Result<()> {
        cancel.check()
    }

    /// Where the files start that this one is joined of: one, at 0, unless it is a [`joined::Joined`]. A source that wraps another
    /// hands this on.
    fn parts(&self) -> Vec<u64> {
        vec![0]
    }
}

/// A source that somebody keeps.
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

    async fn finish(&mut self, cancel: &Cancel) -> Result<()> {
        (**self).finish(cancel).await
    }

    fn parts(&self) -> Vec<u64> {
        (**self).parts()
    }
}
