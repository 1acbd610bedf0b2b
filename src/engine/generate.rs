//! Generation of one request: feeds the tokens that the KV cache lacks, samples until the text ends, and
//! records the contents of the cache at every step, so that the record is right even if the request fails.

use super::context_fit::Continuation;
use super::history::ChatFormat;
use super::live_kv::LiveKv;
use super::options::Overflow;
use super::output::TokenOutcome;
use super::request::{RequestState, Signals};
use super::result::{Event, FinishReason, Prefill};
use crate::error::{Error, Result};
use crate::kernels::sample::Settings;
use crate::model::gpu::token_ring::MAX_DEPTH;
use crate::model::{Model, gpu};
use crate::sampler::choose;

/// A request in progress on a device.
pub(super) struct RequestRun<'a> {
    pub(super) model: &'a Model,
    pub(super) live_kv: &'a mut LiveKv,
    pub(super) format: ChatFormat<'a>,
    pub(super) state: &'a mut RequestState,
    pub(super) signals: &'a Signals,
    pub(super) on_event: &'a mut dyn FnMut(&Event),
}

/// Result of feeding a prompt.
enum Fed {
    /// The text is fed except for the last chunk, which begins at this index.
    UpTo(usize),
    /// The caller stopped the request.
    Stopped,
}

impl RequestRun<'_> {
    /// Feeds the part of the text that the KV cache lacks, then generates until the text ends.
    ///
    /// # Errors
    /// [`Error::Aborted`], faults of the device.
    pub(super) async fn run(&mut self) -> Result<FinishReason> {
        let outcome = self.generate().await;
        // After a device fault, the contents of the cache are unknown.
        if matches!(&outcome, Err(error) if !matches!(error, Error::Aborted)) {
            self.live_kv.ids.clear();
        }
        outcome
    }

    async fn generate(&mut self) -> Result<FinishReason> {
        loop {
            // Progress is reported before the first token, but not when another device is fed the same text
            // again.
            let is_prompt = self.state.output.tokens.is_empty();
            let reused = self.live_kv.reusable(&self.state.output.ids, self.model);
            let total = self.state.output.ids.len() - reused;
            if is_prompt {
                self.state.output.usage.cached_tokens = reused;
            }
            let fed = self.feed(is_prompt.then_some(total)).await?;
            let Fed::UpTo(at) = fed else { return Ok(FinishReason::Cancelled) };
            let first = is_prompt.then_some(Prefill { done: total, total });
            // Positions repeat after a slide, and with the same seed so would the draws.
            let seed = self.state.seed.wrapping_add(self.state.n_slides << 32);
            let options = &self.state.output.options;
            let settings = options.sampling.settings(seed).filter(|_| options.logprobs.is_none());
            let outcome = match (self.model.gpu(), settings) {
                (Some(gpu), Some(settings)) => self.sample_on_gpu(gpu, &settings, at, first).await,
                _ => self.sample_on_cpu(seed, at, first).await,
            }?;
            match outcome {
                TokenOutcome::Ended(reason) => return Ok(reason),
                _ if self.slide()? => self.state.n_slides += 1,
                _ => return Ok(FinishReason::Length),
            }
        }
    }

    /// Feeds the text except for the tokens in the cache and the last chunk. Reports progress towards
    /// `total`.
    async fn feed(&mut self, total: Option<usize>) -> Result<Fed> {
        let text = &self.state.output.ids;
        let from = self.live_kv.reusable(text, self.model);
        self.live_kv.rewind(from);
        self.model.ready(text.get(from..).unwrap_or_default(), from).await?;
        let mut at = from;
        while let Some(rows) = self.model.next_chunk(text.len() - at) {
            self.signals.cancel.check()?;
            if self.signals.stop.is_cancelled() {
                return Ok(Fed::Stopped);
            }
            let end = at + rows;
            self.live_kv.mark_written(end);
            self.model.feed_chunk(text.get(at..end).unwrap_or_default(), at).await?;
            self.live_kv.set_ids(text, end);
            at = end;
            if let Some(total) = total {
                (self.on_event)(&Event::Prefill(Prefill { done: at - from, total }));
            }
        }
        self.signals.cancel.check()?;
        if self.signals.stop.is_cancelled() {
            return Ok(Fed::Stopped);
        }
        self.live_kv.mark_written(text.len());
        Ok(Fed::UpTo(at))
    }

    /// Samples on the GPU. Several tokens are in flight at once: each step reads, on the GPU, the token that
    /// the step before it chose. Tokens after a stop are dropped; their keys and values lie past the end of
    /// the text, where the next tokens overwrite them.
    async fn sample_on_gpu(
        &mut self,
        gpu: &gpu::model::Model,
        settings: &Settings,
        at: usize,
        first: Option<Prefill>,
    ) -> Result<TokenOutcome> {
        let output = &self.state.output;
        let (start, biases) = (output.ids.len(), &output.options.sampling.logit_bias);
        gpu.begin(&output.ids, at, (settings, biases), &self.signals.cancel).await?;
        self.live_kv.set_ids(&output.ids, start);
        // Text positions whose tokens are still to be queued.
        let (mut next, end) =
            (start + 1, start.saturating_add(self.state.output.n_left()).min(self.model.context() + 1));
        let outcome = self.decode(gpu, &mut next, end, first).await;
        // The step that samples a token has fed the token before it.
        let mut text = self.state.output.ids.clone();
        text.extend(self.state.output.end);
        self.live_kv.set_ids(&text, next - 1);
        outcome
    }

    async fn decode(
        &mut self,
        gpu: &gpu::model::Model,
        next: &mut usize,
        end: usize,
        mut first: Option<Prefill>,
    ) -> Result<TokenOutcome> {
        loop {
            let before = self.live_kv.n_written;
            // If this future is dropped, no position past these was written.
            self.live_kv.mark_written(*next + MAX_DEPTH);
            let id = gpu.next_token(next, end).await?;
            self.live_kv.n_written = before.max(*next - 1);
            self.signals.cancel.check()?;
            first.take().into_iter().for_each(|done| (self.on_event)(&Event::Prefill(done)));
            let context = self.model.context();
            let outcome = self.state.output.take(self.format.tokenizer, id, None, context, self.on_event);
            if outcome != TokenOutcome::More {
                return Ok(outcome);
            }
            if self.signals.stop.is_cancelled() {
                return Ok(TokenOutcome::Ended(FinishReason::Cancelled));
            }
        }
    }

    /// Samples on the CPU, from all logits.
    async fn sample_on_cpu(
        &mut self,
        seed: u64,
        at: usize,
        mut first: Option<Prefill>,
    ) -> Result<TokenOutcome> {
        let context = self.model.context();
        let last = self.state.output.ids.get(at..).unwrap_or_default();
        let mut logits = self.model.forward(last, at, &self.signals.cancel).await?;
        loop {
            let output = &mut self.state.output;
            let position = output.ids.len();
            self.live_kv.set_ids(&output.ids, position);
            first.take().into_iter().for_each(|done| (self.on_event)(&Event::Prefill(done)));
            // Penalties and biases change the logits.
            let raw = output.options.logprobs.map(|_| logits.clone());
            let chosen = choose(&mut logits, &output.options.sampling, &output.ids, seed);
            // Every token is forbidden.
            let id = chosen
                .ok_or_else(|| Error::NumericError { what: "the adjusted logits".to_owned(), position })?;
            let outcome = output.take(self.format.tokenizer, id, raw.as_deref(), context, self.on_event);
            if outcome != TokenOutcome::More {
                return Ok(outcome);
            }
            if self.signals.stop.is_cancelled() {
                return Ok(TokenOutcome::Ended(FinishReason::Cancelled));
            }
            self.live_kv.mark_written(position + 1);
            logits = self.model.forward(&[id], position, &self.signals.cancel).await?;
        }
    }

    /// Drops the oldest part of a full context, if the options ask for it and something can be dropped.
    fn slide(&mut self) -> Result<bool> {
        let RequestState { continuation, output, .. } = &mut *self.state;
        if output.options.overflow != Overflow::Slide {
            return Ok(false);
        }
        let generated = match continuation {
            // The text to cut includes the tokens generated before the last slide.
            Continuation::Ids { ids, .. } => output.ids.get(ids.len()..).unwrap_or_default(),
            Continuation::Turns { .. } => &output.tokens,
        };
        let slid = continuation.slide(self.format, generated, self.model.context())?;
        let Some(ids) = slid else { return Ok(false) };
        output.usage.dropped_tokens += output.ids.len().saturating_sub(ids.len());
        output.ids = ids;
        Ok(true)
    }
}
