//! Token ids of prompts in each of their forms.

use super::request::Prompt;
use super::state::Engine;
use crate::chat::{self, Message};
use crate::error::{Error, Result};
use crate::tokenizer::Special;

impl Engine {
    /// The ids of a prompt.
    ///
    /// # Errors
    /// Those of the tokenizer and of [`chat::encode`]; [`Error::InvalidOption`] for messages to a model
    /// without a turn format, for an id outside the vocabulary, and for [`Prompt::Say`], which needs its
    /// session.
    pub fn ids_of(&self, prompt: &Prompt) -> Result<Vec<u32>> {
        match prompt {
            Prompt::Text(text) => self.prompt_ids(text),
            Prompt::Ids(ids) => Ok(ids.clone()),
            Prompt::Messages(messages) => self.conversation_ids(messages),
            Prompt::Rendered(text) => self.rendered_ids(text),
            Prompt::Say(_) => {
                Err(Error::invalid_option("prompt", "what a user says next", "a session to say it in"))
            }
        }
    }

    /// Ids of a text prompt: BOS once if the model wants it, then the text without control tokens.
    ///
    /// # Errors
    /// Those of [`crate::tokenizer::Tokenizer::encode`].
    pub fn prompt_ids(&self, prompt: &str) -> Result<Vec<u32>> {
        let bos = self.tokenizer.bos().filter(|_| self.tokenizer.adds_bos());
        let mut ids: Vec<u32> = bos.into_iter().collect();
        ids.extend(self.tokenizer.encode(prompt, Special::AsText)?);
        Ok(ids)
    }

    /// Ids of a conversation in the model's turn format, BOS included, up to the beginning of its answer. A
    /// file without a turn format will do if its vocabulary has the markers.
    ///
    /// # Errors
    /// Those of [`chat::encode`].
    pub fn chat_ids(&self, messages: &[Message]) -> Result<Vec<u32>> {
        chat::encode(&self.tokenizer, self.template, messages)
    }

    /// As [`Engine::chat_ids`], for models tuned for conversations only.
    ///
    /// # Errors
    /// As [`Engine::chat_ids`]; [`Error::InvalidOption`] for another model.
    pub fn conversation_ids(&self, messages: &[Message]) -> Result<Vec<u32>> {
        self.check_chat()?;
        self.chat_ids(messages)
    }

    /// A conversation as one text in the model's turn format, BOS included, up to the beginning of its
    /// answer.
    ///
    /// # Errors
    /// As [`Engine::conversation_ids`].
    pub fn render_chat(&self, messages: &[Message]) -> Result<String> {
        self.check_chat()?;
        let bos = self.tokenizer.bos().and_then(|bos| self.tokenizer.piece(bos));
        chat::render(self.template, messages, bos.unwrap_or_default())
    }

    /// The text of ids; control tokens and turn markers have none.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] for an id outside the vocabulary.
    pub fn detokenize(&self, ids: &[u32]) -> Result<String> {
        let n_vocab = self.tokenizer.n_vocab();
        match ids.iter().find(|id| **id as usize >= n_vocab) {
            Some(id) => Err(Error::invalid_option("ids", id, format!("ids below {n_vocab}"))),
            None => Ok(self.tokenizer.decode(ids)),
        }
    }

    fn rendered_ids(&self, text: &str) -> Result<Vec<u32>> {
        let mut ids = self.tokenizer.encode_rendered(text)?;
        if let Some(bos) = self.tokenizer.bos().filter(|_| self.tokenizer.adds_bos())
            && ids.first() != Some(&bos)
        {
            ids.insert(0, bos);
        }
        Ok(ids)
    }

    /// # Errors
    /// [`Error::InvalidOption`] if the model was not tuned for conversations.
    pub(super) fn check_chat(&self) -> Result<()> {
        if self.info.chat {
            return Ok(());
        }
        let expected = "text: this is a base model, which has no turn format (no chat template in its file); load one that was tuned \
            for conversations, or give a template of your own";
        Err(Error::invalid_option("prompt", "a conversation", expected))
    }
}
