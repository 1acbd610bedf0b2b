//! The file itself: what to fetch, what to keep in memory, what to hand on.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use futures_util::future::LocalBoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};

use super::Wanted;
use super::checksum::Checksum;
use super::chunks::{CHUNK_BYTES, Chunks, State};
use super::job::{Event, Line};
use super::ledger::Ledger;
use super::manifest::Manifest;
use super::pace::{FEWEST_CHUNKS, UNDER_WAY};
use super::reply::Identity;
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::source::stored::Store;
use crate::source::transport::Transport;
use crate::source::{ByteSource, address};

/// Chunks from the reader on that stay in memory although they are stored: what may be under way, and those that are read.
const HELD: u64 = UNDER_WAY + 2;
/// Chunks from the reader on that are fetched where there is no store: all of them stay in memory.
pub(super) const AHEAD: u64 = 16;

/// One file on a server, with or without a place where its chunks are kept.
#[derive(Debug)]
pub struct Remote<T: Transport, S> {
    pub(super) line: Rc<Line<T>>,
    pub(super) ledger: Option<Ledger<S>>,
    pub(super) chunks: Chunks,
    /// Chunks in memory.
    pub(super) held: BTreeMap<u64, Vec<u8>>,
    pub(super) jobs: FuturesUnordered<LocalBoxFuture<'static, Event<T::Body>>>,
    /// What the store is writing.
    pub(super) writes: FuturesUnordered<LocalBoxFuture<'static, Event<T::Body>>>,
    /// Where no parts are to be had: the chunk that the stream of the whole file comes to next.
    pub(super) whole: Option<u64>,
    /// The chunk that is read.
    pub(super) front: u64,
    /// The reader has gone on beyond the first request: it wants more than a header.
    pub(super) runs_ahead: bool,
    /// Bytes were handed on: from now on the file must not change.
    pub(super) used: bool,
    /// Chunks that were stored and turned out wrong.
    pub(super) damaged: BTreeSet<u64>,
    pub(super) checksum: Option<Checksum>,
    /// What made the bytes that were handed on worthless.
    pub(super) over: Option<Error>,
}

impl<T: Transport, S: Store> Remote<T, S> {
    /// Looks at what is stored and, unless that is the whole file, sends the first request.
    ///
    /// # Errors
    /// [`Error::Http`], [`Error::Network`], [`Error::BadReply`], [`Error::QuotaExceeded`], [`Error::Storage`], [`Error::Aborted`].
    pub async fn open(transport: T, store: Option<S>, wanted: Wanted, cancel: &Cancel) -> Result<Self> {
        cancel.check()?;
        let (ledger, found) = match store.map(Ledger::open).transpose()? {
            Some((ledger, found)) => (Some(ledger), found),
            None => (None, None),
        };
        let found = found.filter(|(manifest, chunks)| is_wanted(manifest, chunks, &wanted));
        let resumed = found.is_some();
        let mut remote = Self::new(transport, ledger, wanted, found);
        if remote.chunks.is_stored() {
            return Ok(remote);
        }
        match remote.begin(cancel).await {
            Err(Error::FileChanged { .. }) if resumed => {
                *remote.line.identity.borrow_mut() = Identity::default();
                remote.clear(Chunks::default());
                remote.begin(cancel).await?;
            }
            begun => begun?,
        }
        Ok(remote)
    }

    fn new(
        transport: T,
        ledger: Option<Ledger<S>>,
        wanted: Wanted,
        found: Option<(Manifest, Chunks)>,
    ) -> Self {
        // What was found right once need not be computed again.
        let known = found.as_ref().and_then(|(manifest, _)| manifest.sha256);
        let checksum = wanted.sha256.filter(|wanted| known != Some(*wanted)).map(Checksum::new);
        let (identity, chunks) =
            found.map(|(manifest, chunks)| (manifest.header.identity(), chunks)).unwrap_or_default();
        Self {
            line: Rc::new(Line::new(transport, wanted, identity)),
            ledger,
            chunks,
            held: BTreeMap::new(),
            jobs: FuturesUnordered::new(),
            writes: FuturesUnordered::new(),
            whole: None,
            front: 0,
            runs_ahead: false,
            used: false,
            damaged: BTreeSet::new(),
            checksum,
            over: None,
        }
    }

    /// Ends all requests and forgets all chunks but those given.
    pub(super) fn clear(&mut self, chunks: Chunks) {
        self.stop();
        self.writes.clear();
        self.whole = None;
        self.held.clear();
        self.chunks = chunks;
        self.checksum = self.checksum.as_ref().map(Checksum::restarted);
    }

    /// Waits until a chunk is in memory; false where the file ends before it.
    async fn provide(&mut self, ix: u64, cancel: &Cancel) -> Result<bool> {
        if self.front != ix {
            self.front = ix;
            self.trim();
            self.look_around()?;
        }
        while !self.held.contains_key(&ix) {
            cancel.check()?;
            if self.chunks.size().is_some_and(|size| ix * CHUNK_BYTES >= size) {
                return Ok(false);
            }
            if !self.load(ix).await? {
                self.ask(ix);
                self.go_on(cancel).await.map_err(|error| self.about(ix, error))?;
            }
        }
        if let (Some(checksum), Some(bytes)) = (&mut self.checksum, self.held.get(&ix)) {
            checksum.take(ix, bytes);
        }
        Ok(true)
    }

    /// Takes a chunk from the store into memory, if it is there and intact.
    async fn load(&mut self, ix: u64) -> Result<bool> {
        let (Some(ledger), State::Stored) = (&mut self.ledger, self.chunks.state(ix)) else {
            return Ok(false);
        };
        let (range, hash) = (self.chunks.range(ix), self.chunks.hash(ix).unwrap_or_default());
        let len = range.end - range.start;
        let mut buffer = self.line.buffer(len);
        if !ledger.load(ix, hash, &mut buffer).await? {
            ledger.erase(ix)?;
            self.damaged.insert(ix);
            self.chunks.set(ix, State::Missing);
            self.line.give_back(buffer);
            return Ok(false);
        }
        if self.chunks.count(ix) {
            self.line.wanted.watch.update(|transfer| transfer.cached += len);
        }
        self.held.insert(ix, buffer);
        Ok(true)
    }

    /// Waits for what comes next. Where that is the end, what is being written is waited for too, so that the next download has it.
    async fn go_on(&mut self, cancel: &Cancel) -> Result<()> {
        let event = self.event(cancel).await?;
        let taken = self.take(event);
        if taken.is_err() {
            while let Some(written) = self.writes.next().await {
                // A second failure says nothing new.
                let _ = self.take(written);
            }
        }
        taken
    }

    /// Says of a failed download what it was for, where that is not plain.
    fn about(&self, ix: u64, error: Error) -> Error {
        match error {
            Error::Network { url, why } if self.damaged.contains(&ix) => {
                let why = format!("chunk {ix} in the cache is damaged and could not be fetched again: {why}");
                Error::Network { url, why }
            }
            error => error,
        }
    }

    /// Drops the chunks that are not near the reader.
    fn trim(&mut self) {
        let far: Vec<u64> = self.held.keys().copied().filter(|ix| !self.is_near(*ix)).collect();
        for ix in far {
            if let Some(buffer) = self.held.remove(&ix) {
                self.line.give_back(buffer);
            }
            if self.chunks.state(ix) == State::Held {
                self.chunks.set(ix, State::Missing);
            }
        }
    }

    /// Whether a chunk is to stay in memory.
    pub(super) fn is_near(&self, ix: u64) -> bool {
        let ahead = if self.ledger.is_some() { HELD } else { AHEAD };
        (self.front..self.front + ahead).contains(&ix)
    }

    /// A chunk that has to be in memory before the file counts as read.
    fn unfinished(&self) -> Option<u64> {
        let is_kept = |ix: &u64| matches!(self.chunks.state(*ix), State::Stored | State::Writing);
        let not_kept = || (0..self.chunks.n_chunks()).find(|ix| !is_kept(ix));
        match &self.checksum {
            Some(checksum) => Some(checksum.next),
            None => self.ledger.as_ref().and_then(|_| not_kept()),
        }
    }

    fn truncated(&self, needs: u64, has: u64) -> Error {
        Error::Truncated { what: self.line.name.clone(), needs, has }
    }
}

/// Whether what is stored can be gone on with.
fn is_wanted(manifest: &Manifest, chunks: &Chunks, wanted: &Wanted) -> bool {
    let is_other = matches!((manifest.sha256, wanted.sha256), (Some(is), Some(wanted)) if is != wanted);
    let is_same = manifest.header.url == address::shown(&wanted.url);
    is_same && !is_other && (chunks.is_stored() || manifest.header.identity().is_known())
}

impl<T: Transport, S: Store> ByteSource for Remote<T, S> {
    fn len(&self) -> Option<u64> {
        self.chunks.size()
    }

    fn name(&self) -> &str {
        &self.line.name
    }

    async fn read(&mut self, offset: u64, into: &mut [u8], cancel: &Cancel) -> Result<()> {
        cancel.check()?;
        self.over.clone().map_or(Ok(()), Err)?;
        let needs = offset.saturating_add(into.len() as u64);
        if let Some(has) = self.chunks.size().filter(|size| needs > *size) {
            return Err(self.truncated(needs, has));
        }
        self.runs_ahead |= needs > FEWEST_CHUNKS * CHUNK_BYTES;
        let mut filled = 0;
        while filled < into.len() {
            let at = offset + filled as u64;
            let ix = at / CHUNK_BYTES;
            // A checksum needs every byte, and what was passed over would have to come a second time.
            while let Some(next) = self.checksum.as_ref().map(|sum| sum.next).filter(|next| *next < ix) {
                if !self.provide(next, cancel).await? {
                    break;
                }
            }
            let is_there = self.provide(ix, cancel).await?;
            let chunk = self.held.get(&ix).filter(|_| is_there).map_or(&[][..], Vec::as_slice);
            let part = chunk.get((at % CHUNK_BYTES) as usize..).unwrap_or_default();
            if part.is_empty() {
                let has = self.chunks.size().unwrap_or(ix * CHUNK_BYTES + chunk.len() as u64);
                return Err(self.truncated(needs, has));
            }
            let n = part.len().min(into.len() - filled);
            into[filled..filled + n].copy_from_slice(&part[..n]);
            self.used = true;
            filled += n;
        }
        Ok(())
    }

    /// Fetches what nobody read, so that the stored file is whole, and checks the checksum.
    async fn finish(&mut self, cancel: &Cancel) -> Result<()> {
        cancel.check()?;
        self.over.clone().map_or(Ok(()), Err)?;
        self.runs_ahead = true;
        while let Some(ix) = self.unfinished() {
            if !self.provide(ix, cancel).await? {
                break;
            }
        }
        while !self.writes.is_empty() {
            self.go_on(cancel).await?;
        }
        if let Some(checksum) = self.checksum.take() {
            match checksum.check(&self.line.name) {
                Ok(sha256) => self.ledger.as_mut().map_or(Ok(()), |ledger| ledger.note_sha256(&sha256))?,
                Err(error) => return Err(self.worthless(error)),
            }
        }
        self.ledger.as_mut().map_or(Ok(()), Ledger::flush)
    }
}
