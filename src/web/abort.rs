//! Link from an `AbortSignal` to a [`Cancel`].

use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::AbortSignal;

use crate::cancel::Cancel;

/// An abort signal and the flag that follows it, until this is dropped.
pub(super) struct AbortLink {
    signal: Option<AbortSignal>,
    listener: Closure<dyn FnMut()>,
    cancel: Cancel,
}

impl AbortLink {
    pub(super) fn new(signal: Option<AbortSignal>) -> Self {
        let cancel = Cancel::default();
        let flag = cancel.clone();
        let listener = Closure::new(move || flag.cancel());
        if let Some(signal) = &signal {
            if signal.aborted() {
                cancel.cancel();
            }
            // Adding a listener to a signal can't fail.
            let _ = signal.add_event_listener_with_callback("abort", listener.as_ref().unchecked_ref());
        }
        Self { signal, listener, cancel }
    }

    pub(super) fn cancel(&self) -> &Cancel {
        &self.cancel
    }
}

impl Drop for AbortLink {
    fn drop(&mut self) {
        if let Some(signal) = &self.signal {
            let _ =
                signal.remove_event_listener_with_callback("abort", self.listener.as_ref().unchecked_ref());
        }
    }
}
