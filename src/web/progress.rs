//! Progress reports, few enough for a page to draw.

use js_sys::{Date, Function};

use super::{call, to_js};
use crate::session::{Phase, Progress};

/// Least time between two reports of one phase, in milliseconds.
const INTERVAL_MS: f64 = 100.0;

/// A callback that hands on every change of phase, the last bytes, and else ten reports a second.
pub(super) fn throttled(callback: Option<Function>) -> impl FnMut(Progress) {
    let mut last: Option<(Phase, u64, f64)> = None;
    move |progress| {
        let Some(callback) = &callback else { return };
        let now = Date::now();
        let complete = progress.total == Some(progress.loaded);
        let worth_it = last.is_none_or(|(phase, loaded, at)| {
            phase != progress.phase || loaded != progress.loaded && (complete || now - at >= INTERVAL_MS)
        });
        if !worth_it {
            return;
        }
        last = Some((progress.phase, progress.loaded, now));
        if let Ok(progress) = to_js(&progress) {
            call(callback, &progress);
        }
    }
}
