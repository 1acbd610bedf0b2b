//! How many requests are under way at once, and how long each is: fewer where a server complains, for as long as it does, more than at
//! first where that made the download faster, and few long ones where the network is so fast that a request costs more than its bytes.

use std::cell::Cell;

use web_time::Instant;

use super::chunks::CHUNK_BYTES;

/// At first; browsers allow six connections to a server over HTTP/1.
const AT_FIRST: usize = 4;
const MOST: usize = (UNDER_WAY / FEWEST_CHUNKS) as usize;
/// Bytes for each request over which speed is measured.
const WINDOW_BYTES: u64 = 16 << 20;
/// How much faster one more request has to make a download to be kept.
const WORTH: f64 = 1.1;
/// Chunks that a request asks for on a slow network, and on the fastest.
pub(super) const FEWEST_CHUNKS: u64 = 2;
const MOST_CHUNKS: u64 = 6;
/// What a request should bring: the bytes that arrive in this time.
const REQUEST_SECONDS: f64 = 0.2;
/// Chunks that all requests ask for together. Browsers hold what has arrived before it is read, outside of any limit of ours.
pub(super) const UNDER_WAY: u64 = 12;
/// Bytes over which the speed is measured that decides on the length of requests.
const SAMPLE_BYTES: u64 = 16 << 20;

/// Climbs while it pays, steps back when it does not, and halves on trouble.
#[derive(Debug)]
pub(super) struct Pace {
    limit: Cell<usize>,
    settled: Cell<bool>,
    /// Bytes per second with one request fewer.
    before: Cell<f64>,
    window: Window,
    sample: Window,
    /// Chunks of a request.
    length: Cell<u64>,
}

/// Bytes, and the time since they began to come.
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

    /// Counts; bytes per second once there are so many, when it starts over. The first bytes only start the clock.
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

impl Default for Pace {
    fn default() -> Self {
        Self {
            limit: Cell::new(AT_FIRST),
            settled: Cell::default(),
            before: Cell::default(),
            window: Window::default(),
            sample: Window::default(),
            length: Cell::new(MOST_CHUNKS),
        }
    }
}

impl Pace {
    /// Requests that may be under way.
    pub(super) fn limit(&self) -> usize {
        self.limit.get()
    }

    /// Chunks that the next request should ask for.
    pub(super) fn length(&self) -> u64 {
        self.length.get()
    }

    /// A request failed in a way that may be the fault of too many.
    pub(super) fn trouble(&self) {
        self.limit.set((self.limit.get() / 2).max(1));
        self.settled.set(true);
        self.length.set(FEWEST_CHUNKS);
        // A whole window without trouble is what makes good for it.
        self.window.restart(None);
        self.sample.restart(None);
    }

    /// So many bytes arrived.
    pub(super) fn arrived(&self, bytes: u64) {
        let now = Instant::now();
        if let Some(rate) = self.sample.count(bytes, now, SAMPLE_BYTES) {
            self.measure(rate);
        }
        if let Some(rate) = self.window.count(bytes, now, WINDOW_BYTES * self.limit.get() as u64) {
            self.judge(rate);
        }
    }

    fn measure(&self, rate: f64) {
        let chunks = (rate * REQUEST_SECONDS) as u64 / CHUNK_BYTES;
        self.length.set(chunks.clamp(FEWEST_CHUNKS, MOST_CHUNKS));
    }

    fn judge(&self, rate: f64) {
        let limit = self.limit.get();
        if self.settled.get() {
            return self.limit.set(limit.max((limit + 1).min(AT_FIRST)));
        }
        if rate < self.before.get() * WORTH {
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
        let pace = Pace::default();
        rates.iter().for_each(|rate| pace.judge(*rate));
        pace.limit()
    }

    #[test]
    fn climbs_while_it_pays() {
        assert_eq!(after(&[100.0, 120.0]), 6);
        assert_eq!(after(&[100.0, 120.0, 121.0, 200.0]), 5, "stays where one more was not worth it");
        assert_eq!(after(&[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0]), MOST);
    }

    #[test]
    fn fast_networks_have_long_requests() {
        let pace = Pace::default();
        assert_eq!(pace.length(), MOST_CHUNKS, "until it is measured");
        let mut seen = Vec::new();
        for megabytes in [1.0, 60.0, 70.0, 90.0, 150.0, 5e6] {
            pace.measure(megabytes * 1e6);
            seen.push(pace.length());
        }
        assert_eq!(seen, [2, 2, 3, 4, 6, 6]);
        pace.trouble();
        assert_eq!(
            (pace.length(), pace.limit()),
            (FEWEST_CHUNKS, 2),
            "a server that fails is asked for less at once"
        );
    }

    #[test]
    fn trouble_halves_down_to_one() {
        let pace = Pace::default();
        pace.trouble();
        assert_eq!(pace.limit(), 2);
        pace.trouble();
        pace.trouble();
        assert_eq!(pace.limit(), 1);
        for expected in [2, 3, 4, 4] {
            pace.judge(1e9);
            assert_eq!(pace.limit(), expected, "back to where it was at first, not beyond");
        }
    }
}
