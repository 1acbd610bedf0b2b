//! Number and length of concurrent requests: fewer while the server fails, more if that makes the download
//! faster, and fewer and longer ones if the network is so fast that a request costs more than its bytes.

use std::cell::Cell;

use web_time::Instant;

use super::chunk_table::CHUNK_BYTES;

/// Requests at the start; browsers allow six connections to a server over HTTP/1.
const AT_FIRST: usize = 4;
/// Maximum number of requests.
const MOST: usize = (MOST_REQUESTED / FEWEST_CHUNKS) as usize;
/// Bytes per request over which a window measures the speed.
const WINDOW_BYTES: u64 = 16 << 20;
/// Least gain in speed that justifies one more request.
const MIN_GAIN: f64 = 1.1;
/// Chunks of a request on a slow network, and on the fastest.
pub(super) const FEWEST_CHUNKS: u64 = 2;
const MOST_CHUNKS: u64 = 6;
/// Time in which a request should complete.
const REQUEST_SECONDS: f64 = 0.2;
/// Maximum chunks in all pending requests. Browsers buffer the bytes that arrived but are not read, and no
/// limit of ours applies to them.
pub(super) const MOST_REQUESTED: u64 = 12;
/// Bytes over which to measure the speed that decides the length of requests.
const SAMPLE_BYTES: u64 = 16 << 20;

/// Controller that adds a request while this pays, takes it back when it does not, and halves the number on
/// failures.
#[derive(Debug)]
pub(super) struct Concurrency {
    limit: Cell<usize>,
    settled: Cell<bool>,
    /// Bytes per second with one request less.
    before: Cell<f64>,
    window: Window,
    sample: Window,
    /// Chunks of a request.
    n_chunks: Cell<u64>,
}

/// Count of bytes, and the time since the first.
#[derive(Debug, Default)]
struct Window {
    bytes: Cell<u64>,
    since: Cell<Option<Instant>>,
}

impl Window {
    fn restart(&self, since: Option<Instant>) {
        self.bytes.set(0);
        self.since.set(since);
    }

    /// Counts bytes. Returns the bytes per second after `until` bytes, and restarts. The first bytes only
    /// start the clock.
    fn count(&self, bytes: u64, now: Instant, until: u64) -> Option<f64> {
        let Some(since) = self.since.get() else {
            self.restart(Some(now));
            return None;
        };
        let bytes = self.bytes.get() + bytes;
        self.bytes.set(bytes);
        (bytes >= until).then(|| {
            self.restart(Some(now));
            bytes as f64 / (now - since).as_secs_f64().max(1e-9)
        })
    }
}

impl Default for Concurrency {
    fn default() -> Self {
        Self {
            limit: Cell::new(AT_FIRST),
            settled: Cell::default(),
            before: Cell::default(),
            window: Window::default(),
            sample: Window::default(),
            n_chunks: Cell::new(MOST_CHUNKS),
        }
    }
}

impl Concurrency {
    /// Maximum number of pending requests.
    pub(super) fn limit(&self) -> usize {
        self.limit.get()
    }

    /// Maximum chunks of the next request.
    pub(super) fn n_chunks(&self) -> u64 {
        self.n_chunks.get()
    }

    /// Notes a failure that too many requests may have caused.
    pub(super) fn on_failure(&self) {
        self.limit.set((self.limit.get() / 2).max(1));
        self.settled.set(true);
        self.n_chunks.set(FEWEST_CHUNKS);
        // Only a whole window without a failure makes up for it.
        self.window.restart(None);
        self.sample.restart(None);
    }

    /// Counts received bytes.
    pub(super) fn on_bytes(&self, bytes: u64) {
        let now = Instant::now();
        if let Some(rate) = self.sample.count(bytes, now, SAMPLE_BYTES) {
            self.adjust_length(rate);
        }
        if let Some(rate) = self.window.count(bytes, now, WINDOW_BYTES * self.limit.get() as u64) {
            self.adjust_limit(rate);
        }
    }

    fn adjust_length(&self, rate: f64) {
        let chunks = (rate * REQUEST_SECONDS) as u64 / CHUNK_BYTES;
        self.n_chunks.set(chunks.clamp(FEWEST_CHUNKS, MOST_CHUNKS));
    }

    fn adjust_limit(&self, rate: f64) {
        let limit = self.limit.get();
        if self.settled.get() {
            return self.limit.set(limit.max((limit + 1).min(AT_FIRST)));
        }
        if rate < self.before.get() * MIN_GAIN {
            self.limit.set((limit - 1).max(AT_FIRST));
            self.settled.set(true);
        } else {
            self.limit.set((limit + 1).min(MOST));
            self.settled.set(limit == MOST);
        }
        self.before.set(rate);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(rates: &[f64]) -> usize {
        let concurrency = Concurrency::default();
        rates.iter().for_each(|rate| concurrency.adjust_limit(*rate));
        concurrency.limit()
    }

    #[test]
    fn climbs_while_it_pays() {
        assert_eq!(after(&[100.0, 120.0]), 6);
        assert_eq!(after(&[100.0, 120.0, 121.0, 200.0]), 5, "stays where one more was not worth it");
        assert_eq!(after(&[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0]), MOST);
    }

    #[test]
    fn fast_networks_have_long_requests() {
        let concurrency = Concurrency::default();
        assert_eq!(concurrency.n_chunks(), MOST_CHUNKS, "until it is measured");
        let mut seen = Vec::new();
        for megabytes in [1.0, 60.0, 70.0, 90.0, 150.0, 5e6] {
            concurrency.adjust_length(megabytes * 1e6);
            seen.push(concurrency.n_chunks());
        }
        assert_eq!(seen, [2, 2, 3, 4, 6, 6]);
        concurrency.on_failure();
        assert_eq!(
            (concurrency.n_chunks(), concurrency.limit()),
            (FEWEST_CHUNKS, 2),
            "a server that fails is asked for less at once"
        );
    }

    #[test]
    fn trouble_halves_down_to_one() {
        let concurrency = Concurrency::default();
        concurrency.on_failure();
        assert_eq!(concurrency.limit(), 2);
        concurrency.on_failure();
        concurrency.on_failure();
        assert_eq!(concurrency.limit(), 1);
        for expected in [2, 3, 4, 4] {
            concurrency.adjust_limit(1e9);
            assert_eq!(concurrency.limit(), expected, "back to where it was at first, not beyond");
        }
    }
}
