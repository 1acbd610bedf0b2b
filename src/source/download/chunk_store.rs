//! The two files of a stored download, kept in step: data first, then its record.

use xxhash_rust::xxh3::xxh3_128;

use super::chunks::{CHUNK_BYTES, Chunks, State};
use super::manifest::{self, Header, Manifest};
use crate::error::Result;
use crate::source::stored::{RandomFile, Store, Writing, fill};

/// A store, and what its records are checked with once it has a manifest.
#[derive(Debug)]
pub(super) struct Ledger<S> {
    store: S,
    key: u64,
}

impl<S: Store> Ledger<S> {
    /// Reads what is there. A chunk whose record lies beyond the data is missing.
    pub(super) fn open(mut store: S) -> Result<(Self, Option<(Manifest, Chunks)>)> {
        let found = contents(&mut store)?;
        let key = found.as_ref().map_or(0, |(manifest, _)| manifest.key);
        Ok((Self { store, key }, found))
    }

    /// Starts a file with no chunk stored.
    pub(super) fn start(&mut self, header: &Header) -> Result<()> {
        self.key = manifest::start(self.store.manifest(), header)?;
        Ok(())
    }

    /// Asks for room for so many more bytes.
    pub(super) async fn reserve(&mut self, bytes: u64) -> Result<()> {
        self.store.reserve(bytes).await
    }

    /// Takes everything out.
    pub(super) fn empty(&mut self) -> Result<()> {
        self.store.manifest().set_len(0)?;
        self.store.data().set_len(0)
    }

    /// Writes a chunk. Its record is due once that is done.
    pub(super) fn keep(&mut self, ix: u64, bytes: &[u8]) -> Result<Option<Writing>> {
        self.store.write(ix * CHUNK_BYTES, bytes)
    }

    /// Records a chunk that is written.
    pub(super) fn record(&mut self, ix: u64, hash: u128) -> Result<()> {
        manifest::record(self.store.manifest(), self.key, ix, hash)
    }

    /// Reads a chunk; false where it is damaged.
    pub(super) async fn load(&mut self, ix: u64, hash: u128, into: &mut [u8]) -> Result<bool> {
        let n = self.store.read(ix * CHUNK_BYTES, into).await?;
        Ok(n == into.len() && xxh3_128(into) == hash)
    }

    /// Takes a chunk out.
    pub(super) fn erase(&mut self, ix: u64) -> Result<()> {
        manifest::erase(self.store.manifest(), ix)
    }

    /// Notes the checksum that the whole file was found to have.
    pub(super) fn note_sha256(&mut self, sha256: &[u8; 32]) -> Result<()> {
        manifest::note_sha256(self.store.manifest(), self.key, sha256)
    }

    pub(super) fn flush(&mut self) -> Result<()> {
        self.store.data().flush()?;
        self.store.manifest().flush()
    }
}

/// The manifest of a store, and the chunks by it; none where there is no manifest that makes sense.
pub(super) fn contents<S: Store>(store: &mut S) -> Result<Option<(Manifest, Chunks)>> {
    let Some(manifest) = manifest::read(store.manifest())? else { return Ok(None) };
    let len = store.data().len()?;
    let mut chunks = Chunks::new(Some(manifest.header.size));
    for (hash, ix) in manifest.hashes.iter().zip(0..) {
        if let Some(hash) = hash
            && chunks.range(ix).end <= len
        {
            chunks.set(ix, State::Stored);
            chunks.set_hash(ix, *hash);
        }
    }
    Ok(Some((manifest, chunks)))
}

/// Reads a chunk and compares its hash.
pub(super) fn is_intact<S: Store>(store: &mut S, ix: u64, hash: u128, into: &mut [u8]) -> Result<bool> {
    let n = fill(store.data(), ix * CHUNK_BYTES, into)?;
    Ok(n == into.len() && xxh3_128(into) == hash)
}
