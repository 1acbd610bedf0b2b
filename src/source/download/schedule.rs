//! Schedule of a download: pending requests and writes, and the choice of the next request.

use core::pin::pin;
use core::task::{Context, Poll};
use std::future::poll_fn;
use std::rc::Rc;

use futures_util::future::{Either, FutureExt, LocalBoxFuture, select};
use futures_util::stream::{FuturesUnordered, StreamExt};

use super::chunk_table::ChunkState;
use super::chunks::Chunks;
use super::concurrency::{FEWEST_CHUNKS, MOST_REQUESTED};
use super::request::{Event, RetryingRequest, Shared};
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::source::http::HttpClient;
use crate::source::store::{Store, Writing};

/// Maximum number of chunks that the store may be writing at once. Each is in memory twice.
const MOST_WRITES: usize = 2;

/// Futures of pending requests or writes.
type Pending<T> = FuturesUnordered<LocalBoxFuture<'static, Event<<T as HttpClient>::Body>>>;

/// Pending requests and writes of one file.
#[derive(Debug)]
pub(super) struct Schedule<T: HttpClient> {
    shared: Rc<Shared<T>>,
    requests: Pending<T>,
    writes: Pending<T>,
    /// The next chunk in the stream of the whole file, if the server sends no parts.
    whole: Option<u64>,
    /// Whether to request chunks before the reader needs them. A reader of the header alone does not need
    /// them.
    runs_ahead: bool,
}

impl<T: HttpClient> Schedule<T> {
    pub(super) fn new(shared: Rc<Shared<T>>) -> Self {
        let (requests, writes) = (FuturesUnordered::new(), FuturesUnordered::new());
        Self { shared, requests, writes, whole: None, runs_ahead: false }
    }

    /// Adds a request.
    pub(super) fn launch(&mut self, request: RetryingRequest<T::Body>) {
        self.requests.push(request.run(Rc::clone(&self.shared)).boxed_local());
    }

    /// Adds the write of a chunk.
    pub(super) fn add_write(&mut self, ix: u64, writing: Writing) {
        self.writes.push(writing.map(move |written| Event::Written(ix, written)).boxed_local());
    }

    /// Requests chunks ahead of the reader from now on.
    pub(super) fn run_ahead_from_now(&mut self) {
        self.runs_ahead = true;
    }

    /// Ends all requests.
    pub(super) fn stop<S: Store>(&mut self, chunks: &mut Chunks<S>) {
        self.requests.clear();
        chunks.table.forget_requested();
    }

    /// Ends all requests and forgets all writes.
    pub(super) fn reset<S: Store>(&mut self, chunks: &mut Chunks<S>) {
        self.stop(chunks);
        self.writes.clear();
        self.whole = None;
    }

    /// Reads the whole file in one request: the given one, or another if the server sent no body.
    pub(super) fn read_whole<S: Store>(
        &mut self,
        request: Option<RetryingRequest<T::Body>>,
        chunks: &mut Chunks<S>,
    ) {
        self.stop(chunks);
        self.whole = Some(0);
        self.launch(request.unwrap_or_else(|| RetryingRequest::whole(true)));
    }

    /// Notes that the stream of the whole file, if there is one, has passed a chunk.
    pub(super) fn on_chunk(&mut self, ix: u64) {
        self.whole = self.whole.map(|_| ix + 1);
    }

    /// Requests a chunk unless it is on its way.
    pub(super) fn request<S: Store>(&mut self, ix: u64, chunks: &mut Chunks<S>) {
        if chunks.table.state(ix) == ChunkState::Missing {
            match self.whole {
                None => {
                    let n_chunks = self.request_len(ix, chunks);
                    self.request_part(ix, n_chunks, chunks);
                }
                // The stream of the whole file may have passed the chunk already.
                Some(next) if next > ix || self.requests.is_empty() => {
                    self.read_whole(Some(RetryingRequest::whole(false)), chunks);
                }
                Some(_) => {}
            }
        }
        self.run_ahead(chunks);
    }

    /// Requests the chunks that the reader will need next.
    pub(super) fn run_ahead<S: Store>(&mut self, chunks: &mut Chunks<S>) {
        let mut from = chunks.front();
        while self.runs_ahead && self.whole.is_none() && self.requests.len() < self.shared.concurrency.limit()
        {
            let Some(ix) = chunks.table.missing(from) else { return };
            let n_chunks = self.request_len(ix, chunks);
            if n_chunks == 0 || chunks.table.n_in(ChunkState::Requested, 0) + n_chunks > MOST_REQUESTED {
                return;
            }
            self.request_part(ix, n_chunks, chunks);
            from = ix;
        }
    }

    /// Number of chunks for a request from `ix` on; 0 if it is too far ahead.
    fn request_len<S: Store>(&self, ix: u64, chunks: &Chunks<S>) -> u64 {
        let concurrency = &self.shared.concurrency;
        // All requests share the end of a file, so that none is left with most of it.
        let n_missing = chunks.table.n_in(ChunkState::Missing, ix);
        let share = n_missing.div_ceil(concurrency.limit() as u64).max(FEWEST_CHUNKS);
        concurrency.n_chunks().min(share).min(chunks.room(ix))
    }

    fn request_part<S: Store>(&mut self, ix: u64, n_chunks: u64, chunks: &mut Chunks<S>) {
        let part = chunks.table.request(ix, n_chunks);
        self.launch(RetryingRequest::part(part, false));
    }

    /// The next event. Requests wait while the store has enough to write.
    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Option<Event<T::Body>>> {
        match self.writes.poll_next_unpin(context) {
            Poll::Ready(Some(written)) => Poll::Ready(Some(written)),
            _ if self.writes.len() >= MOST_WRITES => Poll::Pending,
            _ => match self.requests.poll_next_unpin(context) {
                Poll::Ready(None) if !self.writes.is_empty() => Poll::Pending,
                polled => polled,
            },
        }
    }

    /// Waits for the next event.
    pub(super) async fn next_event(&mut self, cancel: &Cancel) -> Result<Event<T::Body>> {
        let stop = pin!(cancel.cancelled());
        match select(poll_fn(|context| self.poll_event(context)), stop).await {
            Either::Left((Some(event), _)) => Ok(event),
            Either::Left((None, _)) => {
                Err(Error::Internal { what: format!("nothing is under way for {}", self.shared.name) })
            }
            Either::Right(_) => Err(Error::Aborted),
        }
    }

    /// The next event, if there is one now.
    pub(super) fn ready_event<S: Store>(&mut self, chunks: &Chunks<S>) -> Option<Event<T::Body>> {
        // The stream of a whole file can't repeat a chunk that is dropped.
        if self.whole.is_some_and(|next| !chunks.keeps(next)) {
            return None;
        }
        poll_fn(|context| self.poll_event(context)).now_or_never().flatten()
    }

    pub(super) fn has_writes(&self) -> bool {
        !self.writes.is_empty()
    }

    /// Waits for the next write to end; `None` if there is none.
    pub(super) async fn next_write(&mut self) -> Option<Event<T::Body>> {
        self.writes.next().await
    }
}
