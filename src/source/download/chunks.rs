//! Chunks of one file: the table of all, the chunks in memory around the reader, and the store.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use xxhash_rust::xxh3::xxh3_128;

use super::chunk_store::ChunkStore;
use super::chunk_table::{ChunkState, ChunkTable};
use super::concurrency::MOST_REQUESTED;
use super::manifest::Header;
use super::response::Identity;
use crate::error::Result;
use crate::source::store::{Store, Writing};

/// Number of chunks from the reader on that stay in memory although they are stored: those requested, and
/// those being read.
const HELD: u64 = MOST_REQUESTED + 2;
/// Number of chunks from the reader on that are fetched without a store; all of them stay in memory.
const AHEAD: u64 = 16;
/// Spare buffers.
const SPARE: usize = 8;

/// Pool of chunk buffers, whose memory pages exist already. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Buffers(Rc<RefCell<Vec<Vec<u8>>>>);

impl Buffers {
    pub(super) fn take(&self, len: u64) -> Vec<u8> {
        let mut buffer = self.0.borrow_mut().pop().unwrap_or_default();
        buffer.resize(len as usize, 0);
        buffer
    }

    pub(super) fn give_back(&self, buffer: Vec<u8>) {
        let mut spare = self.0.borrow_mut();
        if spare.len() < SPARE {
            spare.push(buffer);
        }
    }
}

/// Result of [`Chunks::insert`].
pub(super) enum Inserted {
    /// The chunk is stored, in memory, or not needed.
    Done,
    /// The store is writing the chunk: [`Chunks::mark_stored`] is due when the write ends.
    Writing(Writing),
    /// The chunk differs from the one that arrived before.
    Differs,
}

/// All chunks of one file.
#[derive(Debug)]
pub(super) struct Chunks<S> {
    pub(super) table: ChunkTable,
    pub(super) store: Option<ChunkStore<S>>,
    /// Chunks in memory.
    held: BTreeMap<u64, Vec<u8>>,
    /// Stored chunks that turned out damaged.
    damaged: BTreeSet<u64>,
    /// Number of the chunk that is being read.
    front: u64,
    buffers: Buffers,
}

impl<S: Store> Chunks<S> {
    pub(super) fn new(table: ChunkTable, store: Option<ChunkStore<S>>, buffers: Buffers) -> Self {
        Self { table, store, held: BTreeMap::new(), damaged: BTreeSet::new(), front: 0, buffers }
    }

    /// Starts the table and the manifest of a file. Drops the store if the size is unknown: it can't keep
    /// such a file.
    pub(super) async fn start_file(&mut self, url: &str, identity: &Identity) -> Result<()> {
        self.table = ChunkTable::new(identity.size);
        match identity.size {
            Some(_) => {
                self.clear_store()?;
                self.reserve_missing().await?;
                self.start_manifest(url, identity)
            }
            None => self.store.take().map_or(Ok(()), |mut store| store.clear()),
        }
    }

    /// Reserves space for the chunks that are not stored.
    pub(super) async fn reserve_missing(&mut self) -> Result<()> {
        match (&mut self.store, self.table.size()) {
            (Some(store), Some(size)) => store.reserve(size - self.table.stored_bytes()).await,
            _ => Ok(()),
        }
    }

    /// Starts a manifest without chunks in an empty store.
    pub(super) fn start_manifest(&mut self, url: &str, identity: &Identity) -> Result<()> {
        match (&mut self.store, self.table.size()) {
            (Some(store), Some(size)) => store.start(&Header::new(url, size, identity)),
            _ => Ok(()),
        }
    }

    /// Empties the store.
    pub(super) fn clear_store(&mut self) -> Result<()> {
        self.store.as_mut().map_or(Ok(()), ChunkStore::clear)
    }

    /// Replaces the table, and drops all chunks in memory.
    pub(super) fn reset(&mut self, table: ChunkTable) {
        self.table = table;
        self.held.clear();
    }

    pub(super) fn front(&self) -> u64 {
        self.front
    }

    /// Moves the reader to another chunk, and drops the chunks that are far from it.
    pub(super) fn move_front(&mut self, ix: u64) {
        self.front = ix;
        let far: Vec<u64> = self.held.keys().copied().filter(|ix| !self.is_near(*ix)).collect();
        for ix in far {
            if let Some(buffer) = self.held.remove(&ix) {
                self.buffers.give_back(buffer);
            }
            if self.table.state(ix) == ChunkState::Held {
                self.table.set(ix, ChunkState::Missing);
            }
        }
    }

    /// Whether a chunk stays in memory.
    fn is_near(&self, ix: u64) -> bool {
        let ahead = if self.store.is_some() { HELD } else { AHEAD };
        (self.front..self.front + ahead).contains(&ix)
    }

    /// Whether a chunk that arrives now is kept, in the store or in memory.
    pub(super) fn keeps(&self, ix: u64) -> bool {
        self.store.is_some() || self.is_near(ix)
    }

    /// Maximum number of chunks from this one on that may be requested: without a store, chunks too far ahead
    /// of the reader would be dropped.
    pub(super) fn room(&self, ix: u64) -> u64 {
        if self.store.is_some() { u64::MAX } else { (self.front + AHEAD).saturating_sub(ix) }
    }

    /// The bytes of a chunk, if it is in memory.
    pub(super) fn bytes(&self, ix: u64) -> Option<&[u8]> {
        self.held.get(&ix).map(Vec::as_slice)
    }

    pub(super) fn is_damaged(&self, ix: u64) -> bool {
        self.damaged.contains(&ix)
    }

    /// The first chunk that is neither stored nor being written; `None` without a store.
    pub(super) fn first_unstored(&self) -> Option<u64> {
        let is_stored = |ix: &u64| matches!(self.table.state(*ix), ChunkState::Stored | ChunkState::Writing);
        self.store.as_ref().and_then(|_| (0..self.table.n_chunks()).find(|ix| !is_stored(ix)))
    }

    /// Reads a chunk from the store into memory. False if it is not stored or is damaged, and then counts as
    /// missing.
    pub(super) async fn load(&mut self, ix: u64) -> Result<bool> {
        let (Some(store), ChunkState::Stored) = (&mut self.store, self.table.state(ix)) else {
            return Ok(false);
        };
        let (range, hash) = (self.table.range(ix), self.table.hash(ix).unwrap_or_default());
        let mut buffer = self.buffers.take(range.end - range.start);
        if !store.read(ix, hash, &mut buffer).await? {
            store.erase(ix)?;
            self.damaged.insert(ix);
            self.table.set(ix, ChunkState::Missing);
            self.buffers.give_back(buffer);
            return Ok(false);
        }
        self.held.insert(ix, buffer);
        Ok(true)
    }

    /// Takes in a chunk that has arrived.
    pub(super) fn insert(&mut self, ix: u64, bytes: Vec<u8>) -> Result<Inserted> {
        let hash = xxh3_128(&bytes);
        if self.table.hash(ix).is_some_and(|known| known != hash) {
            return Ok(Inserted::Differs);
        }
        // The stream of a whole file repeats chunks that are here.
        if matches!(self.table.state(ix), ChunkState::Stored | ChunkState::Writing | ChunkState::Held) {
            self.buffers.give_back(bytes);
            return Ok(Inserted::Done);
        }
        self.table.mark_counted(ix);
        self.table.set_hash(ix, hash);
        let near = self.is_near(ix);
        let writing = match &mut self.store {
            Some(store) => {
                let writing = store.write(ix, &bytes)?;
                match &writing {
                    Some(_) => self.table.set(ix, ChunkState::Writing),
                    None => self.mark_stored(ix)?,
                }
                writing
            }
            None => {
                self.table.set(ix, if near { ChunkState::Held } else { ChunkState::Missing });
                None
            }
        };
        if near {
            self.held.insert(ix, bytes);
        } else {
            self.buffers.give_back(bytes);
        }
        Ok(writing.map_or(Inserted::Done, Inserted::Writing))
    }

    /// Records a chunk whose data are written.
    pub(super) fn mark_stored(&mut self, ix: u64) -> Result<()> {
        let hash = self.table.hash(ix).unwrap_or_default();
        self.store.as_mut().map_or(Ok(()), |store| store.record(ix, hash))?;
        self.damaged.remove(&ix);
        self.table.set(ix, ChunkState::Stored);
        Ok(())
    }
}
