//! Source that regularly yields to the worker's other work.

use super::http::sleep_ms;
use crate::cancel::Cancel;
use crate::error::Result;
use crate::source::ByteSource;

/// Bytes between two pauses. A pause takes 4 ms, the shortest timer that browsers grant.
const BYTES_BETWEEN: u64 = 16 << 20;

/// A source that pauses every few megabytes. Bytes that are generated in place arrive without a pause: no
/// abort would arrive in between, and the GPU would receive its uploads only at the end.
#[derive(Debug)]
pub struct Yielding<S> {
    source: S,
    /// Bytes read since the last pause.
    since: u64,
}

impl<S: ByteSource> Yielding<S> {
    /// Wraps a source.
    pub fn new(source: S) -> Self {
        Self { source, since: 0 }
    }
}

impl<S: ByteSource> ByteSource for Yielding<S> {
    fn len(&self) -> Option<u64> {
        self.source.len()
    }

    fn name(&self) -> &str {
        self.source.name()
    }

    async fn read(&mut self, offset: u64, into: &mut [u8], cancel: &Cancel) -> Result<()> {
        self.since += into.len() as u64;
        if self.since >= BYTES_BETWEEN {
            self.since = 0;
            sleep_ms(0).await;
        }
        self.source.read(offset, into, cancel).await
    }
}
