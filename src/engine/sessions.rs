//! Operations on sessions. One session at a time has the live KV cache; the caches of the others are copied
//! out of it.

use super::history::History;
use super::session::{Session, SessionOptions, WaitingKv};
use super::state::Engine;
use crate::chat::Message;
use crate::error::{Error, Result};

impl Engine {
    /// Opens a session and returns its number.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] if the model has no turn format, [`Error::InvalidMessage`] if the turn format
    /// refuses the history.
    pub fn open_session(&mut self, opening: SessionOptions) -> Result<u32> {
        let SessionOptions { system, history, rendered } = opening;
        if rendered && (system.is_some() || !history.is_empty()) {
            return Err(Error::invalid_option(
                "rendered",
                "true, with a system text or a history",
                "neither: a caller with a template of its own keeps both",
            ));
        }
        if rendered {
            return self.insert(Session { history: None, first: 0, waiting_kv: None });
        }
        self.check_chat()?;
        let history = History { system, ..History::new(&history) };
        history.check_history(self.chat_format())?;
        self.insert(Session { history: Some(history), first: 0, waiting_kv: None })
    }

    /// Opens a copy of a session, with a copy of its KV cache.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] if the session is not open; faults of the device.
    pub async fn clone_session(&mut self, id: u32) -> Result<u32> {
        let session = self.session(id)?;
        let (history, first) = (session.history.clone(), session.first);
        let waiting_kv = match &session.waiting_kv {
            Some(kv) => {
                let copy = self.model()?.duplicate(&kv.swapped, kv.ids.len()).await;
                WaitingKv::of(copy, &kv.ids, kv.n_written)?
            }
            None if self.live_kv.session == Some(id) => self.copy_live_kv().await?,
            None => None,
        };
        self.insert(Session { history, first, waiting_kv })
    }

    /// Closes a session.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] if it is not open.
    pub fn close_session(&mut self, id: u32) -> Result<()> {
        self.session(id)?;
        self.sessions.remove(&id);
        if self.live_kv.session == Some(id) {
            self.live_kv.forget();
        }
        Ok(())
    }

    /// Messages of a session, its system text first; empty if the caller keeps them.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] if the session is not open.
    pub fn session_history(&self, id: u32) -> Result<Vec<Message>> {
        Ok(self.session(id)?.history.as_ref().map(|history| history.messages(0)).unwrap_or_default())
    }

    /// Drops the last messages of a session until `n_messages` are left, counting the system message: for a
    /// caller that never received the last answer. The KV cache keeps its contents.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] if the session is not open.
    pub fn rewind_session(&mut self, id: u32, n_messages: usize) -> Result<()> {
        self.session(id)?;
        if let Some(session) = self.sessions.get_mut(&id)
            && let Some(history) = &mut session.history
        {
            history.rewind(n_messages);
            session.first = session.first.min(history.turns.len());
        }
        Ok(())
    }

    pub(super) fn session(&self, id: u32) -> Result<&Session> {
        let closed = || Error::invalid_option("session", id, "a session that is open");
        self.sessions.get(&id).ok_or_else(closed)
    }

    pub(super) fn insert(&mut self, session: Session) -> Result<u32> {
        self.n_opened += 1;
        self.sessions.insert(self.n_opened, session);
        Ok(self.n_opened)
    }

    /// Gives the live KV cache to a session.
    pub(super) async fn activate_session(&mut self, id: u32) -> Result<()> {
        self.session(id)?;
        if self.live_kv.session == Some(id) {
            return Ok(());
        }
        self.deactivate_session(false).await?;
        let Some(session) = self.sessions.get_mut(&id) else { return Ok(()) };
        if let (Some(kv), Some(model)) = (&session.waiting_kv, &self.model) {
            model.swap_in(&kv.swapped, kv.ids.len())?;
        }
        if let Some(kv) = session.waiting_kv.take() {
            self.live_kv.ids = kv.ids;
            self.live_kv.n_written = kv.n_written;
        }
        self.live_kv.session = Some(id);
        Ok(())
    }

    /// Takes the live KV cache from the session that has it, if any. If `keep_ids`, the next request may
    /// reuse its contents.
    pub(super) async fn deactivate_session(&mut self, keep_ids: bool) -> Result<()> {
        if let Some(id) = self.live_kv.session {
            let waiting_kv = self.copy_live_kv().await?;
            if let Some(session) = self.sessions.get_mut(&id) {
                session.waiting_kv = waiting_kv;
            }
            self.live_kv.session = None;
        }
        if !keep_ids {
            self.live_kv.forget();
        }
        Ok(())
    }

    /// Frees the live KV cache for work that does not record what it writes there.
    pub(crate) async fn clear_kv(&mut self) -> Result<()> {
        self.deactivate_session(false).await
    }

    /// Copy of the live KV cache; `None` if it is empty, or if there is no memory for a copy.
    async fn copy_live_kv(&self) -> Result<Option<WaitingKv>> {
        if self.live_kv.ids.is_empty() {
            return Ok(None);
        }
        let swapped = self.model()?.swap_out(self.live_kv.ids.len()).await;
        WaitingKv::of(swapped, &self.live_kv.ids, self.live_kv.n_written)
    }
}
