//! Requests from JS: a prompt in one of its forms, options, and the events reported to the page.

use js_sys::{Function, JsString, Reflect};
use wasm_bindgen::prelude::*;
use web_sys::AbortSignal;

use super::abort::AbortLink;
use super::convert::{call, to_js, to_js_error};
use super::{Engine, options};
use crate::engine::{Event, Prompt, Request, Signals};
use crate::error::{Error, Result};

#[wasm_bindgen]
impl Engine {
    /// Continues a prompt. `request` is `{ prompt, session, options }`; the prompt is one of
    /// - `{ text }`: text to continue; BOS is put before it;
    /// - `{ ids }`: token ids, taken as they are;
    /// - `{ messages }`: a conversation in the model's turn format;
    /// - `{ rendered }`: the output of a page's own template, in which control tokens keep their meaning;
    ///   U+FDD0 is removed (a page inserts it after each `<` and `[` in text that people wrote, so that this
    ///   stays text); BOS is put before it if it is missing;
    /// - `{ say }`: the user's next message in `session`.
    ///
    /// `session` is a number that [`Engine::session_open`] gave; it goes with `rendered` and `say`.
    /// `on_event` receives `{ type: "prefill", done, total }`, `{ type: "token", id, text, logprob?, top? }`,
    /// and at the end, if text was held back, `{ type: "rest", text }`: the texts of all tokens and the rest
    /// are the text. `signal` aborts; `stop_signal` ends the text at the next token, and the result's
    /// `finishReason` is then "cancelled".
    ///
    /// After `device_lost` and [`Engine::reload`], a `request` of null continues the one that was
    /// interrupted.
    ///
    /// # Errors
    /// An object `{ code, message, … }` made from [`Error`].
    pub async fn generate(
        &mut self,
        request: JsValue,
        on_event: Option<Function>,
        signal: Option<AbortSignal>,
        stop_signal: Option<AbortSignal>,
    ) -> Result<JsValue, JsValue> {
        let run = async {
            let request = if request.is_null() { None } else { Some(read(&request)?) };
            let (abort, stop) = (AbortLink::new(signal), AbortLink::new(stop_signal));
            let signals = Signals { cancel: abort.cancel().clone(), stop: stop.cancel().clone() };
            let mut report = |event: &Event| {
                if let (Some(callback), Ok(event)) = (&on_event, to_js(event)) {
                    call(callback, &event);
                }
            };
            to_js(&match request {
                Some(request) => self.engine.respond(&request, &signals, &mut report).await?,
                None => self.engine.resume(&signals, &mut report).await?,
            })
        };
        run.await.map_err(|error| to_js_error(&error))
    }
}

fn read(request: &JsValue) -> Result<Request> {
    let options = options::generate(&field(request, "options"))?;
    let session = field(request, "session");
    let session = match session.as_f64() {
        Some(id) => Some(id as u32),
        None if session.is_undefined() || session.is_null() => None,
        None => return Err(options::invalid("session", &session, "a session's number")),
    };
    Ok(Request { prompt: prompt(&field(request, "prompt"))?, session, options })
}

pub(super) fn prompt(value: &JsValue) -> Result<Prompt> {
    let given = |name: &str| Some(field(value, name)).filter(|value| !value.is_undefined());
    if let Some(ids) = given("ids") {
        return options::ids("prompt", &ids).map(Prompt::Ids);
    }
    if let Some(messages) = given("messages") {
        return options::messages("prompt", &messages).map(Prompt::Messages);
    }
    let text = |name: &str| given(name).and_then(|text| string(&text));
    let prompt = text("text").map(Prompt::Text).or_else(|| text("rendered").map(Prompt::Rendered));
    let expected = "one of text, ids, messages, rendered and say";
    let unknown = || Error::invalid_option("prompt", format!("{value:?}"), expected);
    prompt.or_else(|| text("say").map(Prompt::Say)).ok_or_else(unknown)
}

/// Half a surrogate pair becomes U+FFFD, as `TextEncoder` has it.
fn string(value: &JsValue) -> Option<String> {
    value.dyn_ref::<JsString>().map(String::from)
}

/// A field of a plain object; undefined if there is none.
fn field(object: &JsValue, name: &str) -> JsValue {
    Reflect::get(object, &name.into()).unwrap_or_default()
}
