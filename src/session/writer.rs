//! A text being generated: its tokens, its pieces, when it ends, and how long things took.

use web_time::Instant;

use super::Engine;
use super::options::GenerateOptions;
use super::result::{FinishReason, Generation, Piece, Timings, Usage};
use crate::tokenizer::{Detokenizer, Tokenizer};

/// What has been generated so far.
pub(super) struct Writer<'a> {
    /// Prompt and generated tokens.
    pub(super) ids: Vec<u32>,
    pub(super) options: &'a GenerateOptions,
    tokenizer: &'a Tokenizer,
    detokenizer: Detokenizer,
    n_prompt: usize,
    text: String,
    started: Instant,
    prompt_ms: f64,
    first_token: Option<Instant>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(engine: &'a Engine, ids: &[u32], options: &'a GenerateOptions) -> Self {
        Self {
            ids: ids.to_vec(),
            options,
            tokenizer: &engine.tokenizer,
            detokenizer: engine.tokenizer.stream(),
            n_prompt: ids.len(),
            text: String::new(),
            started: Instant::now(),
            prompt_ms: 0.0,
            first_token: None,
        }
    }

    /// Takes a chosen token; a reason where the text ends with it or before it.
    pub(super) fn take(
        &mut self,
        id: u32,
        context: usize,
        on_token: &mut dyn FnMut(&Piece),
    ) -> Option<FinishReason> {
        let now = Instant::now();
        self.first_token.get_or_insert_with(|| {
            // The prompt is known to be done when its token comes.
            self.prompt_ms = super::ms(self.started);
            now
        });
        if !self.options.ignore_end && self.tokenizer.end_tokens().contains(&id) {
            return Some(FinishReason::Stop);
        }
        let position = self.ids.len();
        let piece = Piece { id, text: self.detokenizer.push(id), logprob: None, top: None };
        self.ids.push(id);
        self.text.push_str(&piece.text);
        on_token(&piece);
        let n_generated = self.ids.len() - self.n_prompt;
        (n_generated == self.options.max_tokens || position >= context).then_some(FinishReason::Length)
    }

    pub(super) fn finish(mut self, finish_reason: FinishReason, seed: u64) -> Generation {
        self.text.push_str(&self.detokenizer.finish());
        let tokens = self.ids.split_off(self.n_prompt);
        let usage = Usage {
            prompt_tokens: self.n_prompt,
            completion_tokens: tokens.len(),
            cached_tokens: 0,
            dropped_tokens: 0,
        };
        let first_token = self.first_token.unwrap_or(self.started);
        let timings = Timings::of(self.started, first_token, self.prompt_ms, usage);
        Generation { text: self.text, tokens, finish_reason, usage, timings, seed, logprobs: None }
    }
}
