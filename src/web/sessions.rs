//! Conversations that the engine keeps, by their numbers.

use js_sys::{Function, Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::AbortSignal;

use super::abort::AbortLink;
use super::{Engine, options, to_js, to_js_error};
use crate::error::{Error, Result};
use crate::source::web::js::JsSource;

#[wasm_bindgen]
impl Engine {
    /// Begins a conversation: `{ system, history, rendered }`. `history` are the messages so far, user and assistant in turn.
    /// With `rendered: true` the page has a template of its own: it keeps the history and sends the whole conversation each time as
    /// `{ rendered }`; the session only keeps what is computed of it.
    ///
    /// # Errors
    /// An object `{ code, message, … }` made from [`Error`]: where the model has no turn format, or it refuses the history.
    pub async fn session_open(&mut self, opening: JsValue) -> Result<u32, JsValue> {
        let id = options::session(&opening).and_then(|opening| self.session.open_session(opening));
        id.map_err(|error| to_js_error(&error))
    }

    /// Another conversation that begins with all of this one: nothing of it is computed again.
    ///
    /// # Errors
    /// An object `{ code, message, … }` made from [`Error`].
    pub async fn session_clone(&mut self, id: u32) -> Result<u32, JsValue> {
        self.session.clone_session(id).await.map_err(|error| to_js_error(&error))
    }

    /// Forgets a conversation and frees its memory.
    ///
    /// # Errors
    /// An object `{ code, message, … }` made from [`Error`]: where it isn't open.
    pub async fn session_close(&mut self, id: u32) -> Result<(), JsValue> {
        self.session.close_session(id).map_err(|error| to_js_error(&error))
    }

    /// The messages of a conversation, its system text first: an array of `{ role, content }`.
    ///
    /// # Errors
    /// An object `{ code, message, … }` made from [`Error`]: where it isn't open.
    pub async fn session_history(&self, id: u32) -> Result<JsValue, JsValue> {
        let history = self.session.session_history(id).and_then(|messages| to_js(&messages));
        history.map_err(|error| to_js_error(&error))
    }

    /// Takes back what was said last, so that `n_messages` of the history are left: for a page to which the last answer never came.
    ///
    /// # Errors
    /// An object `{ code, message, … }` made from [`Error`]: where it isn't open.
    pub async fn session_rewind(&mut self, id: u32, n_messages: u32) -> Result<(), JsValue> {
        self.session.rewind_session(id, n_messages as usize).map_err(|error| to_js_error(&error))
    }

    /// Gives a conversation as bytes, with everything that is computed of it, in pieces of up to 16 MiB: `on_piece(Uint8Array)`, whose
    /// promise, where it returns one, is waited for.
    ///
    /// # Errors
    /// An object `{ code, message, … }` made from [`Error`]; what `on_piece` throws comes as `storage`.
    pub async fn session_save(
        &mut self,
        id: u32,
        on_piece: Function,
        signal: Option<AbortSignal>,
    ) -> Result<(), JsValue> {
        let link = AbortLink::new(signal);
        let mut give = async |piece: &[u8]| hand_over(&on_piece, piece).await;
        self.session.save_session(id, link.cancel(), &mut give).await.map_err(|error| to_js_error(&error))
    }

    /// Opens a conversation that was saved, from `on_read(offset, length) -> Promise<Uint8Array>` of `size` bytes. It goes on
    /// where it was saved; nothing is computed again.
    ///
    /// # Errors
    /// An object `{ code, message, … }` made from [`Error`]: `session_mismatch` where another model or another KV cache saved it,
    /// `malformed` where it is damaged.
    pub async fn session_restore(
        &mut self,
        on_read: Function,
        size: f64,
        signal: Option<AbortSignal>,
    ) -> Result<u32, JsValue> {
        let link = AbortLink::new(signal);
        let restore = async {
            let source = JsSource::new(readable(&on_read, size))?;
            self.session.restore_session(source, link.cancel()).await
        };
        restore.await.map_err(|error| to_js_error(&error))
    }
}

/// What [`JsSource`] takes.
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
