//! One request from its ids to its text: feeds what the KV cache doesn't hold, chooses tokens until the text ends, and keeps the
//! books on the cache, so that whatever happens on the way the next request knows what is there.

use super::active::Active;
use super::dialogue::Format;
use super::options::Overflow;
use super::overflow::Script;
use super::prompt::Signals;
use super::result::{Event, FinishReason, Prefill};
use super::writer::{Taken, Writer};
use crate::error::{Error, Result};
use crate::kernels::sample::Settings;
use crate::model::Model;
use crate::model::gpu::token_ring::MAX_DEPTH;
use crate::sampler::{Sampling, choose};

/// A request that was begun: everything but the device that carries it out, which may be lost and another one take its place.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) session: Option<u32>,
    pub(super) script: Script,
    pub(super) sampling: Sampling,
    pub(super) seed: u64,
    /// How often the context was full and went on.
    pub(super) n_slides: u64,
    pub(super) writer: Writer,
}

/// A request under way on a device.
pub(super) struct Run<'a> {
    pub(super) model: &'a Model,
    pub(super) active: &'a mut Active,
    pub(super) format: Format<'a>,
    pub(super) begun: &'a mut Begun,
    pub(super) signals: &'a Signals,
    pub(super) on_event: &'a mut dyn FnMut(&Event),
}

/// How far a prompt was fed.
enum Fed {
    /// All but the last chunk, which begins here.
    To(usize),
    /// The caller wants no more.
    Stopped,
}

impl Run<'_> {
    /// Generates until the text ends, from where it is: what the KV cache lacks of it is fed first.
    ///
    /// # Errors
    /// [`Error::Aborted`], faults of the device.
    pub(super) async fn run(&mut self) -> Result<FinishReason> {
        let outcome = self.generate().await;
        // After a fault of the device nothing is known of the cache.
        if matches!(&outcome, Err(error) if !matches!(error, Error::Aborted)) {
            self.active.ids.clear();
        }
        outcome
    }

    async fn generate(&mut self) -> Result<FinishReason> {
        loop {
            // A prompt is told of until its first token has come, and not again where it is fed to another device.
            let is_prompt = self.begun.writer.tokens.is_empty();
            let reused = self.active.reusable(&self.begun.writer.ids, self.model);
            let total = self.begun.writer.ids.len() - reused;
            if is_prompt {
                self.begun.writer.usage.cached_tokens = reused;
            }
            let fed = self.feed(is_prompt.then_some(total)).await?;
            let Fed::To(at) = fed else { return Ok(FinishReason::Cancelled) };
            let first = is_prompt.then_some(Prefill { done: total, total });
            // Positions come again after a slide, and so would the draws.
            let seed = self.begun.seed.wrapping_add(self.begun.n_slides << 32);
            let chosen_here = self.begun.writer.options.logprobs.is_some();
            let settings = self.begun.sampling.on_gpu(seed).filter(|_| !chosen_here);
            let taken = match settings {
                Some(settings) => self.chosen_by_gpu(&settings, at, first).await,
                None => self.chosen_by_cpu(seed, at, first).await,
            }?;
            match taken {
                Taken::Ended(reason) => return Ok(reason),
                _ if self.slide()? => self.begun.n_slides += 1,
                _ => return Ok(FinishReason::Length),
            }
        }
    }

    /// Feeds all of the text but its last chunk and what the cache holds. Reports progress towards `total`.
    async fn feed(&mut self, total: Option<usize>) -> Result<Fed> {
        let text = &self.begun.writer.ids;
        let from = self.active.reusable(text, self.model);
        self.active.rewind(from);
        self.model.ready(text.get(from..).unwrap_or_default(), from).await?;
        let mut at = from;
        while let Some(rows) = self.model.next_chunk(text.len() - at) {
            self.signals.cancel.check()?;
            if self.signals.stop.is_cancelled() {
                return Ok(Fed::Stopped);
            }
            let end = at + rows;
            self.active.writing(end);
            self.model.feed_chunk(text.get(at..end).unwrap_or_default(), at).await?;
            self.active.holds(text, end);
            at = end;
            if let Some(total) = total {
                (self.on_event)(&Event::Prefill(Prefill { done: at - from, total }));
            }
        }
        self.signals.cancel.check()?;
        if self.signals.stop.is_cancelled() {
            return Ok(Fed::Stopped);
        }
        self.active.writing(text.len());
        Ok(Fed::To(at))
    }

    /// Several tokens are under way at once, each step reading on the GPU what the one before it chose. Those past a stop are dropped:
    /// what they left in the KV cache lies behind the text, where the next tokens overwrite it.
    async fn chosen_by_gpu(
        &mut self,
        settings: &Settings,
        at: usize,
        first: Option<Prefill>,
    ) -> Result<Taken> {
        let start = self.begun.writer.ids.len();
        self.model.begin(&self.begun.writer.ids, at, settings, &self.signals.cancel).await?;
        self.active.holds(&self.begun.writer.ids, start);
        // Text positions whose tokens are to be chosen.
        let (mut next, end) =
            (start + 1, start.saturating_add(self.begun.writer.n_left()).min(self.model.context() + 1));
        let taken = self.decode(&mut next, end, first).await;
        // A choice under way for a position has fed the token before it.
        let mut text = self.begun.writer.ids.clone();
        text.extend(self.begun.writer.end);
        self.active.holds(&text, next - 1);
        taken
    }

    async fn decode(&mut self, next: &mut usize, end: usize, mut first: Option<Prefill>) -> Result<Taken> {
        loop {
            let before = self.active.n_written;
            // Should this never come back, as many as can be may have been written.
            self.active.writing(*next + MAX_DEPTH);
            let id = self.model.next_token(next, end).await?;
            self.active.n_written = before.max(*next - 1);
            self.signals.cancel.check()?;
            first.take().into_iter().for_each(|done| (self.on_event)(&Event::Prefill(done)));
            let context = self.model.context();
            let taken = self.begun.writer.take(self.format.tokenizer, id, None, context, self.on_event);
            if taken != Taken::More {
                return Ok(taken);
            }
            if self.signals.stop.is_cancelled() {
                return Ok(Taken::Ended(FinishReason::Cancelled));
            }
        }
    }

    /// Logits are read back whole and a token is chosen from all of them.
    async fn chosen_by_cpu(&mut self, seed: u64, at: usize, mut first: Option<Prefill>) -> Result<Taken> {
        let context = self.model.context();
        let last = self.begun.writer.ids.get(at..).unwrap_or_default();
        let mut logits = self.model.forward(last, at, &self.signals.cancel).await?;
        loop {
            let writer = &mut self.begun.writer;
            let position = writer.ids.len();
            self.active.holds(&writer.ids, position);
            first.take().into_iter().for_each(|done| (self.on_event)(&Event::Prefill(done)));
            // Penalties and biases change them.
            let raw = writer.options.logprobs.map(|_| logits.clone());
            let chosen = choose(&mut logits, &self.begun.sampling, &writer.ids, seed);
            // Every token forbidden.
            let id = chosen
                .ok_or_else(|| Error::NumericError { what: "the adjusted logits".to_owned(), position })?;
            let taken = writer.take(self.format.tokenizer, id, raw.as_deref(), context, self.on_event);
            if taken != Taken::More {
                return Ok(taken);
            }
            if self.signals.stop.is_cancelled() {
                return Ok(Taken::Ended(FinishReason::Cancelled));
            }
            self.active.writing(position + 1);
            logits = self.model.forward(&[id], position, &self.signals.cancel).await?;
        }
    }

    /// Drops the oldest of a full context, where that is wanted and possible.
    fn slide(&mut self) -> Result<bool> {
        let Begun { script, writer, .. } = &mut *self.begun;
        if writer.options.overflow != Overflow::Slide {
            return Ok(false);
        }
        let generated = match script {
            // What was generated before the last slide is part of the text that is cut.
            Script::Ids { ids, .. } => writer.ids.get(ids.len()..).unwrap_or_default(),
            Script::Turns { .. } => &writer.tokens,
        };
        let slid = script.slide(self.format, generated, self.model.context())?;
        let Some(ids) = slid else { return Ok(false) };
        writer.usage.dropped_tokens += writer.ids.len().saturating_sub(ids.len());
        writer.ids = ids;
        Ok(true)
    }
}
