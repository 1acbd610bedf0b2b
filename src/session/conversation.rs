//! Conversations that the engine keeps. One at a time has the KV cache that runs; those of the others are parked.

use serde::Deserialize;

use super::Engine;
use super::dialogue::Dialogue;
use crate::chat::Message;
use crate::error::{Error, Result};
use crate::model::gpu::kv_swap::SwappedKv;

/// How a conversation begins.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SessionOptions {
    /// What the model is told before the first message.
    pub system: Option<String>,
    /// The messages so far, user and assistant in turn.
    pub history: Vec<Message>,
    /// The caller has a template of its own: it keeps the history, and sends all of it as [`super::Prompt::Rendered`] each time.
    pub rendered: bool,
}

/// A conversation.
#[derive(Debug)]
pub(super) struct Conversation {
    /// What was said; `None` where the caller keeps it.
    pub(super) dialogue: Option<Dialogue>,
    /// The first turn that is still in the context.
    pub(super) first: usize,
    /// What is computed of it, while another one runs.
    pub(super) kept: Option<Kept>,
}

/// The KV cache of a conversation that waits.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) ids: Vec<u32>,
    pub(super) n_written: usize,
    pub(super) parked: SwappedKv,
}

impl Engine {
    /// Begins a conversation and returns its number.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] where the model has no turn format, [`Error::InvalidMessage`] where it refuses the history.
    pub fn open_session(&mut self, opening: SessionOptions) -> Result<u32> {
        let SessionOptions { system, history, rendered } = opening;
        if rendered && (system.is_some() || !history.is_empty()) {
            return Err(Error::InvalidOption {
                option: "rendered".to_owned(),
                found: "true, with a system text or a history".to_owned(),
                expected: "neither: a caller with a template of its own keeps both".to_owned(),
            });
        }
        if rendered {
            return self.enter(Conversation { dialogue: None, first: 0, kept: None });
        }
        self.check_chat()?;
        let dialogue = Dialogue { system, ..Dialogue::new(&history) };
        dialogue.check_history(self.format())?;
        self.enter(Conversation { dialogue: Some(dialogue), first: 0, kept: None })
    }

    /// Another conversation that begins with all of this one. Its KV cache is copied.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] where it isn't open; faults of the device.
    pub async fn clone_session(&mut self, id: u32) -> Result<u32> {
        let session = self.session(id)?;
        let (dialogue, first) = (session.dialogue.clone(), session.first);
        let kept = match &session.kept {
            Some(kept) => {
                let second = self.model()?.duplicate(&kept.parked, kept.ids.len()).await;
                kept_as(second, &kept.ids, kept.n_written)?
            }
            None if self.active.session == Some(id) => self.park_active().await?,
            None => None,
        };
        self.enter(Conversation { dialogue, first, kept })
    }

    /// Forgets a conversation.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] where it isn't open.
    pub fn close_session(&mut self, id: u32) -> Result<()> {
        self.session(id)?;
        self.sessions.remove(&id);
        if self.active.session == Some(id) {
            self.active.forget();
        }
        Ok(())
    }

    /// The messages of a conversation, its system text first. None where the caller keeps them.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] where it isn't open.
    pub fn session_history(&self, id: u32) -> Result<Vec<Message>> {
        Ok(self.session(id)?.dialogue.as_ref().map(|dialogue| dialogue.messages(0)).unwrap_or_default())
    }

    /// Takes back what was said last in a conversation, so that `n_messages` are left, the system's included: for a caller to whom the
    /// last answer never came. What is computed of it stays known.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] where it isn't open.
    pub fn rewind_session(&mut self, id: u32, n_messages: usize) -> Result<()> {
        self.session(id)?;
        if let Some(session) = self.sessions.get_mut(&id)
            && let Some(dialogue) = &mut session.dialogue
        {
            dialogue.rewind(n_messages);
            session.first = session.first.min(dialogue.turns.len());
        }
        Ok(())
    }

    pub(super) fn session(&self, id: u32) -> Result<&Conversation> {
        self.sessions.get(&id).ok_or_else(|| Error::InvalidOption {
            option: "session".to_owned(),
            found: id.to_string(),
            expected: "a session that is open".to_owned(),
        })
    }

    pub(super) fn enter(&mut self, session: Conversation) -> Result<u32> {
        self.n_opened += 1;
        self.sessions.insert(self.n_opened, session);
        Ok(self.n_opened)
    }

    /// Gives the KV cache to a session.
    pub(super) async fn activate(&mut self, id: u32) -> Result<()> {
        self.session(id)?;
        if self.active.session == Some(id) {
            return Ok(());
        }
        self.deactivate(false).await?;
        let Some(session) = self.sessions.get_mut(&id) else { return Ok(()) };
        if let (Some(kept), Some(model)) = (&session.kept, &self.model) {
            model.swap_in(&kept.parked, kept.ids.len())?;
        }
        if let Some(kept) = session.kept.take() {
            self.active.ids = kept.ids;
            self.active.n_written = kept.n_written;
        }
        self.active.session = Some(id);
        Ok(())
    }

    /// Parks the session that has the KV cache, if one has. What it holds is known on only where `knows`.
    pub(super) async fn deactivate(&mut self, knows: bool) -> Result<()> {
        if let Some(id) = self.active.session {
            let kept = self.park_active().await?;
            if let Some(session) = self.sessions.get_mut(&id) {
                session.kept = kept;
            }
            self.active.session = None;
        }
        if !knows {
            self.active.forget();
        }
        Ok(())
    }

    /// Makes way for what uses the KV cache without keeping books on it.
    pub(super) async fn vacate(&mut self) -> Result<()> {
        self.deactivate(false).await
    }

    /// A copy of what the KV cache holds; none where that is nothing, or where there is no memory.
    async fn park_active(&self) -> Result<Option<Kept>> {
        if self.active.ids.is_empty() {
            return Ok(None);
        }
        let parked = self.model()?.swap_out(self.active.ids.len()).await;
        kept_as(parked, &self.active.ids, self.active.n_written)
    }
}

/// Without memory for it a conversation goes on all the same: what was computed is computed again when its turn comes.
fn kept_as(parked: Result<SwappedKv>, ids: &[u32], n_written: usize) -> Result<Option<Kept>> {
    match parked {
        Ok(parked) => Ok(Some(Kept { ids: ids.to_vec(), n_written, parked })),
        Err(Error::OutOfMemory { .. }) => Ok(None),
        Err(other) => Err(other),
    }
}
