//! Storage of a download: one data file, and one manifest that says which of its chunks are stored.

use futures_util::future::LocalBoxFuture;

use crate::error::Result;

/// A write under way. It ends when the bytes can be read.
pub type Writing = LocalBoxFuture<'static, Result<()>>;

/// The manifest of an entry: a small file that is read and written at any offset, synchronously.
pub trait ManifestFile {
    /// Fills the beginning of `into` with the bytes from `offset` on and returns their number, which is 0
    /// only at the end of the file.
    ///
    /// # Errors
    /// [`crate::Error::Storage`].
    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<usize>;

    /// Writes all of `bytes` at `offset`. A gap before them reads as zeros.
    ///
    /// # Errors
    /// [`crate::Error::Storage`], [`crate::Error::QuotaExceeded`].
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<()>;

    /// Removes all bytes.
    ///
    /// # Errors
    /// [`crate::Error::Storage`].
    fn clear(&mut self) -> Result<()>;

    /// Asks the system to write its buffers to the disk.
    ///
    /// # Errors
    /// [`crate::Error::Storage`].
    fn flush(&mut self) -> Result<()>;
}

/// One entry of a cache: the data of a file and its manifest. The opener of an entry ensures that nobody else
/// has it open.
#[allow(async_fn_in_trait, reason = "used through generics in this crate only; web futures are not Send")]
#[allow(clippy::len_without_is_empty, reason = "no caller needs it")]
pub trait Store {
    /// The platform's manifest file.
    type Manifest: ManifestFile;

    /// The manifest: which chunks are stored, and their hashes.
    fn manifest(&mut self) -> &mut Self::Manifest;

    /// Bytes of the data: the downloaded file byte for byte, in which missing chunks are gaps.
    ///
    /// # Errors
    /// [`crate::Error::Storage`].
    fn len(&self) -> Result<u64>;

    /// Fills `into` with the data from `offset` on and returns the number of bytes, which is smaller only at
    /// the end of the data.
    ///
    /// # Errors
    /// [`crate::Error::Storage`].
    async fn read(&mut self, offset: u64, into: &mut [u8]) -> Result<usize>;

    /// Writes all of `bytes` into the data at `offset`. A gap before them reads as zeros. `None`: the bytes
    /// are written. `Some`: another thread is writing them. Writes happen in the order of the calls.
    ///
    /// # Errors
    /// [`crate::Error::Storage`], [`crate::Error::QuotaExceeded`]; from the call or from the [`Writing`].
    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<Option<Writing>>;

    /// Removes all data.
    ///
    /// # Errors
    /// [`crate::Error::Storage`].
    fn clear(&mut self) -> Result<()>;

    /// Asks the system to write the buffers of the data to the disk.
    ///
    /// # Errors
    /// [`crate::Error::Storage`].
    fn flush(&mut self) -> Result<()>;

    /// Checks that `bytes` more bytes fit. A download calls it before it fetches them.
    ///
    /// # Errors
    /// [`crate::Error::QuotaExceeded`] if they do not fit.
    async fn reserve(&mut self, bytes: u64) -> Result<()>;
}

/// Calls `read_at` until `into` is full or a call returns 0 at the end of the file. Returns the number of
/// bytes.
///
/// # Errors
/// Those of `read_at`.
pub fn read_full(
    offset: u64,
    into: &mut [u8],
    mut read_at: impl FnMut(u64, &mut [u8]) -> Result<usize>,
) -> Result<usize> {
    let mut filled = 0;
    while let Some(rest) = into.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match read_at(offset + filled as u64, rest)? {
            0 => break,
            n => filled += n,
        }
    }
    Ok(filled)
}
