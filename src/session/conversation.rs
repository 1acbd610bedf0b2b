//! Conversations that the engine keeps.

use serde::Deserialize;

use super::Engine;
use super::prompt::{Request, Signals};
use super::result::{Event, Generation};
use crate::cancel::Cancel;
use crate::chat::Message;
use crate::error::{Error, Result};
use crate::source::ByteSource;

/// How a conversation begins.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SessionOptions {
    /// What the model is told before the first message.
    pub system: Option<String>,
    /// The messages so far, user and assistant in turn.
    pub history: Vec<Message>,
    /// The caller has a template of its own, and keeps the history.
    pub rendered: bool,
}

fn later<T>() -> Result<T> {
    Err(Error::Internal { what: "sessions are not made yet".to_owned() })
}

impl Engine {
    pub async fn respond(
        &mut self,
        request: &Request,
        signals: &Signals,
        on_event: &mut dyn FnMut(&Event),
    ) -> Result<Generation> {
        if request.session.is_some() {
            return later();
        }
        let ids = self.ids_of(&request.prompt)?;
        self.generate(&ids, &request.options, &signals.cancel, &mut |piece| {
            on_event(&Event::Token(piece.clone()));
        })
        .await
    }

    pub fn open_session(&mut self, _opening: SessionOptions) -> Result<u32> {
        later()
    }

    pub async fn clone_session(&mut self, _id: u32) -> Result<u32> {
        later()
    }

    pub fn close_session(&mut self, _id: u32) -> Result<()> {
        later()
    }

    pub fn session_history(&self, _id: u32) -> Result<Vec<Message>> {
        later()
    }

    pub async fn save_session(
        &mut self,
        _id: u32,
        _cancel: &Cancel,
        _on_piece: &mut impl AsyncFnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        later()
    }

    pub async fn restore_session<S: ByteSource>(&mut self, _source: S, _cancel: &Cancel) -> Result<u32> {
        later()
    }
}
