//! A text being generated: its tokens, its pieces, when it ends, and how long things took.

use web_time::Instant;

use super::logprobs::logprob;
use super::options::GenerateOptions;
use super::result::{Event, FinishReason, Generation, Piece, Timings, TokenLogprob, Usage};
use super::stops::Stops;
use crate::tokenizer::{Detokenizer, Tokenizer};

/// What becomes of a text with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It goes on.
    More,
    /// It ends with the token, or before it.
    Ended(FinishReason),
    /// It ends unless something is dropped: the token has no position any more.
    Full,
}

/// What has been generated so far. It holds nothing of the GPU, so that it outlives a device that is lost.
#[derive(Debug)]
pub(super) struct Writer {
    /// Prompt and generated tokens, as they follow each other in the context.
    pub(super) ids: Vec<u32>,
    /// All generated tokens.
    pub(super) tokens: Vec<u32>,
    /// The token that ended the text, which is no part of it.
    pub(super) end: Option<u32>,
    /// Whether a stop string did.
    pub(super) stopped: bool,
    pub(super) options: GenerateOptions,
    pub(super) usage: Usage,
    detokenizer: Detokenizer,
    stops: Stops,
    text: String,
    logprobs: Vec<TokenLogprob>,
    started: Instant,
    prompt_ms: f64,
    first_token: Option<Instant>,
}

impl Writer {
    pub(super) fn new(tokenizer: &Tokenizer, ids: Vec<u32>, options: &GenerateOptions) -> Self {
        let usage =
            Usage { prompt_tokens: ids.len(), completion_tokens: 0, cached_tokens: 0, dropped_tokens: 0 };
        Self {
            ids,
            tokens: Vec::new(),
            end: None,
            stopped: false,
            options: options.clone(),
            usage,
            detokenizer: tokenizer.stream(),
            stops: Stops::new(&options.stop),
            text: String::new(),
            logprobs: Vec::new(),
            started: Instant::now(),
            prompt_ms: 0.0,
            first_token: None,
        }
    }

    /// Tokens that may still be generated.
    pub(super) fn n_left(&self) -> usize {
        self.options.max_tokens.saturating_sub(self.tokens.len())
    }

    /// Takes a chosen token, with the logits it was chosen from where they are at hand.
    pub(super) fn take(
        &mut self,
        tokenizer: &Tokenizer,
        id: u32,
        logits: Option<&[f32]>,
        context: usize,
        on_event: &mut dyn FnMut(&Event),
    ) -> Taken {
        let now = Instant::now();
        self.first_token.get_or_insert_with(|| {
            // The prompt is known to be done when its token comes.
            self.prompt_ms = super::ms(self.started);
            now
        });
        if !self.options.ignore_end && tokenizer.end_tokens().contains(&id) {
            self.end = Some(id);
            return Taken::Ended(FinishReason::Stop);
        }
        let position = self.ids.len();
        self.ids.push(id);
        self.tokens.push(id);
        let (text, stopped) = self.stops.push(&self.detokenizer.push(id));
        self.stopped = stopped;
        self.text.push_str(&text);
        let likely = self.options.logprobs.zip(logits).map(|(n, row)| logprob(tokenizer, row, id, n));
        let (logprob, top) = match &likely {
            Some(found) => (Some(found.chosen.logprob), Some(found.top.clone())),
            None => (None, None),
        };
        self.logprobs.extend(likely);
        on_event(&Event::Token(Piece { id, text, logprob, top }));
        if stopped {
            Taken::Ended(FinishReason::Stop)
        } else if self.n_left() == 0 {
            Taken::Ended(FinishReason::Length)
        } else if position >= context {
            Taken::Full
        } else {
            Taken::More
        }
    }

    pub(super) fn finish(
        mut self,
        finish_reason: FinishReason,
        seed: u64,
        on_event: &mut dyn FnMut(&Event),
    ) -> Generation {
        if !self.stopped {
            let (mut text, stopped) = self.stops.push(&self.detokenizer.finish());
            if !stopped {
                text.push_str(&self.stops.finish());
            }
            self.text.push_str(&text);
            if !text.is_empty() {
                on_event(&Event::Rest { text });
            }
        }
        let usage = Usage { completion_tokens: self.tokens.len(), ..self.usage };
        let first_token = self.first_token.unwrap_or(self.started);
        let timings = Timings::of(self.started, first_token, self.prompt_ms, usage);
        let logprobs = self.options.logprobs.map(|_| self.logprobs);
        Generation { text: self.text, tokens: self.tokens, finish_reason, usage, timings, seed, logprobs }
    }
}
