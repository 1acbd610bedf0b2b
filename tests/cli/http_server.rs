//! A small HTTP server for tests: files in memory, ranges, and a record of requests and bytes sent.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "a helper: each test file uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Result, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

#[derive(Debug)]
pub struct HttpServer {
    pub address: String,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    files: BTreeMap<String, Vec<u8>>,
    /// Bytes of bodies that were sent.
    sent: AtomicU64,
    /// Bytes of bodies after which nothing more is sent.
    stalls_at: AtomicU64,
    /// The head of each request.
    requests: Mutex<Vec<String>>,
}

impl HttpServer {
    /// Serves files by their path until the process ends.
    pub fn start(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            files: files.into_iter().collect(),
            sent: AtomicU64::new(0),
            stalls_at: AtomicU64::new(u64::MAX),
            requests: Mutex::default(),
        });
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&serving);
                // A client that goes away ends its connection only.
                thread::spawn(move || drop(serve(&shared, stream)));
            }
        });
        Self { address, shared }
    }

    pub fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::SeqCst)
    }

    pub fn stall_at(&self, bytes: u64) {
        self.shared.stalls_at.store(bytes, Ordering::SeqCst);
    }

    /// Takes the heads of the requests so far.
    pub fn take_requests(&self) -> Vec<String> {
        self.shared.sent.store(0, Ordering::SeqCst);
        std::mem::take(&mut self.shared.requests.lock().unwrap())
    }
}

/// First byte and end of `Range: bytes=0-99`.
fn range(head: &str) -> Option<(usize, usize)> {
    let line = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("range: bytes=").map(str::to_owned))?;
    let (first, last) = line.split_once('-')?;
    Some((first.parse().ok()?, last.trim().parse::<usize>().ok()? + 1))
}

fn serve(shared: &Shared, mut stream: TcpStream) -> Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head)? == 0 {
                return Ok(());
            }
        }
        shared.requests.lock().unwrap().push(head.clone());
        let path = head.split(' ').nth(1).unwrap_or_default();
        let path = path.split('?').next().unwrap_or_default();
        let Some(file) = shared.files.get(path) else {
            write!(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?;
            continue;
        };
        let size = file.len();
        let part = range(&head).filter(|(start, _)| *start < size);
        let (start, end) = part.map_or((0, size), |(start, end)| (start, end.min(size)));
        let status = match part {
            Some(_) => format!("206 Partial Content\r\nContent-Range: bytes {start}-{}/{size}", end - 1),
            None => "200 OK".to_owned(),
        };
        write!(stream, "HTTP/1.1 {status}\r\nETag: \"{size}\"\r\nContent-Length: {}\r\n\r\n", end - start)?;
        for piece in file[start..end].chunks(64 << 10) {
            while shared.sent.load(Ordering::SeqCst) >= shared.stalls_at.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(5));
            }
            stream.write_all(piece)?;
            shared.sent.fetch_add(piece.len() as u64, Ordering::SeqCst);
        }
    }
}
