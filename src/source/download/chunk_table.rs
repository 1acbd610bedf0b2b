//! Table of chunks: missing, requested, in memory, being written, or stored.

use core::ops::Range;

/// Bytes of a chunk, the unit of hashing, storing and fetching again.
pub const CHUNK_BYTES: u64 = 4 << 20;

/// State of a chunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ChunkState {
    /// Neither here nor requested.
    #[default]
    Missing,
    /// Part of a pending request.
    Requested,
    /// In memory only.
    Held,
    /// On its way into the store.
    Writing,
    /// In the store.
    Stored,
}

#[derive(Clone, Copy, Debug, Default)]
struct Chunk {
    state: ChunkState,
    /// Known hashes stay: a chunk that arrives again must be the same.
    hash: Option<u128>,
    /// Whether its bytes are counted as cached or fetched.
    counted: bool,
}

/// All chunks of a file. If the server does not tell the size, the table grows until the end of the file.
#[derive(Debug, Default)]
pub(super) struct ChunkTable {
    size: Option<u64>,
    chunks: Vec<Chunk>,
}

impl ChunkTable {
    /// A table of missing chunks.
    pub(super) fn new(size: Option<u64>) -> Self {
        let n_chunks = size.unwrap_or_default().div_ceil(CHUNK_BYTES);
        Self { size, chunks: vec![Chunk::default(); n_chunks as usize] }
    }

    pub(super) fn size(&self) -> Option<u64> {
        self.size
    }

    /// Number of chunks, as far as it is known.
    pub(super) fn n_chunks(&self) -> u64 {
        self.chunks.len() as u64
    }

    /// Sets the size at the end of a file of unknown size.
    pub(super) fn set_size(&mut self, size: u64) {
        self.size = Some(size);
        self.chunks.resize(size.div_ceil(CHUNK_BYTES) as usize, Chunk::default());
    }

    /// Byte range of a chunk in the file.
    pub(super) fn range(&self, ix: u64) -> Range<u64> {
        let start = ix * CHUNK_BYTES;
        start..(start + CHUNK_BYTES).min(self.size.unwrap_or(u64::MAX))
    }

    fn get(&self, ix: u64) -> Chunk {
        self.chunks.get(ix as usize).copied().unwrap_or_default()
    }

    pub(super) fn state(&self, ix: u64) -> ChunkState {
        self.get(ix).state
    }

    pub(super) fn hash(&self, ix: u64) -> Option<u128> {
        self.get(ix).hash
    }

    /// The chunk, created if the size is unknown; `None` beyond the end of the file.
    fn get_mut(&mut self, ix: u64) -> Option<&mut Chunk> {
        if self.size.is_none() && ix >= self.n_chunks() {
            self.chunks.resize(ix as usize + 1, Chunk::default());
        }
        self.chunks.get_mut(ix as usize)
    }

    pub(super) fn set(&mut self, ix: u64, state: ChunkState) {
        if let Some(chunk) = self.get_mut(ix) {
            chunk.state = state;
        }
    }

    pub(super) fn set_hash(&mut self, ix: u64, hash: u128) {
        if let Some(chunk) = self.get_mut(ix) {
            chunk.hash = Some(hash);
        }
    }

    /// Marks the bytes of a chunk as counted; false if they were already.
    pub(super) fn mark_counted(&mut self, ix: u64) -> bool {
        self.get_mut(ix).is_some_and(|chunk| !std::mem::replace(&mut chunk.counted, true))
    }

    /// The first missing chunk at or after `from`.
    pub(super) fn missing(&self, from: u64) -> Option<u64> {
        let rest = self.chunks.get(from as usize..)?;
        rest.iter().zip(from..).find_map(|(chunk, ix)| (chunk.state == ChunkState::Missing).then_some(ix))
    }

    /// Number of chunks at or after `from` in a state.
    pub(super) fn n_in(&self, state: ChunkState, from: u64) -> u64 {
        let rest = self.chunks.get(from as usize..).unwrap_or_default();
        rest.iter().filter(|chunk| chunk.state == state).count() as u64
    }

    /// Consecutive missing chunks from `from` on, at most `max`.
    fn missing_run(&self, from: u64, max: u64) -> Range<u64> {
        let missing = |ix: &u64| *ix < self.n_chunks() && self.state(*ix) == ChunkState::Missing;
        from..from + (from..from + max).take_while(missing).count() as u64
    }

    /// Marks consecutive missing chunks from `from` on, at most `max`, as requested. Returns their bytes, at
    /// least those of one chunk.
    pub(super) fn request(&mut self, from: u64, max: u64) -> Range<u64> {
        let run = self.missing_run(from, max);
        let last = run.end.max(from + 1) - 1;
        run.for_each(|ix| self.set(ix, ChunkState::Requested));
        self.range(from).start..self.range(last).end
    }

    /// Bytes of the stored chunks.
    pub(super) fn stored_bytes(&self) -> u64 {
        let stored = (0..self.n_chunks()).filter(|ix| self.state(*ix) == ChunkState::Stored);
        stored.map(|ix| self.range(ix)).map(|range| range.end - range.start).sum()
    }

    /// Whether the whole file is stored.
    pub(super) fn is_stored(&self) -> bool {
        self.size.is_some() && self.chunks.iter().all(|chunk| chunk.state == ChunkState::Stored)
    }

    /// Marks requested chunks as missing again: all requests have ended.
    pub(super) fn forget_requested(&mut self) {
        for chunk in self.chunks.iter_mut().filter(|chunk| chunk.state == ChunkState::Requested) {
            chunk.state = ChunkState::Missing;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_missing_chunks() {
        let mut chunks = ChunkTable::new(Some(4 * CHUNK_BYTES + 1));
        assert_eq!((chunks.n_chunks(), chunks.range(4)), (5, 4 * CHUNK_BYTES..4 * CHUNK_BYTES + 1));
        chunks.set(2, ChunkState::Stored);
        assert_eq!(
            (chunks.missing_run(0, 8), chunks.missing_run(3, 8), chunks.missing_run(0, 1)),
            (0..2, 3..5, 0..1)
        );
        assert_eq!((chunks.missing(2), chunks.missing(5), chunks.missing(9)), (Some(3), None, None));
        chunks.set(9, ChunkState::Stored);
        assert_eq!((chunks.n_chunks(), chunks.stored_bytes()), (5, CHUNK_BYTES), "there is no chunk 9");
        assert!(chunks.mark_counted(3) && !chunks.mark_counted(3) && !chunks.mark_counted(9));
    }

    #[test]
    fn a_file_of_unknown_size_grows() {
        let mut chunks = ChunkTable::new(None);
        chunks.set(1, ChunkState::Held);
        assert!(chunks.n_chunks() == 2 && !chunks.is_stored());
        chunks.set_size(CHUNK_BYTES + 3);
        assert_eq!((chunks.n_chunks(), chunks.range(1).end), (2, CHUNK_BYTES + 3));
        assert!(ChunkTable::new(Some(0)).is_stored(), "nothing is missing of nothing");
    }
}
