//! Tokenization, chat templates, embeddings and scores, for JS callers.

use js_sys::Float32Array;
use wasm_bindgen::prelude::*;
use web_sys::AbortSignal;

use super::abort::AbortLink;
use super::convert::{to_js, to_js_error};
use super::{Engine, options};
use crate::tokenizer::Special;

#[wasm_bindgen]
impl Engine {
    /// The ids of a text, without BOS; control tokens written out in it stay text.
    ///
    /// # Errors
    /// An object `{ code, message, … }` made from [`crate::Error`].
    pub fn tokenize(&self, text: &str) -> Result<Vec<u32>, JsValue> {
        self.engine.tokenizer().encode(text, Special::AsText).map_err(|error| to_js_error(&error))
    }

    /// The text of ids: control tokens have none, bytes that make no character become U+FFFD.
    ///
    /// # Errors
    /// An object `{ code, message, … }` made from [`crate::Error`], for example for an id outside the
    /// vocabulary.
    pub fn detokenize(&self, ids: JsValue) -> Result<String, JsValue> {
        let text = options::ids("ids", &ids).and_then(|ids| self.engine.detokenize(&ids));
        text.map_err(|error| to_js_error(&error))
    }

    /// A conversation as one text in the model's turn format, BOS included, up to the beginning of its
    /// answer: for people to read.
    ///
    /// # Errors
    /// An object `{ code, message, … }` made from [`crate::Error`]: if the model has no turn format, or the
    /// turn format refuses the messages.
    pub fn render_chat(&self, messages: JsValue) -> Result<String, JsValue> {
        let text = options::messages("messages", &messages).and_then(|all| self.engine.render_chat(&all));
        text.map_err(|error| to_js_error(&error))
    }

    /// The ids of a prompt, BOS included if `generate` would put it: `prompt` is as there, except for `say`.
    ///
    /// # Errors
    /// An object `{ code, message, … }` made from [`crate::Error`].
    pub fn prompt_ids(&self, prompt: JsValue) -> Result<Vec<u32>, JsValue> {
        let ids = super::request::prompt(&prompt).and_then(|prompt| self.engine.ids_of(&prompt));
        ids.map_err(|error| to_js_error(&error))
    }

    /// The ids of a conversation in the model's turn format, BOS included, up to the beginning of its answer.
    ///
    /// # Errors
    /// As [`Engine::render_chat`].
    pub fn chat_ids(&self, messages: JsValue) -> Result<Vec<u32>, JsValue> {
        let ids = options::messages("messages", &messages).and_then(|all| self.engine.conversation_ids(&all));
        ids.map_err(|error| to_js_error(&error))
    }

    /// The mean over a text's positions, BOS included, of the last hidden state (after the output norm):
    /// `[D]`, not normalised.
    ///
    /// # Errors
    /// An object `{ code, message, … }` made from [`crate::Error`].
    pub async fn embed(
        &mut self,
        text: String,
        signal: Option<AbortSignal>,
    ) -> Result<Float32Array, JsValue> {
        let link = AbortLink::new(signal);
        let mean = self.engine.embed(&text, link.cancel()).await;
        mean.map(|mean| Float32Array::from(mean.as_slice())).map_err(|error| to_js_error(&error))
    }

    /// Likelihood of a text: `{ tokens: [{ id, text, logprob }], total, perplexity }`, of every token after
    /// the first (which is BOS if prompts start with it); `total` is the sum of the natural logarithms.
    ///
    /// # Errors
    /// An object `{ code, message, … }` made from [`crate::Error`].
    pub async fn score(&mut self, text: String, signal: Option<AbortSignal>) -> Result<JsValue, JsValue> {
        let link = AbortLink::new(signal);
        let score = self.engine.score_text(&text, link.cancel()).await;
        score.and_then(|score| to_js(&score)).map_err(|error| to_js_error(&error))
    }
}
