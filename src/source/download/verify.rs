//! What a cache holds of a file, and whether it is still right.

use serde::Serialize;

use super::checksum::hex;
use super::chunks::{CHUNK_BYTES, State};
use super::ledger::{contents, is_intact};
use super::manifest;
use crate::cancel::Cancel;
use crate::error::Result;
use crate::source::stored::Store;

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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Chunks that were there, damaged ones included.
    pub chunks: u64,
    /// Numbers of the damaged ones, which are missing from now on.
    pub damaged: Vec<u64>,
}

/// What is in a store; none where it is empty or can't be understood.
///
/// # Errors
/// [`crate::Error::Storage`].
pub fn describe<S: Store>(store: &mut S) -> Result<Option<Entry>> {
    Ok(contents(store)?.map(|(manifest, chunks)| Entry {
        stored: chunks.stored_bytes(),
        url: manifest.header.url,
        size: manifest.header.size,
        etag: manifest.header.etag,
        last_modified: manifest.header.last_modified,
        sha256: manifest.sha256.map(|sha256| hex(&sha256)),
    }))
}

/// Reads all chunks of a store and compares their hashes.
///
/// # Errors
/// [`crate::Error::Storage`], [`crate::Error::Aborted`].
pub fn verify<S: Store>(store: &mut S, cancel: &Cancel) -> Result<Report> {
    let mut report = Report::default();
    let Some((_, chunks)) = contents(store)? else { return Ok(report) };
    let mut buffer = vec![0; CHUNK_BYTES as usize];
    for ix in (0..chunks.n_chunks()).filter(|ix| chunks.state(*ix) == State::Stored) {
        cancel.check()?;
        let (range, hash) = (chunks.range(ix), chunks.hash(ix).unwrap_or_default());
        report.chunks += 1;
        if !is_intact(store, ix, hash, &mut buffer[..(range.end - range.start) as usize])? {
            manifest::erase(store.manifest(), ix)?;
            report.damaged.push(ix);
        }
    }
    Ok(report)
}
