//! What a download needs of a disk: two files that can be written anywhere.

use crate::error::Result;

/// A file that is read and written at any place. Nothing in it waits: files of the system and a browser's synchronous access
/// handles both are so.
#[allow(clippy::len_without_is_empty, reason = "nobody asks")]
pub trait RandomFile {
    /// Bytes of the file.
    ///
    /// # Errors
    /// [`crate::Error::Storage`].
    fn len(&self) -> Result<u64>;

    /// Fills the beginning of `into` with the bytes from `offset` on, and says how many: fewer than asked for at the end of the
    /// file only.
    ///
    /// # Errors
    /// [`crate::Error::Storage`].
    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<usize>;

    /// Writes all of `bytes` at `offset`. A gap that this leaves before them reads as zeros.
    ///
    /// # Errors
    /// [`crate::Error::Storage`], [`crate::Error::QuotaExceeded`].
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<()>;

    /// Cuts the file, or extends it by zeros.
    ///
    /// # Errors
    /// [`crate::Error::Storage`], [`crate::Error::QuotaExceeded`].
    fn set_len(&mut self, len: u64) -> Result<()>;

    /// Has the system write down what it holds back.
    ///
    /// # Errors
    /// [`crate::Error::Storage`].
    fn flush(&mut self) -> Result<()>;
}

/// The two files of one entry of a cache. Whoever made it sees to it that nobody else has them open.
#[allow(async_fn_in_trait, reason = "used through generics in this crate only; web futures are not Send")]
pub trait Store {
    /// The platform's file.
    type File: RandomFile;

    /// The file as it is downloaded, byte for byte; missing chunks are gaps.
    fn data(&mut self) -> &mut Self::File;

    /// Which chunks there are, and their hashes.
    fn manifest(&mut self) -> &mut Self::File;

    /// Asked before anything is downloaded: whether so many more bytes fit.
    ///
    /// # Errors
    /// [`crate::Error::QuotaExceeded`] where they don't.
    async fn reserve(&mut self, bytes: u64) -> Result<()>;
}
