//! One remote file, downloaded in chunks that survive: asked for by ranges, checked, kept, and asked for again where that failed.

use std::cell::Cell;
use std::rc::Rc;

use serde::Serialize;

use super::ByteSource;
use super::stored::Store;
use super::transport::Transport;
use crate::cancel::Cancel;
use crate::error::{Error, Result};

/// The file to download.
#[derive(Clone, Debug, Default)]
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

/// How a download goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Transfer {
    /// Bytes that came from the cache.
    pub cached: u64,
    /// Bytes that came from the network.
    pub fetched: u64,
    /// What is waited for, if not for bytes.
    pub waiting: Option<Waiting>,
}

/// Why no bytes arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Waiting {
    /// There is no network.
    Offline,
    /// A request failed, and is repeated after a while.
    Retrying,
}

/// A window on a download that can be looked through while it is under way. Clones show the same; several downloads that are
/// given one add up.
#[derive(Clone, Debug, Default)]
pub struct Watch(Rc<Cell<Transfer>>);

impl Watch {
    /// How it goes now.
    #[must_use]
    pub fn now(&self) -> Transfer {
        self.0.get()
    }
}

/// What the cache holds of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Where it came from, without its query.
    pub url: String,
    /// Bytes of the whole file.
    pub size: u64,
    /// Bytes that are there.
    pub stored: u64,
    /// `ETag` of the file.
    pub etag: Option<String>,
    /// `Last-Modified` of the file.
    pub last_modified: Option<String>,
    /// The SHA-256 that was asked for and found, in hex.
    pub sha256: Option<String>,
}

/// What [`verify`] found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Chunks that are there, damaged ones included.
    pub chunks: u64,
    /// Numbers of the damaged ones, which are missing from now on.
    pub damaged: Vec<u64>,
}

/// What is in a store; none where it is empty or can't be understood.
///
/// # Errors
/// [`Error::Storage`].
pub fn describe<S: Store>(_store: &mut S) -> Result<Option<Entry>> {
    Ok(None)
}

/// Reads all chunks of a store and compares their hashes.
///
/// # Errors
/// [`Error::Storage`], [`Error::Aborted`].
pub fn verify<S: Store>(_store: &mut S, cancel: &Cancel) -> Result<Report> {
    cancel.check()?;
    Ok(Report { chunks: 0, damaged: Vec::new() })
}

/// One file on a server, with or without a place where its chunks are kept.
#[derive(Debug)]
pub struct Remote<T, S> {
    transport: Rc<T>,
    store: Option<S>,
    name: String,
}

impl<T: Transport, S: Store> Remote<T, S> {
    /// Looks at what is stored and, unless that is the whole file, sends the first request.
    ///
    /// # Errors
    /// [`Error::Http`], [`Error::Network`], [`Error::BadReply`], [`Error::QuotaExceeded`], [`Error::Storage`], [`Error::Aborted`].
    pub async fn open(transport: T, store: Option<S>, wanted: Wanted, cancel: &Cancel) -> Result<Self> {
        cancel.check()?;
        Ok(Self { transport: Rc::new(transport), store, name: super::address::shown(&wanted.url) })
    }
}

impl<T: Transport, S: Store> ByteSource for Remote<T, S> {
    fn len(&self) -> Option<u64> {
        None
    }

    fn name(&self) -> &str {
        &self.name
    }

    async fn read(&mut self, _offset: u64, _into: &mut [u8], _cancel: &Cancel) -> Result<()> {
        let _ = (&self.transport, &self.store);
        Err(Error::Internal { what: "downloads are not there yet".to_owned() })
    }
}
