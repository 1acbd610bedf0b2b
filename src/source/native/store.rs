//! The cache natively: the files `ID.data` and `ID.manifest` in the user's cache folder, and `ID.lock`, which who has them open holds.

use std::fs::{File, OpenOptions, TryLockError, create_dir_all};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::stored::{RandomFile, Store};
use crate::error::{Error, Result};

/// Where everything is kept that can be had again: `$XDG_CACHE_HOME/gemma-web`, or the platform's like of it; nowhere without a home.
#[must_use]
pub fn cache_folder() -> Option<PathBuf> {
    let of = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder =
        of("XDG_CACHE_HOME").or_else(|| of("LOCALAPPDATA")).or_else(|| Some(of("HOME")?.join(".cache")))?;
    Some(folder.join("gemma-web"))
}

/// An entry of the cache, which no other process has open as long as this lives.
#[derive(Debug)]
pub struct Entry {
    data: DiskFile,
    manifest: DiskFile,
    /// Locked until it is closed.
    _lock: File,
}

impl Entry {
    /// Opens an entry by its [`super::address::id`], and makes it if need be. Where another process has it open, `on_busy` hears of
    /// it and this waits: two that want the same file share one download.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub fn open(folder: &Path, id: &str, on_busy: &mut dyn FnMut()) -> Result<Self> {
        let failed = |path: &Path, e: &std::io::Error| storage("opening", path, e);
        create_dir_all(folder).map_err(|e| failed(folder, &e))?;
        let path = folder.join(format!("{id}.lock"));
        let lock = options().open(&path).map_err(|e| failed(&path, &e))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                on_busy();
                lock.lock().map_err(|e| failed(&path, &e))?;
            }
            Err(TryLockError::Error(e)) => return Err(failed(&path, &e)),
        }
        let open = |kind| DiskFile::open(folder.join(format!("{id}.{kind}")));
        Ok(Self { data: open("data")?, manifest: open("manifest")?, _lock: lock })
    }
}

impl Store for Entry {
    type File = DiskFile;

    fn data(&mut self) -> &mut DiskFile {
        &mut self.data
    }

    fn manifest(&mut self) -> &mut DiskFile {
        &mut self.manifest
    }

    /// What is free on a disk can't be asked with the standard library; a full one fails when it is written.
    async fn reserve(&mut self, _: u64) -> Result<()> {
        Ok(())
    }
}

/// A file on disk.
#[derive(Debug)]
pub struct DiskFile {
    file: File,
    path: PathBuf,
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    options
}

fn storage(what: &str, path: &Path, error: &std::io::Error) -> Error {
    Error::Storage { what: format!("{what} {}", path.display()), why: error.to_string() }
}

impl DiskFile {
    fn open(path: PathBuf) -> Result<Self> {
        let file = options().open(&path).map_err(|e| storage("opening", &path, &e))?;
        Ok(Self { file, path })
    }

    fn failed(&self, what: &str, error: &std::io::Error, needed: u64) -> Error {
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                Error::QuotaExceeded { needed, available: 0 }
            }
            _ => storage(what, &self.path, error),
        }
    }
}

impl RandomFile for DiskFile {
    fn len(&self) -> Result<u64> {
        self.file.metadata().map(|metadata| metadata.len()).map_err(|e| self.failed("measuring", &e, 0))
    }

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<usize> {
        let read = self.file.seek(SeekFrom::Start(offset)).and_then(|_| self.file.read(into));
        read.map_err(|e| self.failed("reading", &e, 0))
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        let written = self.file.seek(SeekFrom::Start(offset)).and_then(|_| self.file.write_all(bytes));
        written.map_err(|e| self.failed("writing", &e, bytes.len() as u64))
    }

    fn set_len(&mut self, len: u64) -> Result<()> {
        self.file.set_len(len).map_err(|e| self.failed("cutting", &e, len))
    }

    /// Nothing: the system writes gigabytes down in its own time, and what a power cut takes of them is missed by its hash.
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}
