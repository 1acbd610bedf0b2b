//! How a download goes, for whoever watches it.

use std::cell::Cell;
use std::rc::Rc;

use serde::Serialize;

/// How a download goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Transfer {
    /// Bytes that were taken from the cache, each once.
    pub cached: u64,
    /// Bytes that came from the network.
    pub fetched: u64,
    /// What is waited for, if not for bytes.
    pub waiting: Option<Waiting>,
    /// There is a cache, but the server doesn't say how long the file is, or sends it compressed: it is not kept.
    pub unkept: bool,
}

/// Why no bytes arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Waiting {
    /// There is no network.
    Offline,
    /// A request failed, and is repeated after a while.
    Retrying,
}

/// A window on a download that can be looked through while it is under way. Clones show the same; several downloads that are
/// given one add up.
#[derive(Clone, Debug, Default)]
pub struct Watch(Rc<Cell<Transfer>>);

impl Watch {
    /// How it goes now.
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
