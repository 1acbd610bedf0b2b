//! Progress of a download, readable while it runs.

use std::cell::Cell;
use std::rc::Rc;

use serde::Serialize;

/// State of a download.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Transfer {
    /// Bytes read from the cache, each counted once.
    pub cached: u64,
    /// Bytes received from the network.
    pub fetched: u64,
    /// Reason for a pause, if there is one.
    pub waiting: Option<Waiting>,
    /// Whether there is a cache that can't keep the file: the server doesn't tell the length, or sends the
    /// file compressed.
    pub unkept: bool,
}

/// Reason why no bytes arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Waiting {
    /// There is no network.
    Offline,
    /// A request failed; it is repeated after a delay.
    Retrying,
}

/// Shared view of the progress of a download. Clones show the same state; several downloads with the same
/// handle add up.
#[derive(Clone, Debug, Default)]
pub struct DownloadProgress(Rc<Cell<Transfer>>);

impl DownloadProgress {
    /// The current state.
    #[must_use]
    pub fn now(&self) -> Transfer {
        self.0.get()
    }

    pub(super) fn update(&self, change: impl FnOnce(&mut Transfer)) {
        let mut transfer = self.0.get();
        change(&mut transfer);
        self.0.set(transfer);
    }
}
