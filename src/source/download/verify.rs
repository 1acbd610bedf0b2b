//! Description and verification of cache entries.

use serde::Serialize;

use super::checksum::hex;
use super::chunk_store::{contents, read_chunk, table};
use super::chunk_table::{CHUNK_BYTES, ChunkState, ChunkTable};
use super::manifest::{self, Manifest};
use crate::cancel::Cancel;
use crate::error::Result;
use crate::source::store::Store;

/// Description of one cached file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CacheEntry {
    /// Its URL without the query.
    pub url: String,
    /// Bytes of the whole file.
    pub size: u64,
    /// Bytes that are stored.
    pub stored: u64,
    /// `ETag` of the file.
    pub etag: Option<String>,
    /// `Last-Modified` of the file.
    pub last_modified: Option<String>,
    /// The verified SHA-256 of the file in hex, if a download asked for it.
    pub sha256: Option<String>,
}

/// Result of [`verify`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VerifyReport {
    /// Number of stored chunks, damaged ones included.
    pub chunks: u64,
    /// Numbers of the damaged chunks, which count as missing from now on.
    pub damaged: Vec<u64>,
}

/// Describes a store; `None` if it is empty or its manifest is not valid.
///
/// # Errors
/// [`crate::Error::Storage`].
pub fn describe<S: Store>(store: &mut S) -> Result<Option<CacheEntry>> {
    Ok(contents(store)?.map(|(manifest, chunks)| entry(manifest, &chunks)))
}

/// Describes a store that somebody else may have open, by a copy of its manifest and the length of its data.
#[must_use]
pub fn describe_manifest(manifest: &[u8], data_len: u64) -> Option<CacheEntry> {
    let manifest = manifest::parse(manifest)?;
    let chunks = table(&manifest, data_len);
    Some(entry(manifest, &chunks))
}

fn entry(manifest: Manifest, chunks: &ChunkTable) -> CacheEntry {
    CacheEntry {
        stored: chunks.stored_bytes(),
        url: manifest.header.url,
        size: manifest.header.size,
        etag: manifest.header.etag,
        last_modified: manifest.header.last_modified,
        sha256: manifest.sha256.map(|sha256| hex(&sha256)),
    }
}

/// Reads all chunks of a store, compares their hashes, and erases the records of damaged chunks.
///
/// # Errors
/// [`crate::Error::Storage`], [`crate::Error::Aborted`].
pub async fn verify<S: Store>(store: &mut S, cancel: &Cancel) -> Result<VerifyReport> {
    let mut report = VerifyReport::default();
    let Some((_, chunks)) = contents(store)? else { return Ok(report) };
    let mut buffer = vec![0; CHUNK_BYTES as usize];
    for ix in (0..chunks.n_chunks()).filter(|ix| chunks.state(*ix) == ChunkState::Stored) {
        cancel.check()?;
        let (range, hash) = (chunks.range(ix), chunks.hash(ix).unwrap_or_default());
        report.chunks += 1;
        if !read_chunk(store, ix, hash, &mut buffer[..(range.end - range.start) as usize]).await? {
            manifest::erase(store.manifest(), ix)?;
            report.damaged.push(ix);
        }
    }
    Ok(report)
}
