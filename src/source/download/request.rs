//! One stretch of a file on its way: requests until its bytes are there, chunk by chunk.

use core::future::{Future, poll_fn};
use core::ops::Range;
use core::pin::pin;
use std::cell::RefCell;
use std::rc::Rc;

use super::chunks::CHUNK_BYTES;
use super::pace::Pace;
use super::reply::{self, Content, Identity};
use super::{Waiting, Wanted, retry};
use crate::error::{Error, Result};
use crate::source::address;
use crate::source::transport::{Body, Request, Transport};

/// What all jobs of a download share.
#[derive(Debug)]
pub(super) struct Line<T> {
    pub(super) transport: Rc<T>,
    pub(super) wanted: Wanted,
    /// The address as messages show it.
    pub(super) name: String,
    /// The file as the first reply, or the manifest, described it.
    pub(super) identity: RefCell<Identity>,
    pub(super) pace: Pace,
    /// Buffers for chunks: their pages are there already.
    spare: RefCell<Vec<Vec<u8>>>,
}

/// Buffers that are kept for the next chunks.
const SPARE: usize = 8;

impl<T: Transport> Line<T> {
    pub(super) fn new(transport: T, wanted: Wanted, identity: Identity) -> Self {
        Self {
            transport: Rc::new(transport),
            name: address::shown(&wanted.url),
            wanted,
            identity: RefCell::new(identity),
            pace: Pace::default(),
            spare: RefCell::default(),
        }
    }

    pub(super) fn buffer(&self, len: u64) -> Vec<u8> {
        let mut buffer = self.spare.borrow_mut().pop().unwrap_or_default();
        buffer.resize(len as usize, 0);
        buffer
    }

    pub(super) fn give_back(&self, buffer: Vec<u8>) {
        let mut spare = self.spare.borrow_mut();
        if spare.len() < SPARE {
            spare.push(buffer);
        }
    }

    fn set_waiting(&self, waiting: Option<Waiting>) {
        self.wanted.watch.update(|transfer| transfer.waiting = waiting);
    }

    /// Waits for the network to be there; says whether it was not.
    async fn online(&self) -> bool {
        let mut was_offline = false;
        let mut online = pin!(self.transport.online());
        poll_fn(|context| {
            let state = online.as_mut().poll(context);
            if state.is_pending() {
                was_offline = true;
                self.set_waiting(Some(Waiting::Offline));
            }
            state
        })
        .await;
        if was_offline {
            self.set_waiting(None);
        }
        was_offline
    }
}

/// What a job, or a write, has come to.
#[derive(Debug)]
pub(super) enum Event<B> {
    /// The first reply is there and is what was asked for.
    Opened(Job<B>, Identity),
    /// A chunk, and the job where it goes on.
    Chunk(Option<Job<B>>, u64, Vec<u8>),
    /// The end of a file whose size nobody knew.
    End(u64),
    /// No parts are to be had from this server. It may have sent the whole file instead.
    Refused(Option<Job<B>>, Identity),
    /// The store has written a chunk.
    Written(u64, Result<()>),
    /// It is over.
    Failed(Error),
}

/// A job between two events.
#[derive(Debug)]
pub(super) struct Job<B> {
    /// The bytes that are wanted; none: the whole file from its start.
    part: Option<Range<u64>>,
    body: Option<B>,
    /// Whether to tell when the first reply is there.
    tells: bool,
    /// The next byte in the file.
    at: u64,
    /// Where the body ends, if that was promised.
    end: Option<u64>,
    /// The chunk that `at` is in, filled up to there.
    buffer: Vec<u8>,
    /// The furthest `at` was.
    reached: u64,
    /// Requests that failed since a byte was new.
    n_failed: u32,
    /// A body of unpromised length has ended.
    ended: bool,
}

/// Why a step failed, and what the server said about when to come back.
struct Failure(Error, Option<String>);

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(error, None)
    }
}

impl<B: Body> Job<B> {
    fn new(part: Option<Range<u64>>, tells: bool) -> Self {
        let at = part.as_ref().map_or(0, |part| part.start);
        let (end, reached) = (part.as_ref().map(|part| part.end), at);
        Self { part, body: None, tells, at, end, buffer: Vec::new(), reached, n_failed: 0, ended: false }
    }

    /// A part that begins with a chunk; `tells`: of its first reply too.
    pub(super) fn part(part: Range<u64>, tells: bool) -> Self {
        Self::new(Some(part), tells)
    }

    /// The whole file.
    pub(super) fn whole(tells: bool) -> Self {
        Self::new(None, tells)
    }

    /// Goes on to the next event, through failures that are worth another try.
    pub(super) async fn advance<T: Transport<Body = B>>(mut self, line: Rc<Line<T>>) -> Event<B> {
        loop {
            let step = match self.body.is_some() || self.ended {
                true => self.chunk(&line).await,
                false => self.connect(&line).await,
            };
            match step {
                Ok(Step::Connected(identity)) if self.tells => {
                    self.tells = false;
                    return Event::Opened(self, identity);
                }
                Ok(Step::Connected(_)) => {}
                Ok(Step::Refused(whole, identity)) => return Event::Refused(whole, identity),
                Ok(Step::Chunk(ix, bytes)) => {
                    let goes_on = self.end != Some(self.at);
                    return Event::Chunk(goes_on.then_some(self), ix, bytes);
                }
                Ok(Step::End) => return Event::End(self.at),
                Err(failure) => {
                    if let Err(error) = self.recover(&line, failure).await {
                        return Event::Failed(error);
                    }
                }
            }
        }
    }

    /// Asks for what is left of the part, or for the whole file again.
    async fn connect<T: Transport<Body = B>>(&mut self, line: &Line<T>) -> Result<Step<B>, Failure> {
        line.online().await;
        let range = self.part.as_ref().map(|part| self.at..part.end);
        let known = line.identity.borrow().clone();
        let tag = known.strong_tag().filter(|_| range.is_some());
        let request = Request {
            url: &line.wanted.url,
            headers: &line.wanted.headers,
            if_range: tag.filter(|_| line.transport.sends_if_range(&line.wanted.url)),
            range,
        };
        let (head, body) = line.transport.get(&request).await?;
        let read = reply::read(&line.name, &head, request.range.as_ref());
        let (content, identity) = read.map_err(|error| Failure(error, head.retry_after))?;
        if known.differs(&identity) {
            let (was, is) = (known.shown(), identity.shown());
            return Err(Error::FileChanged { url: line.name.clone(), was, is }.into());
        }
        match (&self.part, content) {
            (Some(_), Content::Whole) => {
                let whole = Self { body: Some(body), end: identity.size, ..Self::whole(false) };
                Ok(Step::Refused(Some(whole), identity))
            }
            (Some(part), Content::Part) => {
                self.end = Some(identity.size.map_or(part.end, |size| part.end.min(size)));
                self.body = Some(body);
                Ok(Step::Connected(identity))
            }
            (None, Content::Whole) => {
                self.at = 0;
                self.buffer.clear();
                self.end = identity.size;
                self.body = Some(body);
                Ok(Step::Connected(identity))
            }
            (_, Content::Unclear) | (None, Content::Part) => Ok(Step::Refused(None, identity)),
        }
    }

    /// Reads on to the end of a chunk.
    async fn chunk<T: Transport<Body = B>>(&mut self, line: &Line<T>) -> Result<Step<B>, Failure> {
        let start = self.at - self.at % CHUNK_BYTES;
        let until = (start + CHUNK_BYTES).min(self.end.unwrap_or(u64::MAX));
        if self.ended || self.end == Some(0) {
            return Ok(Step::End);
        }
        if self.buffer.is_empty() {
            self.buffer = line.buffer(until - start);
        }
        while self.at < until {
            let Some(body) = &mut self.body else { break };
            let n = body.next(&mut self.buffer[(self.at - start) as usize..]).await?;
            if n == 0 {
                return self.stopped(line, start);
            }
            self.at += n as u64;
            self.arrived(line, n as u64);
        }
        if self.end == Some(until) {
            self.expect_end(line).await?;
        }
        Ok(Step::Chunk(start / CHUNK_BYTES, std::mem::take(&mut self.buffer)))
    }

    fn arrived<T: Transport>(&mut self, line: &Line<T>, n: u64) {
        line.pace.arrived(n);
        line.wanted.watch.update(|transfer| {
            transfer.fetched += n;
            transfer.waiting = None;
        });
        if self.at > self.reached {
            self.reached = self.at;
            self.n_failed = 0;
        }
    }

    /// The body has ended within a chunk: at its natural end, or too early.
    fn stopped<T: Transport>(&mut self, line: &Line<T>, start: u64) -> Result<Step<B>, Failure> {
        if let Some(end) = self.end {
            let why = format!("the reply ended at byte {}, it was to end at {end}", self.at);
            return Err(Error::Network { url: line.name.clone(), why }.into());
        }
        self.ended = true;
        self.body = None;
        if self.at == start {
            return Ok(Step::End);
        }
        self.buffer.truncate((self.at - start) as usize);
        Ok(Step::Chunk(start / CHUNK_BYTES, std::mem::take(&mut self.buffer)))
    }

    /// A body that goes on beyond its promised end is not the one that was asked for.
    async fn expect_end<T: Transport>(&mut self, line: &Line<T>) -> Result<()> {
        let Some(mut body) = self.body.take() else { return Ok(()) };
        // A failure behind the last byte takes nothing away.
        match body.next(&mut [0]).await {
            Ok(0) | Err(Error::Network { .. }) => Ok(()),
            Ok(_) => {
                let expected = format!("to end at byte {}", self.at);
                Err(reply::bad(&line.name, "the body", expected, "longer".to_owned()))
            }
            Err(error) => Err(error),
        }
    }

    /// Waits before the next try; fails where there should be none.
    async fn recover<T: Transport>(&mut self, line: &Line<T>, failure: Failure) -> Result<()> {
        let Failure(error, retry_after) = failure;
        self.body = None;
        if !retry::is_transient(&error) {
            return Err(error);
        }
        // A network that is gone is nobody's fault: waiting for it costs no attempt.
        if line.online().await {
            return Ok(());
        }
        line.pace.trouble();
        self.n_failed += 1;
        if self.n_failed >= retry::ATTEMPTS {
            return Err(error);
        }
        line.set_waiting(Some(Waiting::Retrying));
        line.transport.sleep(retry::delay_ms(self.n_failed, retry_after.as_deref())).await;
        line.set_waiting(None);
        Ok(())
    }
}

/// What one step came to.
enum Step<B> {
    Connected(Identity),
    Refused(Option<Job<B>>, Identity),
    Chunk(u64, Vec<u8>),
    End,
}
