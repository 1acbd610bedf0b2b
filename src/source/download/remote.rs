//! Source of one remote file: it reads chunks from memory, the store or the server, and checks each of them.

use std::rc::Rc;

use super::checksum::Checksum;
use super::chunk_store::ChunkStore;
use super::chunk_table::{CHUNK_BYTES, ChunkTable};
use super::chunks::{Chunks, Inserted};
use super::concurrency::FEWEST_CHUNKS;
use super::manifest::Manifest;
use super::options::DownloadOptions;
use super::request::{Event, RetryingRequest, Shared};
use super::response::{self, Identity};
use super::schedule::Schedule;
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::source::http::HttpClient;
use crate::source::store::Store;
use crate::source::{ByteSource, ModelSource};

/// One file on a server, with or without a store for its chunks.
#[derive(Debug)]
pub struct RemoteSource<T: HttpClient, S> {
    shared: Rc<Shared<T>>,
    schedule: Schedule<T>,
    chunks: Chunks<S>,
    checksum: Option<Checksum>,
    /// Whether bytes were read: from then on the file must not change.
    used: bool,
    /// The error that made the bytes read so far worthless.
    failed: Option<Error>,
}

impl<T: HttpClient, S: Store> RemoteSource<T, S> {
    /// Reads the store and, unless it has the whole file, sends the first request.
    ///
    /// # Errors
    /// [`Error::Http`], [`Error::Network`], [`Error::BadReply`], [`Error::QuotaExceeded`],
    /// [`Error::Storage`], [`Error::Aborted`].
    pub async fn open(
        client: T,
        store: Option<S>,
        options: DownloadOptions,
        cancel: &Cancel,
    ) -> Result<Self> {
        cancel.check()?;
        let opened = store.map(|store| ChunkStore::open(store, &options)).transpose()?;
        let (store, found) = opened.map_or((None, None), |(store, found)| (Some(store), found));
        let resumed = found.is_some();
        let mut remote = Self::new(client, store, options, found);
        if remote.chunks.table.is_stored() {
            return Ok(remote);
        }
        match remote.start(cancel).await {
            Err(Error::FileChanged { .. }) if resumed => {
                *remote.shared.identity.borrow_mut() = Identity::default();
                remote.reset(ChunkTable::default());
                remote.start(cancel).await?;
            }
            started => started?,
        }
        Ok(remote)
    }

    fn new(
        client: T,
        store: Option<ChunkStore<S>>,
        options: DownloadOptions,
        found: Option<(Manifest, ChunkTable)>,
    ) -> Self {
        // A verified checksum need not be computed again.
        let known = found.as_ref().and_then(|(manifest, _)| manifest.sha256);
        let checksum = options.sha256.filter(|expected| known != Some(*expected)).map(Checksum::new);
        let (identity, table) =
            found.map(|(manifest, table)| (manifest.header.identity(), table)).unwrap_or_default();
        let shared = Rc::new(Shared::new(client, options, identity));
        Self {
            schedule: Schedule::new(Rc::clone(&shared)),
            chunks: Chunks::new(table, store, shared.buffers.clone()),
            shared,
            checksum,
            used: false,
            failed: None,
        }
    }

    /// Sends the first request, and learns the identity of the file from its response.
    async fn start(&mut self, cancel: &Cancel) -> Result<()> {
        let table = &mut self.chunks.table;
        let part = match table.size() {
            Some(_) => table.request(table.missing(0).unwrap_or_default(), FEWEST_CHUNKS),
            None => 0..FEWEST_CHUNKS * CHUNK_BYTES,
        };
        self.schedule.launch(RetryingRequest::part(part, true));
        loop {
            match self.schedule.next_event(cancel).await? {
                Event::Opened(request, identity) => {
                    self.identify(identity).await?;
                    self.schedule.launch(request);
                    return Ok(());
                }
                Event::Refused(Some(request), identity) => {
                    self.identify(identity).await?;
                    self.schedule.read_whole(Some(request), &mut self.chunks);
                    return Ok(());
                }
                other => self.handle(other)?,
            }
        }
    }

    /// Takes the identity of the file: reserves space for the missing chunks, and starts a manifest unless
    /// one is resumed.
    async fn identify(&mut self, identity: Identity) -> Result<()> {
        if self.chunks.table.size().is_some() {
            return self.chunks.reserve_missing().await;
        }
        let name = &self.shared.name;
        let had_store = self.chunks.store.is_some();
        self.chunks.start_file(name, &identity).await?;
        // The first request is under way.
        self.chunks.table.request(0, FEWEST_CHUNKS);
        if had_store && self.chunks.store.is_none() {
            self.shared.options.progress.update(|transfer| transfer.unkept = true);
        }
        *self.shared.identity.borrow_mut() = identity;
        Ok(())
    }

    /// Ends all requests, and starts over with these chunks.
    fn reset(&mut self, table: ChunkTable) {
        self.schedule.reset(&mut self.chunks);
        self.chunks.reset(table);
        self.checksum = self.checksum.as_ref().map(Checksum::restarted);
    }

    /// Waits until a chunk is in memory; false if the file ends before it.
    async fn fetch(&mut self, ix: u64, cancel: &Cancel) -> Result<bool> {
        if self.chunks.front() != ix {
            self.chunks.move_front(ix);
            self.poll_ready()?;
        }
        while self.chunks.bytes(ix).is_none() {
            cancel.check()?;
            if self.chunks.table.size().is_some_and(|size| ix * CHUNK_BYTES >= size) {
                return Ok(false);
            }
            if self.chunks.load(ix).await? {
                self.count_cached(ix);
            } else {
                self.schedule.request(ix, &mut self.chunks);
                self.handle_next(cancel).await.map_err(|error| self.explain(ix, error))?;
            }
        }
        if let (Some(checksum), Some(bytes)) = (&mut self.checksum, self.chunks.bytes(ix)) {
            checksum.add(ix, bytes);
        }
        Ok(true)
    }

    fn count_cached(&mut self, ix: u64) {
        let range = self.chunks.table.range(ix);
        if self.chunks.table.mark_counted(ix) {
            self.shared.options.progress.update(|transfer| transfer.cached += range.end - range.start);
        }
    }

    /// Sends the requests that are due and handles the events that are ready, without waiting.
    fn poll_ready(&mut self) -> Result<()> {
        self.schedule.run_ahead(&mut self.chunks);
        // At most one event per request, so that a fast network does not delay the reader.
        for _ in 0..self.shared.concurrency.limit() {
            match self.schedule.ready_event(&self.chunks) {
                Some(event) => self.handle(event)?,
                None => break,
            }
        }
        Ok(())
    }

    /// Waits for the next event and handles it. After a failure it waits for the pending writes too, so that
    /// the next download has those chunks.
    async fn handle_next(&mut self, cancel: &Cancel) -> Result<()> {
        let event = self.schedule.next_event(cancel).await?;
        let handled = self.handle(event);
        if handled.is_err() {
            while let Some(written) = self.schedule.next_write().await {
                // A second failure adds nothing.
                let _ = self.handle(written);
            }
        }
        handled
    }

    fn handle(&mut self, event: Event<T::Body>) -> Result<()> {
        match event {
            Event::Opened(request, _) => self.schedule.launch(request),
            Event::Chunk(request, ix, bytes) => {
                if let Some(request) = request {
                    self.schedule.launch(request);
                }
                self.insert(ix, bytes)?;
            }
            Event::End(size) => match self.chunks.table.size().filter(|known| *known != size) {
                Some(known) => {
                    let (expected, found) = (format!("{known} bytes"), format!("{size} bytes"));
                    return Err(response::bad(&self.shared.name, "the body", expected, found));
                }
                None => self.chunks.table.set_size(size),
            },
            Event::Refused(request, _) => self.schedule.read_whole(request, &mut self.chunks),
            Event::Written(ix, written) => written.and_then(|()| self.chunks.mark_stored(ix))?,
            Event::Failed(error) => {
                self.schedule.stop(&mut self.chunks);
                let changed = matches!(error, Error::FileChanged { .. });
                return Err(if changed && self.used { self.discard(error) } else { error });
            }
        }
        Ok(())
    }

    /// Takes a chunk that has arrived.
    fn insert(&mut self, ix: u64, bytes: Vec<u8>) -> Result<()> {
        self.schedule.on_chunk(ix);
        match self.chunks.insert(ix, bytes)? {
            Inserted::Done => Ok(()),
            Inserted::Writing(writing) => {
                self.schedule.add_write(ix, writing);
                Ok(())
            }
            Inserted::Differs => self.restart_changed(ix),
        }
    }

    /// Handles a chunk that differs although the server reports the same file: starts over, or fails if bytes
    /// were read.
    fn restart_changed(&mut self, ix: u64) -> Result<()> {
        let identity = self.shared.identity.borrow().clone();
        if self.used {
            let (was, is) = (identity.shown(), format!("the same, with other bytes in chunk {ix}"));
            return Err(self.discard(Error::FileChanged { url: self.shared.name.clone(), was, is }));
        }
        self.reset(ChunkTable::new(self.chunks.table.size()));
        self.chunks.clear_store()?;
        self.chunks.start_manifest(&self.shared.name, &identity)
    }

    /// Empties the store, none of whose bytes may ever be used, and fails all later reads.
    fn discard(&mut self, error: Error) -> Error {
        self.reset(ChunkTable::new(self.chunks.table.size()));
        self.failed = Some(error.clone());
        // The reason matters more than a store that can't be emptied.
        let _ = self.chunks.clear_store();
        error
    }

    /// Adds the purpose of a failed request to its error, if the reader can't know the purpose.
    fn explain(&self, ix: u64, error: Error) -> Error {
        match error {
            Error::Network { url, why } if self.chunks.is_damaged(ix) => {
                let why = format!("chunk {ix} in the cache is damaged and could not be fetched again: {why}");
                Error::Network { url, why }
            }
            error => error,
        }
    }

    /// A chunk that must be in memory once before the file is complete.
    fn unfinished(&self) -> Option<u64> {
        match &self.checksum {
            Some(checksum) => Some(checksum.next),
            None => self.chunks.first_unstored(),
        }
    }

    fn truncated(&self, needs: u64, has: u64) -> Error {
        Error::Truncated { what: self.shared.name.clone(), needs, has }
    }
}

impl<T: HttpClient, S: Store> ByteSource for RemoteSource<T, S> {
    fn len(&self) -> Option<u64> {
        self.chunks.table.size()
    }

    fn name(&self) -> &str {
        &self.shared.name
    }

    async fn read(&mut self, offset: u64, into: &mut [u8], cancel: &Cancel) -> Result<()> {
        cancel.check()?;
        self.failed.clone().map_or(Ok(()), Err)?;
        let needs = offset.saturating_add(into.len() as u64);
        if let Some(has) = self.len().filter(|size| needs > *size) {
            return Err(self.truncated(needs, has));
        }
        if needs > FEWEST_CHUNKS * CHUNK_BYTES {
            self.schedule.run_ahead_from_now();
        }
        let mut filled = 0;
        while filled < into.len() {
            let at = offset + filled as u64;
            let ix = at / CHUNK_BYTES;
            // A checksum needs every byte, and a skipped chunk would have to arrive a second time.
            while let Some(next) = self.checksum.as_ref().map(|sum| sum.next).filter(|next| *next < ix) {
                if !self.fetch(next, cancel).await? {
                    break;
                }
            }
            let is_there = self.fetch(ix, cancel).await?;
            let chunk = self.chunks.bytes(ix).filter(|_| is_there).unwrap_or_default();
            let part = chunk.get((at % CHUNK_BYTES) as usize..).unwrap_or_default();
            if part.is_empty() {
                let has = self.len().unwrap_or(ix * CHUNK_BYTES + chunk.len() as u64);
                return Err(self.truncated(needs, has));
            }
            let n = part.len().min(into.len() - filled);
            into[filled..filled + n].copy_from_slice(&part[..n]);
            self.used = true;
            filled += n;
        }
        Ok(())
    }
}

impl<T: HttpClient, S: Store> ModelSource for RemoteSource<T, S> {
    /// Fetches the chunks that nobody read, so that the stored file is complete, and verifies the checksum.
    async fn finish(&mut self, cancel: &Cancel) -> Result<()> {
        cancel.check()?;
        self.failed.clone().map_or(Ok(()), Err)?;
        self.schedule.run_ahead_from_now();
        while let Some(ix) = self.unfinished() {
            if !self.fetch(ix, cancel).await? {
                break;
            }
        }
        while self.schedule.has_writes() {
            self.handle_next(cancel).await?;
        }
        if let Some(checksum) = self.checksum.take() {
            match checksum.check(&self.shared.name) {
                Ok(sha256) => self.chunks.store.as_mut().map_or(Ok(()), |s| s.record_sha256(&sha256))?,
                Err(error) => return Err(self.discard(error)),
            }
        }
        self.chunks.store.as_mut().map_or(Ok(()), ChunkStore::flush)
    }
}
