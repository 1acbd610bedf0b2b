//! The cache folder of a user: the files `ID.data` and `ID.manifest` of each entry, and `ID.lock`, which is
//! locked by the process that has them open.

use std::fs::{File, OpenOptions, TryLockError, create_dir_all};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::source::store::{ManifestFile, Store, Writing, read_full};

/// The folder of the cache: `$XDG_CACHE_HOME/gemma-web` or the platform's equivalent; `None` without a home
/// folder.
#[must_use]
pub fn cache_folder() -> Option<PathBuf> {
    let of = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder =
        of("XDG_CACHE_HOME").or_else(|| of("LOCALAPPDATA")).or_else(|| Some(of("HOME")?.join(".cache")))?;
    Some(folder.join("gemma-web"))
}

/// An open entry of the cache. No other process can open it until this is dropped.
#[derive(Debug)]
pub struct DiskStore {
    data: DiskFile,
    manifest: DiskFile,
    /// Holds the lock until it is closed.
    _lock: File,
}

impl DiskStore {
    /// Opens an entry by its [`crate::source::address::id`], and creates it if it does not exist. If another
    /// process has it open, this calls `on_busy` and waits: two processes that load the same file share one
    /// download.
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

impl Store for DiskStore {
    type Manifest = DiskFile;

    fn manifest(&mut self) -> &mut DiskFile {
        &mut self.manifest
    }

    fn len(&self) -> Result<u64> {
        let metadata = self.data.file.metadata();
        metadata.map(|metadata| metadata.len()).map_err(|e| self.data.failed("measuring", &e, 0))
    }

    async fn read(&mut self, offset: u64, into: &mut [u8]) -> Result<usize> {
        read_full(offset, into, |offset, into| self.data.read_at(offset, into))
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<Option<Writing>> {
        self.data.write_at(offset, bytes).map(|()| None)
    }

    fn clear(&mut self) -> Result<()> {
        self.data.clear()
    }

    fn flush(&mut self) -> Result<()> {
        self.data.flush()
    }

    /// Does nothing: the standard library cannot tell the free space of a disk. A write to a full disk fails.
    async fn reserve(&mut self, _: u64) -> Result<()> {
        Ok(())
    }
}

/// One file of an entry.
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

impl ManifestFile for DiskFile {
    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<usize> {
        let read = self.file.seek(SeekFrom::Start(offset)).and_then(|_| self.file.read(into));
        read.map_err(|e| self.failed("reading", &e, 0))
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        let written = self.file.seek(SeekFrom::Start(offset)).and_then(|_| self.file.write_all(bytes));
        written.map_err(|e| self.failed("writing", &e, bytes.len() as u64))
    }

    fn clear(&mut self) -> Result<()> {
        self.file.set_len(0).map_err(|e| self.failed("clearing", &e, 0))
    }

    /// Does nothing: the system writes gigabytes in its own time. If a power cut loses some, their hashes
    /// tell.
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}
