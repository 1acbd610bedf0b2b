//! Which requests a download sends, and what it makes of what they bring.

use core::ops::Range;
use core::pin::pin;
use core::task::{Context, Poll};
use std::future::poll_fn;
use std::rc::Rc;

use futures_util::future::{Either, FutureExt, select};
use futures_util::stream::StreamExt;
use xxhash_rust::xxh3::xxh3_128;

use super::chunks::{CHUNK_BYTES, Chunks, State};
use super::job::{Event, Job};
use super::manifest::Header;
use super::pace::{FEWEST_CHUNKS, UNDER_WAY};
use super::remote::{AHEAD, Remote};
use super::reply::{self, Identity};
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::source::stored::Store;
use crate::source::transport::Transport;

/// Chunks that the store may be writing at once. Each is in memory a second time.
const MOST_WRITES: usize = 2;

impl<T: Transport, S: Store> Remote<T, S> {
    /// Sends the first request and learns from its reply what the file is.
    pub(super) async fn begin(&mut self, cancel: &Cancel) -> Result<()> {
        let part = match self.chunks.size() {
            Some(_) => self.next_part(self.chunks.missing(0).unwrap_or_default(), FEWEST_CHUNKS),
            None => 0..FEWEST_CHUNKS * CHUNK_BYTES,
        };
        self.launch(Job::part(part, true));
        loop {
            match self.event(cancel).await? {
                Event::Opened(job, identity) => {
                    self.opened(identity).await?;
                    self.launch(job);
                    return Ok(());
                }
                Event::Refused(Some(job), identity) => {
                    self.whole = Some(0);
                    self.opened(identity).await?;
                    self.refused(Some(job));
                    return Ok(());
                }
                other => self.take(other)?,
            }
        }
    }

    /// What the file is: asks for room for what is missing of it, and starts a manifest if there is none to go on with.
    async fn opened(&mut self, identity: Identity) -> Result<()> {
        if let (Some(size), Some(ledger)) = (self.chunks.size(), &mut self.ledger) {
            return ledger.reserve(size - self.chunks.stored_bytes()).await;
        }
        if self.chunks.size().is_some() {
            return Ok(());
        }
        self.chunks = Chunks::new(identity.size);
        if self.whole.is_none() {
            self.next_part(0, FEWEST_CHUNKS);
        }
        let name = &self.line.name;
        if let (Some(size), Some(ledger)) = (identity.size, &mut self.ledger) {
            ledger.empty()?;
            ledger.reserve(size).await?;
            ledger.start(&Header::new(name, size, &identity))?;
        } else if let Some(mut ledger) = self.ledger.take() {
            ledger.empty()?;
            self.line.wanted.watch.update(|transfer| transfer.unkept = true);
        }
        *self.line.identity.borrow_mut() = identity;
        Ok(())
    }

    /// Has a job polled from now on.
    pub(super) fn launch(&mut self, job: Job<T::Body>) {
        self.jobs.push(job.advance(Rc::clone(&self.line)).boxed_local());
    }

    /// Ends all requests.
    pub(super) fn stop(&mut self) {
        self.jobs.clear();
        self.chunks.forget_asked();
    }

    /// The next thing that a request or a write comes to. Requests wait while the store has enough to write.
    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Option<Event<T::Body>>> {
        match self.writes.poll_next_unpin(context) {
            Poll::Ready(Some(written)) => Poll::Ready(Some(written)),
            _ if self.writes.len() >= MOST_WRITES => Poll::Pending,
            _ => match self.jobs.poll_next_unpin(context) {
                Poll::Ready(None) if !self.writes.is_empty() => Poll::Pending,
                polled => polled,
            },
        }
    }

    /// Waits for the next event.
    pub(super) async fn event(&mut self, cancel: &Cancel) -> Result<Event<T::Body>> {
        let stop = pin!(cancel.cancelled());
        match select(poll_fn(|context| self.poll_event(context)), stop).await {
            Either::Left((Some(event), _)) => Ok(event),
            Either::Left((None, _)) => {
                let what = format!("nothing is under way for chunk {} of {}", self.front, self.line.name);
                Err(Error::Internal { what })
            }
            Either::Right(_) => Err(Error::Aborted),
        }
    }

    /// Sends what can be sent and takes what has come, without waiting.
    pub(super) fn look_around(&mut self) -> Result<()> {
        self.run_ahead();
        // As often as there may be requests, so that a fast network doesn't keep the reader waiting for what it has.
        for _ in 0..self.line.pace.limit() {
            // What the stream of a whole file brings can be dropped, but not be asked for again.
            if self.ledger.is_none() && self.whole.is_some_and(|next| !self.is_near(next)) {
                break;
            }
            match poll_fn(|context| self.poll_event(context)).now_or_never() {
                Some(Some(event)) => self.take(event)?,
                _ => break,
            }
        }
        Ok(())
    }

    /// Sees to it that a missing chunk is on its way.
    pub(super) fn ask(&mut self, ix: u64) {
        if self.chunks.state(ix) == State::Missing {
            match self.whole {
                None => self.request(ix, self.length(ix)),
                // The stream of the whole file may have passed the chunk already.
                Some(next) if next > ix || self.jobs.is_empty() => {
                    self.stop();
                    self.whole = Some(0);
                    self.launch(Job::whole(false));
                }
                Some(_) => {}
            }
        }
        self.run_ahead();
    }

    /// Asks for what the reader will want next.
    fn run_ahead(&mut self) {
        let mut from = self.front;
        while self.runs_ahead && self.whole.is_none() && self.jobs.len() < self.line.pace.limit() {
            let Some(ix) = self.chunks.missing(from) else { return };
            let length = self.length(ix);
            if length == 0 || self.chunks.n_in(State::Asked, 0) + length > UNDER_WAY {
                return;
            }
            self.request(ix, length);
            from = ix;
        }
    }

    /// Chunks that a request from this one on should ask for; none where it is too far ahead.
    fn length(&self, ix: u64) -> u64 {
        let pace = &self.line.pace;
        // The end of a file is shared out, so that no request is left with most of it.
        let share = self.chunks.n_in(State::Missing, ix).div_ceil(pace.limit() as u64).max(FEWEST_CHUNKS);
        // What comes too far ahead of the reader would be dropped where there is no store.
        let room = if self.ledger.is_none() { (self.front + AHEAD).saturating_sub(ix) } else { u64::MAX };
        pace.length().min(share).min(room)
    }

    fn request(&mut self, ix: u64, length: u64) {
        let part = self.next_part(ix, length);
        self.launch(Job::part(part, false));
    }

    /// The bytes of the missing chunks from this one on that one request asks for, `most` at most; they count as asked for.
    fn next_part(&mut self, ix: u64, most: u64) -> Range<u64> {
        let run = self.chunks.run(ix, most);
        let end = run.end.max(ix + 1) - 1;
        run.for_each(|ix| self.chunks.set(ix, State::Asked));
        self.chunks.range(ix).start..self.chunks.range(end).end
    }

    pub(super) fn take(&mut self, event: Event<T::Body>) -> Result<()> {
        match event {
            Event::Opened(job, _) => self.launch(job),
            Event::Chunk(job, ix, bytes) => {
                if let Some(job) = job {
                    self.launch(job);
                }
                self.arrived(ix, bytes)?;
            }
            Event::End(size) => match self.chunks.size().filter(|known| *known != size) {
                Some(known) => {
                    let (expected, found) = (format!("{known} bytes"), format!("{size} bytes"));
                    return Err(reply::bad(&self.line.name, "the body", expected, found));
                }
                None => self.chunks.end_at(size),
            },
            Event::Refused(job, _) => self.refused(job),
            Event::Written(ix, written) => written.and_then(|()| self.stored(ix))?,
            Event::Failed(error) => {
                self.stop();
                let changed = matches!(error, Error::FileChanged { .. });
                return Err(if changed && self.used { self.worthless(error) } else { error });
            }
        }
        Ok(())
    }

    /// Goes over to reading the whole file in one request: in this one, if the server has sent it, else in another.
    fn refused(&mut self, whole: Option<Job<T::Body>>) {
        self.stop();
        self.whole = Some(0);
        self.launch(whole.unwrap_or_else(|| Job::whole(true)));
    }

    /// A chunk has come.
    fn arrived(&mut self, ix: u64, bytes: Vec<u8>) -> Result<()> {
        let hash = xxh3_128(&bytes);
        if self.chunks.hash(ix).is_some_and(|known| known != hash) {
            return self.changed(ix);
        }
        self.whole = self.whole.map(|_| ix + 1);
        // The stream of a whole file brings again what there is.
        if matches!(self.chunks.state(ix), State::Stored | State::Writing | State::Held) {
            self.line.give_back(bytes);
            return Ok(());
        }
        self.chunks.count(ix);
        self.chunks.set_hash(ix, hash);
        let near = self.is_near(ix);
        match &mut self.ledger {
            Some(ledger) => match ledger.keep(ix, &bytes)? {
                Some(writing) => {
                    self.chunks.set(ix, State::Writing);
                    self.writes.push(writing.map(move |written| Event::Written(ix, written)).boxed_local());
                }
                None => self.stored(ix)?,
            },
            None => self.chunks.set(ix, if near { State::Held } else { State::Missing }),
        }
        if near {
            self.held.insert(ix, bytes);
        } else {
            self.line.give_back(bytes);
        }
        Ok(())
    }

    /// A chunk is in the store.
    fn stored(&mut self, ix: u64) -> Result<()> {
        let hash = self.chunks.hash(ix).unwrap_or_default();
        self.ledger.as_mut().map_or(Ok(()), |ledger| ledger.record(ix, hash))?;
        self.damaged.remove(&ix);
        self.chunks.set(ix, State::Stored);
        Ok(())
    }

    /// A chunk is not what it was, though the server says nothing of it: starts over, or gives up where bytes were used.
    fn changed(&mut self, ix: u64) -> Result<()> {
        let (size, identity) = (self.chunks.size(), self.line.identity.borrow().clone());
        if self.used {
            let (was, is) = (identity.shown(), format!("the same, with other bytes in chunk {ix}"));
            return Err(self.worthless(Error::FileChanged { url: self.line.name.clone(), was, is }));
        }
        self.clear(Chunks::new(size));
        match (&mut self.ledger, size) {
            (Some(ledger), Some(size)) => {
                ledger.empty()?;
                ledger.start(&Header::new(&self.line.name, size, &identity))
            }
            _ => Ok(()),
        }
    }

    /// Empties the store: nothing of it may ever be used.
    pub(super) fn worthless(&mut self, error: Error) -> Error {
        self.clear(Chunks::new(self.chunks.size()));
        self.over = Some(error.clone());
        // What can't be emptied is worth reporting less than why it should be.
        let _ = self.ledger.as_mut().map(|ledger| ledger.empty());
        error
    }
}
