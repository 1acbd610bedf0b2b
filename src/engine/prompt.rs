//! What a request continues: a prompt in one of its forms, as ids.

use super::Engine;
use super::options::GenerateOptions;
use crate::cancel::Cancel;
use crate::chat::{self, Message};
use crate::error::{Error, Result};
use crate::tokenizer::Special;

/// What is to be continued.
#[derive(Clone, Debug, PartialEq)]
pub enum Prompt {
    /// Text, as text. BOS is put before it where the model wants it.
    Text(String),
    /// Token ids, as they are.
    Ids(Vec<u32>),
    /// A conversation, in the model's turn format.
    Messages(Vec<Message>),
    /// The text of a caller's template: control tokens are meant, and U+FDD0 is left out, with which a caller keeps `<` and `[` in
    /// what people wrote from being read as one. BOS is put before it where it isn't there.
    Rendered(String),
    /// What the user says next in a session.
    Say(String),
}

/// A prompt, the session it belongs to, and options.
#[derive(Clone, Debug)]
pub struct Request {
    /// What is to be continued.
    pub prompt: Prompt,
    /// Goes with [`Prompt::Say`] and [`Prompt::Rendered`].
    pub session: Option<u32>,
    /// How.
    pub options: GenerateOptions,
}

/// The two ways to end a request early.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    /// Fails it with [`Error::Aborted`].
    pub cancel: Cancel,
    /// Ends the text with the next token: [`super::FinishReason::Cancelled`].
    pub stop: Cancel,
}

impl Engine {
    /// The ids of a prompt.
    ///
    /// # Errors
    /// Those of the tokenizer and of [`chat::encode`]; [`Error::InvalidOption`] for messages to a model without a turn format, for an
    /// id outside the vocabulary, and for [`Prompt::Say`], which needs its session.
    pub fn ids_of(&self, prompt: &Prompt) -> Result<Vec<u32>> {
        match prompt {
            Prompt::Text(text) => self.prompt_ids(text),
            Prompt::Ids(ids) => Ok(ids.clone()),
            Prompt::Messages(messages) => self.conversation_ids(messages),
            Prompt::Rendered(text) => self.rendered_ids(text),
            Prompt::Say(_) => Err(Error::InvalidOption {
                option: "prompt".to_owned(),
                found: "what a user says next".to_owned(),
                expected: "a session to say it in".to_owned(),
            }),
        }
    }

    /// Ids of a prompt: BOS once where the model wants it, then the text as text.
    ///
    /// # Errors
    /// Those of [`crate::tokenizer::Tokenizer::encode`].
    pub fn prompt_ids(&self, prompt: &str) -> Result<Vec<u32>> {
        let bos = self.tokenizer.bos().filter(|_| self.tokenizer.adds_bos());
        let mut ids: Vec<u32> = bos.into_iter().collect();
        ids.extend(self.tokenizer.encode(prompt, Special::AsText)?);
        Ok(ids)
    }

    /// Ids of a conversation in the model's turn format, BOS included, up to where its answer begins; also where the file says
    /// nothing of a turn format, as long as its vocabulary has the markers.
    ///
    /// # Errors
    /// Those of [`chat::encode`].
    pub fn chat_ids(&self, messages: &[Message]) -> Result<Vec<u32>> {
        chat::encode(&self.tokenizer, self.template, messages)
    }

    /// As [`Engine::chat_ids`], of a model that was tuned for conversations.
    ///
    /// # Errors
    /// Also [`Error::InvalidOption`] where it wasn't.
    pub fn conversation_ids(&self, messages: &[Message]) -> Result<Vec<u32>> {
        self.check_chat()?;
        self.chat_ids(messages)
    }

    /// A conversation as one text in the model's turn format, BOS included, up to where its answer begins.
    ///
    /// # Errors
    /// As [`Engine::conversation_ids`].
    pub fn render_chat(&self, messages: &[Message]) -> Result<String> {
        self.check_chat()?;
        let bos = self.tokenizer.bos().and_then(|bos| self.tokenizer.piece(bos));
        chat::render(self.template, messages, bos.unwrap_or_default())
    }

    /// The text of ids; control tokens and turn markers are nothing.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] for an id outside the vocabulary.
    pub fn detokenize(&self, ids: &[u32]) -> Result<String> {
        let n_vocab = self.tokenizer.n_vocab();
        match ids.iter().find(|id| **id as usize >= n_vocab) {
            Some(id) => Err(Error::InvalidOption {
                option: "ids".to_owned(),
                found: id.to_string(),
                expected: format!("ids below {n_vocab}"),
            }),
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
    /// [`Error::InvalidOption`] where the model was not tuned for conversations.
    pub(super) fn check_chat(&self) -> Result<()> {
        if self.info.chat {
            return Ok(());
        }
        Err(Error::InvalidOption {
            option: "prompt".to_owned(),
            found: "a conversation".to_owned(),
            expected: "text: this is a base model, which has no turn format (no chat template in its file); load one that was tuned \
                for conversations, or give a template of your own"
                .to_owned(),
        })
    }
}
