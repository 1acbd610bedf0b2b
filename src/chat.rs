//! Conversations as Gemma was trained to see them: turns between `<start_of_turn>` and `<end_of_turn>`.
//!
//! GGUF files carry a Jinja template. The templates of all Gemma generations come down to two variants, which
//! are written out here. Turn markers become their ids, and the content of a message is only text: a
//! `<end_of_turn>` that somebody typed ends nothing.

use serde::{Deserialize, Serialize};

use crate::gguf::Metadata;
use crate::tokenizer::{Special, Tokenizer};
use crate::{Error, Result};

const TURN_START: &str = "<start_of_turn>";
const TURN_END: &str = "<end_of_turn>";

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// `user`, `assistant` (or `model`, as Gemma calls it), or for the first message `system`.
    pub role: String,
    /// Text of the message. Surrounding white space is trimmed, as by the templates.
    pub content: String,
}

/// Template of a Gemma generation, by its treatment of a system message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Template {
    /// Gemma 1 and 2: refuses it.
    WithoutSystem,
    /// Gemma 3: puts it in front of the first user message.
    WithSystem,
}

impl Template {
    /// The template of the file's generation.
    ///
    /// # Errors
    /// [`Error::MissingKey`] without `general.architecture`.
    pub fn from_gguf(metadata: &Metadata) -> Result<Self> {
        Ok(match metadata.str("general.architecture")? {
            "gemma" | "gemma2" => Self::WithoutSystem,
            _ => Self::WithSystem,
        })
    }
}

/// Whether the model was tuned for conversations: its vocabulary has the turn markers and its file a chat
/// template.
pub fn is_chat(tokenizer: &Tokenizer, metadata: &Metadata) -> bool {
    let has_template = matches!(metadata.opt_str("tokenizer.chat_template"), Ok(Some(_)));
    has_template && [TURN_START, TURN_END].iter().all(|marker| tokenizer.id_of(marker).is_some())
}

/// The conversation as one text, up to the beginning of the model's answer. The text starts with `bos`.
///
/// The text is for people to read. Its encoding could not be distinguished from that of messages that contain
/// markers; for ids use [`encode`].
///
/// # Errors
/// [`Error::InvalidMessage`] for a conversation the template refuses.
pub fn render(template: Template, messages: &[Message], bos: &str) -> Result<String> {
    let mut out = bos.to_owned();
    for turn in turns(template, messages)? {
        out.extend([TURN_START, &turn, TURN_END, "\n"]);
    }
    out.extend([TURN_START, "model\n"]);
    Ok(out)
}

/// The ids of the conversation, BOS included, up to the beginning of the model's answer.
///
/// # Errors
/// [`Error::InvalidMessage`] for a conversation the template refuses; [`Error::Unsupported`] if the
/// vocabulary has no turn markers.
pub fn encode(tokenizer: &Tokenizer, template: Template, messages: &[Message]) -> Result<Vec<u32>> {
    encode_known(tokenizer, template, messages, &|_| None)
}

/// As [`encode`]. `known` may return, by the index of a message, the ids that the model generated for it;
/// they are used unchanged.
///
/// # Errors
/// As [`encode`].
pub fn encode_known<'a>(
    tokenizer: &Tokenizer,
    template: Template,
    messages: &[Message],
    known: &dyn Fn(usize) -> Option<&'a [u32]>,
) -> Result<Vec<u32>> {
    let marker = |text: &str| {
        tokenizer.id_of(text).ok_or_else(|| Error::Unsupported {
            what: "a vocabulary with turn markers to chat".into(),
            found: format!("no token {text}"),
        })
    };
    let (start, end) = (marker(TURN_START)?, marker(TURN_END)?);
    let text = |text: &str| tokenizer.encode(text, Special::AsText);
    let (answer, after) = (text("model\n")?, text("\n")?);
    let mut ids: Vec<u32> = tokenizer.bos().into_iter().collect();
    let turns = turns(template, messages)?;
    // A system message has no turn of its own.
    for (turn, index) in turns.iter().zip(messages.len() - turns.len()..) {
        ids.push(start);
        match known(index) {
            Some(generated) => ids.extend(answer.iter().chain(generated)),
            // Role and content are encoded together: the vocabulary decides whether a newline merges with the
            // text after it.
            None => ids.extend(text(turn)?),
        }
        ids.push(end);
        ids.extend(&after);
    }
    ids.push(start);
    ids.extend(&answer);
    Ok(ids)
}

/// Text between the markers of each turn: `role\ncontent`.
fn turns(template: Template, messages: &[Message]) -> Result<Vec<String>> {
    let (mut prefix, n_system) = match messages.first() {
        Some(first) if first.role == "system" => (system_prefix(template, first)?, 1),
        _ => (String::new(), 0),
    };
    if messages.len() == n_system {
        return invalid(n_system, "there is no user message; a conversation needs one");
    }
    let mut turns = Vec::with_capacity(messages.len());
    for (index, message) in messages.iter().enumerate().skip(n_system) {
        let role = match message.role.as_str() {
            "user" => "user",
            "assistant" | "model" => "model",
            "system" => return invalid(index, "a system message can only be the first one"),
            other => {
                return invalid(
                    index,
                    &format!("the role is \"{other}\", expected user, assistant or system"),
                );
            }
        };
        if (role == "user") != ((index - n_system) % 2 == 0) {
            return invalid(
                index,
                "roles must alternate user/assistant/user/assistant/…, beginning with user",
            );
        }
        let content = message.content.trim_matches(is_space);
        turns.push(format!("{role}\n{}{content}", std::mem::take(&mut prefix)));
    }
    Ok(turns)
}

fn system_prefix(template: Template, message: &Message) -> Result<String> {
    match template {
        Template::WithSystem => Ok(format!("{}\n\n", message.content)),
        Template::WithoutSystem => invalid(
            0,
            "Gemma 1 and 2 have no system role; put its text at the start of the first user message",
        ),
    }
}

fn invalid<T>(index: usize, why: &str) -> Result<T> {
    Err(Error::InvalidMessage { index, why: why.into() })
}

/// Whether Python's `str.strip`, and so the templates, take a character for white space.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}
