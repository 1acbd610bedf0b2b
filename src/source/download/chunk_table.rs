//! The table of chunks: which are missing, asked for, in memory, being written or stored.

use core::ops::Range;

/// Bytes of a chunk: what is hashed, stored and fetched again as one.
pub const CHUNK_BYTES: u64 = 4 << 20;

/// Where a chunk is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    /// Nowhere.
    #[default]
    Missing,
    /// In a request that is under way.
    Asked,
    /// In memory only.
    Held,
    /// Handed to the store, which has not written it yet.
    Writing,
    /// In the store.
    Stored,
}

#[derive(Clone, Copy, Debug, Default)]
struct Chunk {
    state: State,
    /// Once it is known, it stays: a chunk that comes again has to be the same.
    hash: Option<u128>,
    /// Whether its bytes were counted as cached or fetched.
    counted: bool,
}

/// All chunks of a file, whose size may turn out only at its end.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    size: Option<u64>,
    chunks: Vec<Chunk>,
}

impl Chunks {
    /// All missing.
    pub(super) fn new(size: Option<u64>) -> Self {
        let n_chunks = size.unwrap_or_default().div_ceil(CHUNK_BYTES);
        Self { size, chunks: vec![Chunk::default(); n_chunks as usize] }
    }

    pub(super) fn size(&self) -> Option<u64> {
        self.size
    }

    /// Chunks of the file, or as far as it is known.
    pub(super) fn n_chunks(&self) -> u64 {
        self.chunks.len() as u64
    }

    /// The size, which is known now.
    pub(super) fn end_at(&mut self, size: u64) {
        self.size = Some(size);
        self.chunks.resize(size.div_ceil(CHUNK_BYTES) as usize, Chunk::default());
    }

    /// Where a chunk lies in the file.
    pub(super) fn range(&self, ix: u64) -> Range<u64> {
        let start = ix * CHUNK_BYTES;
        start..(start + CHUNK_BYTES).min(self.size.unwrap_or(u64::MAX))
    }

    fn get(&self, ix: u64) -> Chunk {
        self.chunks.get(ix as usize).copied().unwrap_or_default()
    }

    pub(super) fn state(&self, ix: u64) -> State {
        self.get(ix).state
    }

    pub(super) fn hash(&self, ix: u64) -> Option<u128> {
        self.get(ix).hash
    }

    /// The chunk, which is made where the file turns out to be longer; none beyond its end.
    fn at(&mut self, ix: u64) -> Option<&mut Chunk> {
        if self.size.is_none() && ix >= self.n_chunks() {
            self.chunks.resize(ix as usize + 1, Chunk::default());
        }
        self.chunks.get_mut(ix as usize)
    }

    pub(super) fn set(&mut self, ix: u64, state: State) {
        if let Some(chunk) = self.at(ix) {
            chunk.state = state;
        }
    }

    pub(super) fn set_hash(&mut self, ix: u64, hash: u128) {
        if let Some(chunk) = self.at(ix) {
            chunk.hash = Some(hash);
        }
    }

    /// Whether this is the first time that this is asked of the chunk.
    pub(super) fn count(&mut self, ix: u64) -> bool {
        self.at(ix).is_some_and(|chunk| !std::mem::replace(&mut chunk.counted, true))
    }

    /// The first missing chunk at or after `from`.
    pub(super) fn missing(&self, from: u64) -> Option<u64> {
        let rest = self.chunks.get(from as usize..)?;
        rest.iter().zip(from..).find_map(|(chunk, ix)| (chunk.state == State::Missing).then_some(ix))
    }

    /// How many chunks at or after `from` are in a state.
    pub(super) fn n_in(&self, state: State, from: u64) -> u64 {
        let rest = self.chunks.get(from as usize..).unwrap_or_default();
        rest.iter().filter(|chunk| chunk.state == state).count() as u64
    }

    /// Missing chunks in a row that begins with `from`, at most `max`.
    pub(super) fn run(&self, from: u64, max: u64) -> Range<u64> {
        let missing = |ix: &u64| *ix < self.n_chunks() && self.state(*ix) == State::Missing;
        from..from + (from..from + max).take_while(missing).count() as u64
    }

    /// Bytes of the chunks that are stored.
    pub(super) fn stored_bytes(&self) -> u64 {
        let stored = (0..self.n_chunks()).filter(|ix| self.state(*ix) == State::Stored);
        stored.map(|ix| self.range(ix)).map(|range| range.end - range.start).sum()
    }

    /// Whether nothing has to be asked for.
    pub(super) fn is_stored(&self) -> bool {
        self.size.is_some() && self.chunks.iter().all(|chunk| chunk.state == State::Stored)
    }

    /// All requests ended.
    pub(super) fn forget_asked(&mut self) {
        for chunk in self.chunks.iter_mut().filter(|chunk| chunk.state == State::Asked) {
            chunk.state = State::Missing;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_missing_chunks() {
        let mut chunks = Chunks::new(Some(4 * CHUNK_BYTES + 1));
        assert_eq!((chunks.n_chunks(), chunks.range(4)), (5, 4 * CHUNK_BYTES..4 * CHUNK_BYTES + 1));
        chunks.set(2, State::Stored);
        assert_eq!((chunks.run(0, 8), chunks.run(3, 8), chunks.run(0, 1)), (0..2, 3..5, 0..1));
        assert_eq!((chunks.missing(2), chunks.missing(5), chunks.missing(9)), (Some(3), None, None));
        chunks.set(9, State::Stored);
        assert_eq!((chunks.n_chunks(), chunks.stored_bytes()), (5, CHUNK_BYTES), "there is no chunk 9");
        assert!(chunks.count(3) && !chunks.count(3) && !chunks.count(9));
    }

    #[test]
    fn a_file_of_unknown_size_grows() {
        let mut chunks = Chunks::new(None);
        chunks.set(1, State::Held);
        assert!(chunks.n_chunks() == 2 && !chunks.is_stored());
        chunks.end_at(CHUNK_BYTES + 3);
        assert_eq!((chunks.n_chunks(), chunks.range(1).end), (2, CHUNK_BYTES + 3));
        assert!(Chunks::new(Some(0)).is_stored(), "nothing is missing of nothing");
    }
}
