//! Store of chunks. It keeps the data and the manifest of an entry in step: first the data of a chunk, then
//! its record.

use xxhash_rust::xxh3::xxh3_128;

use super::chunk_table::{CHUNK_BYTES, ChunkState, ChunkTable};
use super::manifest::{self, Header, Manifest};
use super::options::DownloadOptions;
use crate::error::Result;
use crate::source::address;
use crate::source::store::{ManifestFile, Store, Writing};

/// A store, and the key that its records are checked with, which a manifest's header sets.
#[derive(Debug)]
pub(super) struct ChunkStore<S> {
    store: S,
    key: u64,
}

impl<S: Store> ChunkStore<S> {
    /// Reads the manifest. Returns it with its chunks if the download can resume them.
    pub(super) fn open(
        mut store: S,
        options: &DownloadOptions,
    ) -> Result<(Self, Option<(Manifest, ChunkTable)>)> {
        let found = contents(&mut store)?.filter(|(manifest, chunks)| can_resume(manifest, chunks, options));
        let key = found.as_ref().map_or(0, |(manifest, _)| manifest.key);
        Ok((Self { store, key }, found))
    }

    /// Starts a manifest without chunks.
    pub(super) fn start(&mut self, header: &Header) -> Result<()> {
        self.key = manifest::start(self.store.manifest(), header)?;
        Ok(())
    }

    /// Checks that `bytes` more bytes fit.
    pub(super) async fn reserve(&mut self, bytes: u64) -> Result<()> {
        self.store.reserve(bytes).await
    }

    /// Removes the manifest and the data.
    pub(super) fn clear(&mut self) -> Result<()> {
        self.store.manifest().clear()?;
        self.store.clear()
    }

    /// Writes the data of a chunk. [`ChunkStore::record`] is due when they are written.
    pub(super) fn write(&mut self, ix: u64, bytes: &[u8]) -> Result<Option<Writing>> {
        self.store.write(ix * CHUNK_BYTES, bytes)
    }

    /// Records a chunk whose data are written.
    pub(super) fn record(&mut self, ix: u64, hash: u128) -> Result<()> {
        manifest::record(self.store.manifest(), self.key, ix, hash)
    }

    /// Reads a chunk as [`read_chunk`] does.
    pub(super) async fn read(&mut self, ix: u64, hash: u128, into: &mut [u8]) -> Result<bool> {
        read_chunk(&mut self.store, ix, hash, into).await
    }

    /// Erases the record of a chunk.
    pub(super) fn erase(&mut self, ix: u64) -> Result<()> {
        manifest::erase(self.store.manifest(), ix)
    }

    /// Records the verified checksum of the whole file.
    pub(super) fn record_sha256(&mut self, sha256: &[u8; 32]) -> Result<()> {
        manifest::record_sha256(self.store.manifest(), self.key, sha256)
    }

    pub(super) fn flush(&mut self) -> Result<()> {
        self.store.flush()?;
        self.store.manifest().flush()
    }
}

/// Whether a download can resume what is stored.
fn can_resume(manifest: &Manifest, chunks: &ChunkTable, options: &DownloadOptions) -> bool {
    let is_other = matches!((manifest.sha256, options.sha256), (Some(is), Some(expected)) if is != expected);
    let is_same = manifest.header.url == address::shown(&options.url);
    is_same && !is_other && (chunks.is_stored() || manifest.header.identity().is_known())
}

/// The manifest of a store and its table of chunks; `None` without a valid manifest.
pub(super) fn contents<S: Store>(store: &mut S) -> Result<Option<(Manifest, ChunkTable)>> {
    let Some(manifest) = manifest::read(store.manifest())? else { return Ok(None) };
    let chunks = table(&manifest, store.len()?);
    Ok(Some((manifest, chunks)))
}

/// The table of the chunks that a manifest records. A chunk beyond the end of the data is missing.
pub(super) fn table(manifest: &Manifest, data_len: u64) -> ChunkTable {
    let mut chunks = ChunkTable::new(Some(manifest.header.size));
    for (hash, ix) in manifest.hashes.iter().zip(0..) {
        if let Some(hash) = hash
            && chunks.range(ix).end <= data_len
        {
            chunks.set(ix, ChunkState::Stored);
            chunks.set_hash(ix, *hash);
        }
    }
    chunks
}

/// Reads a chunk and compares its hash; false if it is damaged.
pub(super) async fn read_chunk<S: Store>(
    store: &mut S,
    ix: u64,
    hash: u128,
    into: &mut [u8],
) -> Result<bool> {
    let n = store.read(ix * CHUNK_BYTES, into).await?;
    Ok(n == into.len() && xxh3_128(into) == hash)
}
