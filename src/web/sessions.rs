//! Sessions of the engine, by their numbers.

use js_sys::{Function, Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::AbortSignal;

use super::abort::AbortLink;
use super::convert::{to_js, to_js_error};
use super::{Engine, options};
use crate::error::{Error, Result};
use crate::source::web::js::JsSource;

#[wasm_bindgen]
impl Engine {
    /// Opens a session: `{ system, history, rendered }`. `history` are the messages so far, user and
    /// assistant in turn. With `rendered: true` the page has its own template: it keeps the history and sends
    /// the whole conversation each time as `{ rendered }`; the session keeps the KV cache only.
    ///
    /// # Errors
    /// An object `{ code, message, … }` made from [`Error`]: if the model has no turn format, or the turn
    /// format refuses the history.
    pub async fn session_open(&mut self, opening: JsValue) -> Result<u32, JsValue> {
        let id = options::session(&opening).and_then(|opening| self.engine.open_session(opening));
        id.map_err(|error| to_js_error(&error))
    }

    /// Opens a copy of a session. Nothing is computed again.
    ///
    /// # Errors
    /// An object `{ code, message, … }` made from [`Error`].
    pub async fn session_clone(&mut self, id: u32) -> Result<u32, JsValue> {
        self.engine.clone_session(id).await.map_err(|error| to_js_error(&error))
    }

    /// Closes a session and frees its memory.
    ///
    /// # Errors
    /// An object `{ code, message, … }` made from [`Error`]: if the session is not open.
    pub async fn session_close(&mut self, id: u32) -> Result<(), JsValue> {
        self.engine.close_session(id).map_err(|error| to_js_error(&error))
    }

    /// Messages of a session, its system text first: an array of `{ role, content }`.
    ///
    /// # Errors
    /// An object `{ code, message, … }` made from [`Error`]: if the session is not open.
    pub async fn session_history(&self, id: u32) -> Result<JsValue, JsValue> {
        let history = self.engine.session_history(id).and_then(|messages| to_js(&messages));
        history.map_err(|error| to_js_error(&error))
    }

    /// Drops the last messages until `n_messages` are left, counting the system message: for a page that
    /// never received the last answer.
    ///
    /// # Errors
    /// An object `{ code, message, … }` made from [`Error`]: if the session is not open.
    pub async fn session_rewind(&mut self, id: u32, n_messages: u32) -> Result<(), JsValue> {
        self.engine.rewind_session(id, n_messages as usize).map_err(|error| to_js_error(&error))
    }

    /// Passes a session as bytes, its KV cache included, in pieces of up to 16 MiB to `on_piece(Uint8Array)`.
    /// If that returns a promise, the next piece waits for it.
    ///
    /// # Errors
    /// An object `{ code, message, … }` made from [`Error`]; an exception of `on_piece` becomes `storage`.
    pub async fn session_save(
        &mut self,
        id: u32,
        on_piece: Function,
        signal: Option<AbortSignal>,
    ) -> Result<(), JsValue> {
        let link = AbortLink::new(signal);
        let mut give = async |piece: &[u8]| hand_over(&on_piece, piece).await;
        self.engine.save_session(id, link.cancel(), &mut give).await.map_err(|error| to_js_error(&error))
    }

    /// Opens a saved session, from `on_read(offset, length) -> Promise<Uint8Array>` of `size` bytes. It
    /// continues where it was saved; nothing is computed again.
    ///
    /// # Errors
    /// An object `{ code, message, … }` made from [`Error`]: `session_mismatch` if it belongs to another
    /// model or another kind of KV cache, `malformed` if it is damaged.
    pub async fn session_restore(
        &mut self,
        on_read: Function,
        size: f64,
        signal: Option<AbortSignal>,
    ) -> Result<u32, JsValue> {
        let link = AbortLink::new(signal);
        let restore = async {
            let source = JsSource::new(readable(&on_read, size))?;
            self.engine.restore_session(source, link.cancel()).await
        };
        restore.await.map_err(|error| to_js_error(&error))
    }
}

/// The object that [`JsSource`] reads.
fn readable(read: &Function, size: f64) -> JsValue {
    let object = Object::new();
    for (name, value) in [("read", read.into()), ("size", size.into()), ("name", "the saved session".into())]
    {
        let value: JsValue = value;
        // Setting a field of a fresh plain object can't fail.
        let _ = Reflect::set(&object, &name.into(), &value);
    }
    object.into()
}

async fn hand_over(on_piece: &Function, piece: &[u8]) -> Result<()> {
    let failed = |thrown: JsValue| {
        let said = Reflect::get(&thrown, &"message".into()).ok().and_then(|said| said.as_string());
        Error::Storage {
            what: "writing a session".to_owned(),
            why: said.unwrap_or_else(|| format!("{thrown:?}")),
        }
    };
    let returned = on_piece.call1(&JsValue::NULL, &Uint8Array::from(piece)).map_err(failed)?;
    if returned.is_instance_of::<Promise>() {
        JsFuture::from(Promise::from(returned)).await.map_err(failed)?;
    }
    Ok(())
}
