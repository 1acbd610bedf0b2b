//! How many requests are under way at once: fewer where a server complains, for as long as it does, and more than at first where that
//! made the download faster.

use std::cell::Cell;

use web_time::Instant;

/// At first; browsers allow six connections to a server over HTTP/1.
const AT_FIRST: usize = 4;
const MOST: usize = 8;
/// Bytes for each request over which speed is measured.
const WINDOW_BYTES: u64 = 16 << 20;
/// How much faster one more request has to make a download to be kept.
const WORTH: f64 = 1.1;

/// Climbs while it pays, steps back when it does not, and halves on trouble.
#[derive(Debug)]
pub(super) struct Pace {
    limit: Cell<usize>,
    settled: Cell<bool>,
    /// Bytes per second with one request fewer.
    before: Cell<f64>,
    bytes: Cell<u64>,
    since: Cell<Option<Instant>>,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            limit: Cell::new(AT_FIRST),
            settled: Cell::default(),
            before: Cell::default(),
            bytes: Cell::default(),
            since: Cell::default(),
        }
    }
}

impl Pace {
    /// Requests that may be under way.
    pub(super) fn limit(&self) -> usize {
        self.limit.get()
    }

    /// A request failed in a way that may be the fault of too many.
    pub(super) fn trouble(&self) {
        self.limit.set((self.limit.get() / 2).max(1));
        self.settled.set(true);
        // A whole window without trouble is what makes good for it.
        self.bytes.set(0);
        self.since.set(None);
    }

    /// So many bytes arrived.
    pub(super) fn arrived(&self, bytes: u64) {
        let now = Instant::now();
        let Some(since) = self.since.get() else {
            return self.since.set(Some(now));
        };
        self.bytes.set(self.bytes.get() + bytes);
        if self.bytes.get() >= WINDOW_BYTES * self.limit.get() as u64 {
            self.judge(self.bytes.get() as f64 / (now - since).as_secs_f64().max(1e-9));
            self.bytes.set(0);
            self.since.set(Some(now));
        }
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
        assert_eq!(after(&[100.0, 120.0, 140.0]), 7);
        assert_eq!(after(&[100.0, 120.0, 121.0, 200.0]), 5, "stays where one more was not worth it");
        assert_eq!(after(&[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0]), MOST);
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
