//! Request for one part of a file, repeated until its bytes have arrived, chunk by chunk.

use core::future::{Future, poll_fn};
use core::ops::Range;
use core::pin::pin;
use std::cell::RefCell;
use std::rc::Rc;

use super::chunk_table::CHUNK_BYTES;
use super::chunks::Buffers;
use super::concurrency::Concurrency;
use super::options::DownloadOptions;
use super::progress::Waiting;
use super::response::{self, Content, Identity};
use super::retry;
use crate::error::{Error, Result};
use crate::source::address;
use crate::source::http::{HttpClient, Request, ResponseBody};

/// State that all requests of a download share.
#[derive(Debug)]
pub(super) struct Shared<T> {
    client: T,
    pub(super) options: DownloadOptions,
    /// The URL as messages show it.
    pub(super) name: String,
    /// Identity of the file by the first response or by the manifest.
    pub(super) identity: RefCell<Identity>,
    pub(super) concurrency: Concurrency,
    pub(super) buffers: Buffers,
}

impl<T: HttpClient> Shared<T> {
    pub(super) fn new(client: T, options: DownloadOptions, identity: Identity) -> Self {
        Self {
            client,
            name: address::shown(&options.url),
            options,
            identity: RefCell::new(identity),
            concurrency: Concurrency::default(),
            buffers: Buffers::default(),
        }
    }

    fn set_waiting(&self, waiting: Option<Waiting>) {
        self.options.progress.update(|transfer| transfer.waiting = waiting);
    }

    /// Waits for a network. Returns whether there was none.
    async fn wait_online(&self) -> bool {
        let mut was_offline = false;
        let mut online = pin!(self.client.online());
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

/// Result of a request or of a write.
#[derive(Debug)]
pub(super) enum Event<B> {
    /// The first response matches the request.
    Opened(RetryingRequest<B>, Identity),
    /// A chunk has arrived. Carries the request if more chunks follow.
    Chunk(Option<RetryingRequest<B>>, u64, Vec<u8>),
    /// The size of a file whose length the server didn't tell.
    End(u64),
    /// The server sends no parts. Carries the request if it sends the whole file instead.
    Refused(Option<RetryingRequest<B>>, Identity),
    /// The store has written a chunk.
    Written(u64, Result<()>),
    /// A request failed for good.
    Failed(Error),
}

/// A request between two events.
#[derive(Debug)]
pub(super) struct RetryingRequest<B> {
    /// The bytes to fetch; `None`: the whole file from the start.
    part: Option<Range<u64>>,
    body: Option<B>,
    /// Whether the first response is an event.
    report_opened: bool,
    /// Offset in the file of the next byte.
    at: u64,
    /// End of the body, if the server promised it.
    end: Option<u64>,
    /// The chunk of `at`, filled up to there.
    buffer: Vec<u8>,
    /// The highest value of `at` so far.
    reached: u64,
    /// Failures since the last new byte.
    n_failed: u32,
    /// A body of unknown length has ended.
    ended: bool,
}

/// A failed step, with the server's `Retry-After`.
struct Failure(Error, Option<String>);

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(error, None)
    }
}

impl<B: ResponseBody> RetryingRequest<B> {
    fn new(part: Option<Range<u64>>, report_opened: bool) -> Self {
        let at = part.as_ref().map_or(0, |part| part.start);
        let end = part.as_ref().map(|part| part.end);
        let (buffer, reached) = (Vec::new(), at);
        Self { part, body: None, report_opened, at, end, buffer, reached, n_failed: 0, ended: false }
    }

    /// A request for a part that begins with a chunk.
    pub(super) fn part(part: Range<u64>, report_opened: bool) -> Self {
        Self::new(Some(part), report_opened)
    }

    /// A request for the whole file.
    pub(super) fn whole(report_opened: bool) -> Self {
        Self::new(None, report_opened)
    }

    /// Runs until the next event, and retries transient failures.
    pub(super) async fn run<T: HttpClient<Body = B>>(mut self, shared: Rc<Shared<T>>) -> Event<B> {
        loop {
            let step = match self.body.is_some() || self.ended {
                true => self.read_chunk(&shared).await,
                false => self.connect(&shared).await,
            };
            match step {
                Ok(Step::Connected(identity)) if self.report_opened => {
                    self.report_opened = false;
                    return Event::Opened(self, identity);
                }
                Ok(Step::Connected(_)) => {}
                Ok(Step::Refused(whole, identity)) => return Event::Refused(whole, identity),
                Ok(Step::Chunk(ix, bytes)) => {
                    let has_more = self.end != Some(self.at);
                    return Event::Chunk(has_more.then_some(self), ix, bytes);
                }
                Ok(Step::End) => return Event::End(self.at),
                Err(failure) => {
                    if let Err(error) = self.wait_for_retry(&shared, failure).await {
                        return Event::Failed(error);
                    }
                }
            }
        }
    }

    /// Requests the rest of the part, or the whole file again.
    async fn connect<T: HttpClient<Body = B>>(&mut self, shared: &Shared<T>) -> Result<Step<B>, Failure> {
        shared.wait_online().await;
        let range = self.part.as_ref().map(|part| self.at..part.end);
        let known = shared.identity.borrow().clone();
        let tag = known.strong_tag().filter(|_| range.is_some());
        let request = Request {
            url: &shared.options.url,
            headers: &shared.options.headers,
            if_range: tag.filter(|_| shared.client.sends_if_range(&shared.options.url)),
            range,
        };
        let (head, body) = shared.client.get(&request).await?;
        let checked = response::check(&shared.name, &head, request.range.as_ref());
        let (content, identity) = checked.map_err(|error| Failure(error, head.retry_after))?;
        if known.differs(&identity) {
            let (was, is) = (known.shown(), identity.shown());
            return Err(Error::FileChanged { url: shared.name.clone(), was, is }.into());
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

    /// Reads the body up to the end of a chunk.
    async fn read_chunk<T: HttpClient<Body = B>>(&mut self, shared: &Shared<T>) -> Result<Step<B>, Failure> {
        let start = self.at - self.at % CHUNK_BYTES;
        let until = (start + CHUNK_BYTES).min(self.end.unwrap_or(u64::MAX));
        if self.ended || self.end == Some(0) {
            return Ok(Step::End);
        }
        if self.buffer.is_empty() {
            self.buffer = shared.buffers.take(until - start);
        }
        while self.at < until {
            let Some(body) = &mut self.body else { break };
            let n = body.next(&mut self.buffer[(self.at - start) as usize..]).await?;
            if n == 0 {
                return self.end_of_body(shared, start);
            }
            self.at += n as u64;
            self.count(shared, n as u64);
        }
        if self.end == Some(until) {
            self.expect_end(shared).await?;
        }
        Ok(Step::Chunk(start / CHUNK_BYTES, std::mem::take(&mut self.buffer)))
    }

    /// Counts `n` received bytes.
    fn count<T: HttpClient>(&mut self, shared: &Shared<T>, n: u64) {
        shared.concurrency.on_bytes(n);
        shared.options.progress.update(|transfer| {
            transfer.fetched += n;
            transfer.waiting = None;
        });
        if self.at > self.reached {
            self.reached = self.at;
            self.n_failed = 0;
        }
    }

    /// Ends a chunk with the body: at the end of the file, or too early.
    fn end_of_body<T: HttpClient>(&mut self, shared: &Shared<T>, start: u64) -> Result<Step<B>, Failure> {
        if let Some(end) = self.end {
            let why = format!("the reply ended at byte {}, it was to end at {end}", self.at);
            return Err(Error::Network { url: shared.name.clone(), why }.into());
        }
        self.ended = true;
        self.body = None;
        if self.at == start {
            return Ok(Step::End);
        }
        self.buffer.truncate((self.at - start) as usize);
        Ok(Step::Chunk(start / CHUNK_BYTES, std::mem::take(&mut self.buffer)))
    }

    /// Checks that the body ends where the server promised. A longer one is not the requested part.
    async fn expect_end<T: HttpClient>(&mut self, shared: &Shared<T>) -> Result<()> {
        let Some(mut body) = self.body.take() else { return Ok(()) };
        // A failure after the last byte costs nothing.
        match body.next(&mut [0]).await {
            Ok(0) | Err(Error::Network { .. }) => Ok(()),
            Ok(_) => {
                let expected = format!("to end at byte {}", self.at);
                Err(response::bad(&shared.name, "the body", expected, "longer".to_owned()))
            }
            Err(error) => Err(error),
        }
    }

    /// Waits before the next attempt. Fails if there should be none.
    async fn wait_for_retry<T: HttpClient>(&mut self, shared: &Shared<T>, failure: Failure) -> Result<()> {
        let Failure(error, retry_after) = failure;
        self.body = None;
        if !retry::is_transient(&error) {
            return Err(error);
        }
        // A lost network is not the server's fault: waiting for it costs no attempt.
        if shared.wait_online().await {
            return Ok(());
        }
        shared.concurrency.on_failure();
        self.n_failed += 1;
        if self.n_failed >= retry::ATTEMPTS {
            return Err(error);
        }
        shared.set_waiting(Some(Waiting::Retrying));
        shared.client.sleep(retry::delay_ms(self.n_failed, retry_after.as_deref())).await;
        shared.set_waiting(None);
        Ok(())
    }
}

/// Result of one step.
enum Step<B> {
    Connected(Identity),
    Refused(Option<RetryingRequest<B>>, Identity),
    Chunk(u64, Vec<u8>),
    End,
}
