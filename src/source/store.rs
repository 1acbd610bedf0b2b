//! What a download needs of a disk: two files that can be written anywhere.

use futures_util::future::LocalBoxFuture;

use crate::error::Result;

/// A write that goes on by itself; it ends once the bytes can be read.
pub type Writing = LocalBoxFuture<'static, Result<()>>;

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

    /// Writes all of `bytes` into the data at `offset`: at once, or behind the caller's back where that is quicker. What is handed over
    /// earlier is written earlier.
    ///
    /// # Errors
    /// As [`RandomFile::write_at`], here or in the end.
    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<Option<Writing>> {
        self.data().write_at(offset, bytes).map(|()| None)
    }

    /// Fills `into` with the data from `offset` on, and says how many bytes there were.
    ///
    /// # Errors
    /// [`crate::Error::Storage`].
    async fn read(&mut self, offset: u64, into: &mut [u8]) -> Result<usize> {
        fill(self.data(), offset, into)
    }

    /// Asked before anything is downloaded: whether so many more bytes fit.
    ///
    /// # Errors
    /// [`crate::Error::QuotaExceeded`] where they don't.
    async fn reserve(&mut self, bytes: u64) -> Result<()>;
}

/// Reads until `into` is full or the file ends, and says how many bytes there were.
///
/// # Errors
/// [`crate::Error::Storage`].
pub fn fill(file: &mut impl RandomFile, offset: u64, into: &mut [u8]) -> Result<usize> {
    let mut filled = 0;
    while let Some(rest) = into.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(offset + filled as u64, rest)? {
            0 => break,
            n => filled += n,
        }
    }
    Ok(filled)
}
