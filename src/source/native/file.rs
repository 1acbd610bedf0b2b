//! Files on disk.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::source::{ByteSource, ModelSource};

/// A file on disk, readable in any order.
#[derive(Debug)]
pub struct FileSource {
    file: File,
    path: String,
    len: u64,
}

impl FileSource {
    /// Opens the file and notes its length.
    ///
    /// # Errors
    /// [`Error::Io`] if it does not exist, may not be read, or is not a regular file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let io = |e: std::io::Error| Error::Io { path: name.clone(), why: e.to_string() };
        let file = File::open(path).map_err(io)?;
        let metadata = file.metadata().map_err(io)?;
        if !metadata.is_file() {
            // Unix opens a directory, and only reading it fails, with a message that names nothing.
            let why = "it is not a regular file".to_owned();
            return Err(Error::Io { path: name, why });
        }
        Ok(Self { file, path: name, len: metadata.len() })
    }

    fn truncated(&self, offset: u64, n_bytes: usize) -> Error {
        Error::Truncated {
            what: format!("the range of {n_bytes} bytes at {offset} of {}", self.path),
            needs: offset.saturating_add(n_bytes as u64),
            has: self.len,
        }
    }
}

impl ByteSource for FileSource {
    fn len(&self) -> Option<u64> {
        Some(self.len)
    }

    fn name(&self) -> &str {
        &self.path
    }

    async fn read(&mut self, offset: u64, into: &mut [u8], cancel: &Cancel) -> Result<()> {
        cancel.check()?;
        if offset.checked_add(into.len() as u64).is_none_or(|end| end > self.len) {
            return Err(self.truncated(offset, into.len()));
        }
        let filled = self.file.seek(SeekFrom::Start(offset)).and_then(|_| self.file.read_exact(into));
        filled.map_err(|e| match e.kind() {
            // The file became shorter after it was opened.
            ErrorKind::UnexpectedEof => self.truncated(offset, into.len()),
            _ => Error::Io { path: self.path.clone(), why: e.to_string() },
        })
    }
}

impl ModelSource for FileSource {}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;

    /// This source file is the fixture: it exists wherever the tests run.
    const THIS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/source/native/file.rs");

    fn read(source: &mut FileSource, offset: u64, n_bytes: usize) -> Result<Vec<u8>> {
        let mut into = vec![0; n_bytes];
        pollster::block_on(source.read(offset, &mut into, &Cancel::default()))?;
        Ok(into)
    }

    #[test]
    fn reads_ranges_in_any_order() {
        let mut source = FileSource::open(THIS).unwrap();
        let len = source.len().unwrap();
        assert_eq!(source.name(), THIS, "messages name the path as given");
        assert_eq!(read(&mut source, 9, 4).unwrap(), b" on ", "a range in the middle");
        assert_eq!(read(&mut source, 0, 9).unwrap(), b"//! Files", "then one before it");
        assert_eq!(read(&mut source, len - 2, 2).unwrap(), b"}\n", "then the end");
        assert_eq!(read(&mut source, len, 0).unwrap(), b"", "nothing at the end is no error");
    }

    #[test]
    fn a_range_beyond_the_end_is_truncated() {
        let mut source = FileSource::open(THIS).unwrap();
        let len = source.len().unwrap();
        for (offset, n_bytes) in [(len - 1, 2), (len + 1, 0), (u64::MAX, 1)] {
            let error = read(&mut source, offset, n_bytes).unwrap_err();
            assert!(matches!(error, Error::Truncated { has, .. } if has == len), "{offset}: {error:?}");
        }
    }

    #[test]
    fn missing_files_and_directories_are_named() {
        for path in ["no/such/file.gguf", env!("CARGO_MANIFEST_DIR")] {
            let error = FileSource::open(path).unwrap_err();
            assert!(matches!(&error, Error::Io { path: named, .. } if named == path), "{error:?}");
        }
    }

    #[test]
    fn a_cancelled_read_is_aborted() {
        let mut source = FileSource::open(THIS).unwrap();
        let cancel = Cancel::default();
        cancel.cancel();
        let error = pollster::block_on(source.read(0, &mut [0], &cancel)).unwrap_err();
        assert!(matches!(error, Error::Aborted), "{error:?}");
    }
}
