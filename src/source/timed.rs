//! How long a source takes.

use web_time::{Duration, Instant};

use super::ByteSource;
use crate::cancel::Cancel;
use crate::error::Result;

/// A source, with the time that was spent waiting for it.
#[derive(Debug)]
pub struct Timed<S> {
    source: S,
    spent: Duration,
}

impl<S: ByteSource> Timed<S> {
    /// Nothing was waited for yet.
    pub fn new(source: S) -> Self {
        Self { source, spent: Duration::ZERO }
    }

    /// The time between asking for bytes and having them, in all.
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
        let begun = Instant::now();
        let read = self.source.read(offset, into, cancel).await;
        self.spent += begun.elapsed();
        read
    }

    async fn finish(&mut self, cancel: &Cancel) -> Result<()> {
        let begun = Instant::now();
        let finished = self.source.finish(cancel).await;
        self.spent += begun.elapsed();
        finished
    }

    fn parts(&self) -> Vec<u64> {
        self.source.parts()
    }
}
