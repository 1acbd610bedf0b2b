//! A server and a cache in memory, for tests of downloads: the server has faults on demand and records its requests.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "a helper: each test file uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test")]

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::rc::Rc;
use std::task::Poll;

use futures_util::future::FutureExt;
use gemma_web::source::http::{HttpClient, Request, ResponseBody, ResponseHead};
use gemma_web::source::store::{ManifestFile, Store, Writing};
use gemma_web::{Error, Result};

/// Faults and peculiarities of the server.
#[derive(Clone, Debug)]
pub struct Faults {
    /// Replies 200 to everything.
    pub ignores_ranges: bool,
    /// Replies that are refused with a status and perhaps `Retry-After`, first one first.
    pub refuses: Vec<(u16, Option<String>)>,
    /// Bytes after which a body breaks off.
    pub resets_after: Option<u64>,
    /// Bytes by which a body ends early, in good order, and the number of bodies that do.
    pub short: (u64, u32),
    /// Bytes sent beyond the promised length.
    pub long: usize,
    /// Added to the first byte in `Content-Range`.
    pub shifts_range: u64,
    pub encoding: Option<&'static str>,
    /// Lets a page read no header but the safelisted ones.
    pub hides_headers: bool,
    /// Sends neither a tag nor a date, by which a file could be recognised.
    pub no_validators: bool,
    pub no_length: bool,
    /// Bytes that arrive at once.
    pub piece: usize,
    /// From this request on (counted from 0) the file is another.
    pub changes_at: Option<(usize, Rc<Vec<u8>>, &'static str)>,
    /// Requests without a network.
    pub offline: Option<Range<usize>>,
    /// Ignores ranges from this request on.
    pub ranges_until: usize,
    /// Bytes after which the server is gone.
    pub dies_after: u64,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            ignores_ranges: false,
            refuses: Vec::new(),
            resets_after: None,
            short: (0, 0),
            long: 0,
            shifts_range: 0,
            encoding: None,
            hides_headers: false,
            no_validators: false,
            no_length: false,
            piece: 100_000,
            changes_at: None,
            offline: None,
            ranges_until: usize::MAX,
            dies_after: u64::MAX,
        }
    }
}

/// Range and `If-Range` of a request.
pub type Asked = (Option<Range<u64>>, Option<String>);

#[derive(Debug)]
pub struct Server {
    pub file: RefCell<Rc<Vec<u8>>>,
    pub etag: RefCell<String>,
    pub faults: RefCell<Faults>,
    /// Each request.
    pub asked: RefCell<Vec<Asked>>,
    /// Bytes that were sent.
    pub sent: Cell<u64>,
    /// Delays waited, in milliseconds.
    pub slept: RefCell<Vec<u32>>,
    pub waited_for_network: Cell<u32>,
    /// Bodies that are open.
    pub open: Cell<i32>,
}

impl Server {
    pub fn new(file: Rc<Vec<u8>>) -> Rc<Self> {
        Rc::new(Self {
            file: RefCell::new(file),
            etag: RefCell::new("\"one\"".to_owned()),
            faults: RefCell::default(),
            asked: RefCell::default(),
            sent: Cell::new(0),
            slept: RefCell::default(),
            waited_for_network: Cell::new(0),
            open: Cell::new(0),
        })
    }

    pub fn n_asked(&self) -> usize {
        self.asked.borrow().len()
    }

    /// Resets the counts.
    pub fn reset(&self) {
        self.asked.borrow_mut().clear();
        self.slept.borrow_mut().clear();
        self.sent.set(0);
    }

    fn head(&self, faults: &Faults, status: u16, part: &Range<u64>, size: u64) -> ResponseHead {
        let first = part.start + faults.shifts_range;
        let range = format!("bytes {first}-{}/{size}", (part.end + faults.shifts_range).saturating_sub(1));
        let read = |text: String| (!faults.hides_headers).then_some(text);
        let named = |text: String| (!faults.no_validators).then_some(text);
        ResponseHead {
            status,
            content_length: (!faults.no_length).then_some(part.end - part.start),
            content_range: (status == 206).then(|| read(range)).flatten(),
            content_encoding: faults.encoding.and_then(|encoding| read(encoding.to_owned())),
            etag: named(self.etag.borrow().clone()).and_then(read),
            last_modified: named(format!("the day of {}", self.etag.borrow())),
            retry_after: None,
        }
    }
}

/// Client of the server.
#[derive(Clone, Debug)]
pub struct Net(pub Rc<Server>);

fn network(why: &str) -> Error {
    Error::Network { url: "mock".to_owned(), why: why.to_owned() }
}

/// Yields once to other tasks.
async fn turn() {
    let mut had = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut had, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl HttpClient for Net {
    type Body = MockBody;

    async fn get(&self, request: &Request<'_>) -> Result<(ResponseHead, MockBody)> {
        let server = &self.0;
        let n = server.n_asked();
        let tag = request.if_range.map(str::to_owned);
        server.asked.borrow_mut().push((request.range.clone(), tag));
        turn().await;
        let mut faults = server.faults.borrow_mut();
        if faults.offline.as_ref().is_some_and(|offline| offline.contains(&n)) {
            return Err(network("there is no network"));
        }
        if server.sent.get() >= faults.dies_after {
            return Err(network("the server is gone"));
        }
        if let Some((at, file, etag)) = faults.changes_at.clone()
            && n >= at
        {
            *server.file.borrow_mut() = file;
            *server.etag.borrow_mut() = etag.to_owned();
        }
        let body =
            |bytes| MockBody { server: Rc::clone(server), bytes, at: 0, end: Ok(()), piece: faults.piece };
        if !faults.refuses.is_empty() {
            let mut page = body(Rc::new(b"not now".to_vec()));
            page.open();
            let (status, retry_after) = faults.refuses.remove(0);
            return Ok((ResponseHead { status, retry_after, ..ResponseHead::default() }, page));
        }
        let file = Rc::clone(&server.file.borrow());
        let size = file.len() as u64;
        let changed = request.if_range.is_some_and(|tag| tag != *server.etag.borrow());
        let part =
            request.range.clone().filter(|_| !faults.ignores_ranges && !changed && n < faults.ranges_until);
        let status = if part.is_some() { 206 } else { 200 };
        if part.as_ref().is_some_and(|part| part.start >= size) {
            let mut page = body(Rc::default());
            page.open();
            return Ok((ResponseHead { status: 416, ..ResponseHead::default() }, page));
        }
        let part = part.map_or(0..size, |part| part.start..part.end.min(size));
        let mut bytes = file[part.start as usize..part.end as usize].to_vec();
        bytes.extend(vec![0; faults.long]);
        let mut end = Ok(());
        if let Some(after) = faults.resets_after.filter(|after| *after < bytes.len() as u64) {
            bytes.truncate(after as usize);
            end = Err(network("connection reset"));
        }
        let mut body = body(Rc::new(bytes));
        let head = server.head(&faults, status, &part, size);
        if faults.short.1 > 0 {
            faults.short.1 -= 1;
            let len = body.bytes.len() - faults.short.0 as usize;
            Rc::make_mut(&mut body.bytes).truncate(len);
        }
        body.end = end;
        body.open();
        Ok((head, body))
    }

    fn sends_if_range(&self, _: &str) -> bool {
        !self.0.faults.borrow().hides_headers
    }

    async fn online(&self) {
        let offline = self.0.faults.borrow().offline.clone();
        let n = self.0.n_asked();
        // It comes back after a while, and the first request after that may still fail.
        if offline.is_some_and(|offline| offline.contains(&n.saturating_sub(1))) {
            self.0.waited_for_network.set(self.0.waited_for_network.get() + 1);
            turn().await;
        }
    }

    async fn sleep(&self, ms: u32) {
        self.0.slept.borrow_mut().push(ms);
        turn().await;
    }
}

#[derive(Debug)]
pub struct MockBody {
    server: Rc<Server>,
    bytes: Rc<Vec<u8>>,
    at: usize,
    end: Result<()>,
    piece: usize,
}

impl MockBody {
    fn open(&mut self) {
        self.server.open.set(self.server.open.get() + 1);
    }
}

impl Drop for MockBody {
    fn drop(&mut self) {
        self.server.open.set(self.server.open.get() - 1);
    }
}

impl ResponseBody for MockBody {
    async fn next(&mut self, into: &mut [u8]) -> Result<usize> {
        assert!(!into.is_empty());
        if self.at == self.bytes.len() {
            return self.end.clone().map(|()| 0);
        }
        turn().await;
        if self.server.sent.get() >= self.server.faults.borrow().dies_after {
            return Err(network("the server is gone"));
        }
        let n = into.len().min(self.piece).min(self.bytes.len() - self.at);
        into[..n].copy_from_slice(&self.bytes[self.at..self.at + n]);
        self.at += n;
        self.server.sent.set(self.server.sent.get() + n as u64);
        Ok(n)
    }
}

/// A file in memory; clones are the same file, as if opened again.
#[derive(Clone, Debug, Default)]
pub struct MemoryFile(pub Rc<RefCell<Vec<u8>>>);

impl ManifestFile for MemoryFile {
    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<usize> {
        let file = self.0.borrow();
        let rest = file.get(offset as usize..).unwrap_or_default();
        let n = rest.len().min(into.len());
        into[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        let mut file = self.0.borrow_mut();
        let end = offset as usize + bytes.len();
        if file.len() < end {
            file.resize(end, 0);
        }
        file[offset as usize..end].copy_from_slice(bytes);
        Ok(())
    }

    fn clear(&mut self) -> Result<()> {
        self.0.borrow_mut().clear();
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

/// A cache entry in memory; clones are the same one.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    pub data: MemoryFile,
    pub manifest: MemoryFile,
    pub room: u64,
    /// Turns that a write takes in the background; 0: at once.
    pub behind: u32,
    /// Number of writes that succeed.
    pub writes: u32,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self {
            data: MemoryFile::default(),
            manifest: MemoryFile::default(),
            room: u64::MAX,
            behind: 0,
            writes: u32::MAX,
        }
    }
}

impl Store for MemoryStore {
    type Manifest = MemoryFile;

    fn manifest(&mut self) -> &mut MemoryFile {
        &mut self.manifest
    }

    fn len(&self) -> Result<u64> {
        Ok(self.data.0.borrow().len() as u64)
    }

    async fn read(&mut self, offset: u64, into: &mut [u8]) -> Result<usize> {
        self.data.read_at(offset, into)
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<Option<Writing>> {
        let full = Error::QuotaExceeded { needed: bytes.len() as u64, available: 0 };
        let fits = self.writes > 0;
        self.writes = self.writes.saturating_sub(1);
        if self.behind == 0 {
            return if fits { self.data.write_at(offset, bytes).map(|()| None) } else { Err(full) };
        }
        let (mut data, bytes, turns) = (self.data.clone(), bytes.to_vec(), self.behind);
        let write = async move {
            for _ in 0..turns {
                turn().await;
            }
            if fits { data.write_at(offset, &bytes) } else { Err(full) }
        };
        Ok(Some(write.boxed_local()))
    }

    fn clear(&mut self) -> Result<()> {
        self.data.clear()
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    async fn reserve(&mut self, needed: u64) -> Result<()> {
        let available = self.room;
        if needed > available { Err(Error::QuotaExceeded { needed, available }) } else { Ok(()) }
    }
}
