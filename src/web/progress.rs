//! Progress reports of a load: few enough for a page to draw, and regular even while nothing happens.

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::{Date, Function};
use serde::Serialize;
use wasm_bindgen::prelude::*;

use super::convert::{call, to_js};
use crate::engine::{Phase, Progress};
use crate::source::download::{DownloadProgress, Transfer};

/// Least time between two reports of one phase, in milliseconds.
const INTERVAL_MS: f64 = 100.0;
/// Longest time between two reports.
const LONGEST_MS: f64 = 1000.0;
/// Interval between two checks for news while the loader waits.
const TICK_MS: u32 = 250;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = setInterval)]
    fn set_interval(callback: &Function, ms: u32) -> JsValue;
    #[wasm_bindgen(js_name = clearInterval)]
    fn clear_interval(interval: &JsValue);
}

/// A report to JS. `loaded` counts bytes that went to the GPU, `cached` and `fetched` those from each origin.
#[derive(Clone, Copy, Serialize)]
struct Report {
    #[serde(flatten)]
    progress: Progress,
    #[serde(flatten)]
    transfer: Transfer,
}

/// Reporter of a load's progress to JS, until it is dropped.
pub(super) struct Reporter {
    state: Rc<RefCell<State>>,
    interval: JsValue,
    _tick: Closure<dyn FnMut()>,
}

struct State {
    callback: Option<Function>,
    download: DownloadProgress,
    now: Progress,
    /// The last report, and when it was made.
    told: Option<(Progress, Transfer, f64)>,
}

impl Reporter {
    pub(super) fn new(callback: Option<Function>) -> Self {
        let now = Progress { phase: Phase::Header, loaded: 0, total: None };
        let state = State { callback, download: DownloadProgress::default(), now, told: None };
        let state = Rc::new(RefCell::new(state));
        let ticked = Rc::clone(&state);
        let tick = Closure::new(move || ticked.borrow_mut().look());
        let interval = set_interval(tick.as_ref().unchecked_ref(), TICK_MS);
        Self { state, interval, _tick: tick }
    }

    /// The progress that downloads report to.
    pub(super) fn download(&self) -> DownloadProgress {
        self.state.borrow().download.clone()
    }

    pub(super) fn report(&self, progress: Progress) {
        let mut state = self.state.borrow_mut();
        state.now = progress;
        state.look();
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        clear_interval(&self.interval);
    }
}

impl State {
    /// Makes a report if it is due: at once for every change of phase and for the last bytes, otherwise at
    /// most ten times a second.
    fn look(&mut self) {
        let Some(callback) = &self.callback else { return };
        let (now, progress, transfer) = (Date::now(), self.now, self.download.now());
        let complete = progress.total == Some(progress.loaded);
        let worth_it = self.told.is_none_or(|(told, before, at)| {
            let news = progress.loaded != told.loaded || progress.total != told.total;
            let due = now - at >= INTERVAL_MS && (news || transfer != before);
            progress.phase != told.phase || news && complete || due || now - at >= LONGEST_MS
        });
        if !worth_it {
            return;
        }
        self.told = Some((progress, transfer, now));
        if let Ok(report) = to_js(&Report { progress, transfer }) {
            call(callback, &report);
        }
    }
}
