//! Requests: a prompt with its session and options, and the state of one in progress.

use super::context_fit::Continuation;
use super::options::GenerateOptions;
use super::output::Output;
use crate::cancel::Cancel;
use crate::chat::Message;

/// The text that a request continues.
#[derive(Clone, Debug, PartialEq)]
pub enum Prompt {
    /// Text without control tokens. BOS is put before it if the model wants it.
    Text(String),
    /// Token ids, as they are.
    Ids(Vec<u32>),
    /// A conversation, in the model's turn format.
    Messages(Vec<Message>),
    /// The output of a caller's own template, in which control tokens keep their meaning. U+FDD0 is removed:
    /// a caller inserts it after each `<` and `[` in text that people wrote, so that this stays text. BOS is
    /// put before the text if it is missing.
    Rendered(String),
    /// The user's next message in a session.
    Say(String),
}

/// A prompt, the session it belongs to, and options.
#[derive(Clone, Debug)]
pub struct Request {
    /// The prompt.
    pub prompt: Prompt,
    /// The session's number, with [`Prompt::Say`] and [`Prompt::Rendered`].
    pub session: Option<u32>,
    /// Options of the generation.
    pub options: GenerateOptions,
}

/// The two ways to end a request early.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    /// Fails the request with [`crate::Error::Aborted`].
    pub cancel: Cancel,
    /// Ends the text at the next token: [`FinishReason::Cancelled`](super::FinishReason::Cancelled).
    pub stop: Cancel,
}

/// State of a request: everything but the device, which may be lost and replaced while the request is in
/// progress.
#[derive(Debug)]
pub(super) struct RequestState {
    pub(super) session: Option<u32>,
    pub(super) continuation: Continuation,
    pub(super) seed: u64,
    /// Number of times that the full context slid.
    pub(super) n_slides: u64,
    pub(super) output: Output,
}
