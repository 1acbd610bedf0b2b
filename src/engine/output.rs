//! Output of a request: its tokens, the pieces of its text, its end, and its timings.

use web_time::Instant;

use super::options::GenerateOptions;
use super::result::{
    Event, FinishReason, Generation, Piece, Timings, TokenLogprob, Usage, ms, token_logprob,
};
use super::stops::Stops;
use crate::tokenizer::{Detokenizer, Tokenizer};

/// Effect of a token on the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenOutcome {
    /// The text continues.
    More,
    /// The text ends with the token, or before it.
    Ended(FinishReason),
    /// The context is full: the text ends unless its oldest part is dropped.
    Full,
}

/// The text generated so far. It holds no GPU resources, so it outlives a lost device.
#[derive(Debug)]
pub(super) struct Output {
    /// Tokens of the context: the prompt's, then the generated ones.
    pub(super) ids: Vec<u32>,
    /// All generated tokens.
    pub(super) tokens: Vec<u32>,
    /// The end token, which is not part of the text.
    pub(super) end: Option<u32>,
    /// Whether a stop string ended the text.
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

impl Output {
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

    /// Adds a chosen token, with the logits it was chosen from if they were read back.
    pub(super) fn take(
        &mut self,
        tokenizer: &Tokenizer,
        id: u32,
        logits: Option<&[f32]>,
        context: usize,
        on_event: &mut dyn FnMut(&Event),
    ) -> TokenOutcome {
        let now = Instant::now();
        self.first_token.get_or_insert_with(|| {
            // The prompt is done when the first token arrives.
            self.prompt_ms = ms(self.started);
            now
        });
        if !self.options.ignore_end && tokenizer.end_tokens().contains(&id) {
            self.end = Some(id);
            return TokenOutcome::Ended(FinishReason::Stop);
        }
        let position = self.ids.len();
        self.ids.push(id);
        self.tokens.push(id);
        let (text, stopped) = self.stops.push(&self.detokenizer.push(id));
        self.stopped = stopped;
        self.text.push_str(&text);
        let likely = self.options.logprobs.zip(logits).map(|(n, row)| token_logprob(tokenizer, row, id, n));
        let (logprob, top) = match &likely {
            Some(found) => (Some(found.chosen.logprob), Some(found.top.clone())),
            None => (None, None),
        };
        self.logprobs.extend(likely);
        on_event(&Event::Token(Piece { id, text, logprob, top }));
        if stopped {
            TokenOutcome::Ended(FinishReason::Stop)
        } else if self.n_left() == 0 {
            TokenOutcome::Ended(FinishReason::Length)
        } else if position >= context {
            TokenOutcome::Full
        } else {
            TokenOutcome::More
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
