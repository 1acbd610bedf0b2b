//! History of a conversation: its turns, and for the model's turns the ids that were generated.

use serde::{Deserialize, Serialize};

use crate::chat::{self, Message, Template};
use crate::error::{Error, Result};
use crate::tokenizer::Tokenizer;

/// Tokenizer and template, which together turn a conversation into ids.
#[derive(Clone, Copy, Debug)]
pub(super) struct ChatFormat<'a> {
    pub(super) tokenizer: &'a Tokenizer,
    pub(super) template: Template,
}

/// A message, with its ids if the model generated it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Turn {
    #[serde(flatten)]
    pub(super) message: Message,
    /// The generated ids, if they decode to exactly this text. They are kept because encoding the text might
    /// give other ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ids: Option<Vec<u32>>,
}

/// System text and turns, user and model in alternation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct History {
    pub(super) system: Option<String>,
    pub(super) turns: Vec<Turn>,
}

impl History {
    /// The history of `messages`, the first of which may be a system message.
    pub(super) fn new(messages: &[Message]) -> Self {
        let (system, rest) = match messages {
            [first, rest @ ..] if first.role == "system" => (Some(first.content.clone()), rest),
            all => (None, all),
        };
        let turn = |message: &Message| Turn { message: message.clone(), ids: None };
        Self { system, turns: rest.iter().map(turn).collect() }
    }

    /// # Errors
    /// [`Error::InvalidMessage`] for a history that the template refuses, or that does not end with the
    /// model's answer.
    pub(super) fn check_history(&self, format: ChatFormat<'_>) -> Result<()> {
        if let Some(last) = self.turns.last()
            && self.turns.len() % 2 == 1
            && last.message.role == "user"
        {
            let index = self.messages(0).len() - 1;
            let why = "a history ends with what the model said; send what the user says next".to_owned();
            return Err(Error::InvalidMessage { index, why });
        }
        let mut whole = self.clone();
        whole.say("");
        whole.ids(format, 0).map(|_| ())
    }

    /// Adds a user's message.
    pub(super) fn say(&mut self, text: &str) {
        self.add("user", text, None);
    }

    /// Adds the model's answer.
    pub(super) fn answer(&mut self, text: &str, ids: Option<Vec<u32>>) {
        self.add("assistant", text, ids);
    }

    /// Drops the last messages until `n_messages` are left, counting the system message.
    pub(super) fn rewind(&mut self, n_messages: usize) {
        self.turns.truncate(n_messages.saturating_sub(usize::from(self.system.is_some())));
    }

    fn add(&mut self, role: &str, content: &str, ids: Option<Vec<u32>>) {
        let message = Message { role: role.to_owned(), content: content.to_owned() };
        self.turns.push(Turn { message, ids });
    }

    /// The messages from turn `first` on, after the system's.
    pub(super) fn messages(&self, first: usize) -> Vec<Message> {
        let system =
            self.system.iter().map(|text| Message { role: "system".to_owned(), content: text.clone() });
        system.chain(self.turns.iter().skip(first).map(|turn| turn.message.clone())).collect()
    }

    /// Ids from turn `first` on, which is a user's, up to the beginning of the model's answer. The system
    /// text precedes that turn.
    ///
    /// # Errors
    /// Those of [`chat::encode`].
    pub(super) fn ids(&self, format: ChatFormat<'_>, first: usize) -> Result<Vec<u32>> {
        let messages = self.messages(first);
        let n_system = usize::from(self.system.is_some());
        let known = |index: usize| {
            let turn = self.turns.get(first + index.checked_sub(n_system)?)?;
            turn.ids.as_deref()
        };
        chat::encode_known(format.tokenizer, format.template, &messages, &known)
    }

    /// The turn that the model is to answer: it can't be dropped.
    pub(super) fn last(&self) -> usize {
        self.turns.len().saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rewinding_leaves_ids_as_they_were() {
        for system in [None, Some("be brief".to_owned())] {
            let mut history = History { system, ..History::default() };
            history.say("one");
            history.answer("two", Some(vec![5, 6]));
            let (before, n) = (history.clone(), history.messages(0).len());
            history.say("three");
            history.answer("four", Some(vec![7]));
            history.rewind(n);
            assert_eq!(history, before);
            history.rewind(n + 2);
            assert_eq!(history, before);
        }
    }
}
