//! Session: a conversation that the engine keeps.

use serde::Deserialize;

use super::history::History;
use crate::chat::Message;
use crate::error::{Error, Result};
use crate::model::loaded::SwappedKv;

/// Options of a new session.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SessionOptions {
    /// Instructions to the model, put before the first message.
    pub system: Option<String>,
    /// The messages so far, user and assistant in turn.
    pub history: Vec<Message>,
    /// Whether the caller has its own template: it then keeps the history, and sends all of it as
    /// [`Prompt::Rendered`](super::Prompt::Rendered) each time.
    pub rendered: bool,
}

/// A conversation.
#[derive(Debug)]
pub(super) struct Session {
    /// The messages; `None` if the caller keeps them.
    pub(super) history: Option<History>,
    /// The first turn that is still in the context.
    pub(super) first: usize,
    /// The session's KV cache while another session has the live one.
    pub(super) waiting_kv: Option<WaitingKv>,
}

/// KV cache of a waiting session.
#[derive(Debug)]
pub(super) struct WaitingKv {
    pub(super) ids: Vec<u32>,
    pub(super) n_written: usize,
    pub(super) swapped: SwappedKv,
}

impl WaitingKv {
    /// A copied cache, or none if there was no memory for the copy: the session then computes its tokens
    /// again at its next request.
    pub(super) fn of(swapped: Result<SwappedKv>, ids: &[u32], n_written: usize) -> Result<Option<Self>> {
        match swapped {
            Ok(swapped) => Ok(Some(Self { ids: ids.to_vec(), n_written, swapped })),
            Err(Error::OutOfMemory { .. }) => Ok(None),
            Err(other) => Err(other),
        }
    }
}
