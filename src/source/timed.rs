//! Stopwatch around a source.

use web_time::{Duration, Instant};

use super::{ByteSource, ModelSource};
use crate::cancel::Cancel;
use crate::error::Result;

/// A source that measures the time its reads take.
#[derive(Debug)]
pub struct Timed<S> {
    source: S,
    spent: Duration,
}

impl<S: ByteSource> Timed<S> {
    /// Wraps a source. No time is spent yet.
    pub fn new(source: S) -> Self {
        Self { source, spent: Duration::ZERO }
    }

    /// Total time of all reads, from the request to the bytes.
    pub fn spent(&self) -> Duration {
        self.spent
    }
}

impl<S: ByteSource> ByteSource for Timed<S> {
    fn len(&self) -> Option<u64> {
        self.source.len()
    }

    fn name(&self) -> &str {
        self.source.name()
    }

    async fn read(&mut self, offset: u64, into: &mut [u8], cancel: &Cancel) -> Result<()> {
        let start = Instant::now();
        let read = self.source.read(offset, into, cancel).await;
        self.spent += start.elapsed();
        read
    }
}

impl<S: ModelSource> ModelSource for Timed<S> {
    fn file_starts(&self) -> Vec<u64> {
        self.source.file_starts()
    }

    async fn finish(&mut self, cancel: &Cancel) -> Result<()> {
        let start = Instant::now();
        let finished = self.source.finish(cancel).await;
        self.spent += start.elapsed();
        finished
    }
}
