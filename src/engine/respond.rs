//! Response to a request, from the fit into the context to the session's history.

use std::hash::{BuildHasher, Hasher, RandomState};

use web_time::{SystemTime, UNIX_EPOCH};

use super::context_fit::Continuation;
use super::generate::RequestRun;
use super::history::{ChatFormat, History};
use super::options::GenerateOptions;
use super::output::Output;
use super::request::{Prompt, Request, RequestState, Signals};
use super::result::{Event, FinishReason, Generation, Piece};
use super::state::{Engine, no_device};
use crate::cancel::Cancel;
use crate::error::{Error, Result};

impl Engine {
    /// Generates a continuation of `ids` from an empty cache. `on_token` receives each token as it is chosen.
    ///
    /// # Errors
    /// As [`Engine::respond`].
    pub async fn generate(
        &mut self,
        ids: &[u32],
        options: &GenerateOptions,
        cancel: &Cancel,
        on_token: &mut dyn FnMut(&Piece),
    ) -> Result<Generation> {
        let prompt = Prompt::Ids(ids.to_vec());
        let request = Request { prompt, session: None, options: options.clone() };
        let signals = Signals { cancel: cancel.clone(), ..Signals::default() };
        let mut on_event = |event: &Event| {
            if let Event::Token(piece) = event {
                on_token(piece);
            }
        };
        self.respond(&request, &signals, &mut on_event).await
    }

    /// Continues a prompt. `on_event` receives the progress through the prompt, and each token as it is
    /// chosen.
    ///
    /// Without a session, the whole prompt is computed unless [`GenerateOptions::cache_prompt`] is set, so
    /// that a seed repeats a text exactly. A session's history changes only if the request succeeds. If the
    /// device is lost, [`Engine::resume`] can continue the request until another one is made.
    ///
    /// # Errors
    /// [`Error::InvalidOption`], [`Error::InvalidMessage`], [`Error::ContextFull`] if the prompt does not
    /// fit, [`Error::Aborted`], faults of the device.
    pub async fn respond(
        &mut self,
        request: &Request,
        signals: &Signals,
        on_event: &mut dyn FnMut(&Event),
    ) -> Result<Generation> {
        self.suspended = None;
        let options = &request.options;
        options.validate()?;
        options.sampling.validate_ids(self.config().n_vocab)?;
        let seed = options.seed.unwrap_or_else(random_seed);
        let mut continuation = self.continuation(request)?;
        let sizes = (self.info.context_length, options.max_tokens);
        let fit = continuation.fit(self.chat_format(), options.overflow, sizes)?;
        let mut output = Output::new(&self.tokenizer, fit.ids, options);
        output.usage.dropped_tokens = fit.n_dropped;
        let state = RequestState { session: request.session, continuation, seed, n_slides: 0, output };
        self.drive(state, signals, on_event).await
    }

    /// Continues the request that failed with [`Error::DeviceLost`], after [`Engine::reload`]. Feeds
    /// everything up to its last token again, and reports only the tokens that follow.
    ///
    /// # Errors
    /// As [`Engine::respond`]; [`Error::Internal`] if no request waits.
    pub async fn resume(
        &mut self,
        signals: &Signals,
        on_event: &mut dyn FnMut(&Event),
    ) -> Result<Generation> {
        let nothing = || Error::Internal { what: "no request waits for a device".to_owned() };
        let state = self.suspended.take().ok_or_else(nothing)?;
        self.drive(state, signals, on_event).await
    }

    /// Runs a request to its end, or suspends it if the device is lost.
    async fn drive(
        &mut self,
        mut state: RequestState,
        signals: &Signals,
        on_event: &mut dyn FnMut(&Event),
    ) -> Result<Generation> {
        let reason = match self.run(&mut state, signals, on_event).await {
            Err(lost @ Error::DeviceLost { .. }) => {
                self.suspended = Some(state);
                return Err(lost);
            }
            ended => ended?,
        };
        let RequestState { session, continuation, seed, output, .. } = state;
        let stopped = output.stopped;
        let generation = output.finish(reason, seed, on_event);
        if let Some(id) = session {
            self.remember(id, continuation, &generation, stopped);
        }
        Ok(generation)
    }

    async fn run(
        &mut self,
        state: &mut RequestState,
        signals: &Signals,
        on_event: &mut dyn FnMut(&Event),
    ) -> Result<FinishReason> {
        signals.cancel.check()?;
        match state.session {
            Some(id) => self.activate_session(id).await?,
            None => self.deactivate_session(state.output.options.cache_prompt).await?,
        }
        let Some(model) = &self.model else { return Err(no_device()) };
        // Not by `chat_format`, which would borrow all of the engine.
        let format = ChatFormat { tokenizer: &self.tokenizer, template: self.template };
        RequestRun { model, live_kv: &mut self.live_kv, format, state, signals, on_event }.run().await
    }

    /// The text that a request continues, in a form that can be cut.
    fn continuation(&self, request: &Request) -> Result<Continuation> {
        let Some(id) = request.session else {
            return Ok(match &request.prompt {
                Prompt::Messages(messages) => {
                    self.check_chat()?;
                    Continuation::Turns { history: History::new(messages), first: 0 }
                }
                prompt => self.tokens(self.ids_of(prompt)?),
            });
        };
        let session = self.session(id)?;
        match (&session.history, &request.prompt) {
            (Some(history), Prompt::Say(text)) => {
                let mut history = history.clone();
                history.say(text);
                Ok(Continuation::Turns { history, first: session.first })
            }
            (None, Prompt::Text(_) | Prompt::Ids(_) | Prompt::Rendered(_)) => {
                Ok(self.tokens(self.ids_of(&request.prompt)?))
            }
            (history, _) => {
                let expected = match history {
                    Some(_) => "what the user says next: this session keeps the conversation",
                    None => "the whole text: this session's template is the caller's",
                };
                Err(Error::invalid_option("prompt", "a prompt of another kind", expected))
            }
        }
    }

    fn tokens(&self, ids: Vec<u32>) -> Continuation {
        let n_kept =
            usize::from(self.tokenizer.bos().is_some() && ids.first().copied() == self.tokenizer.bos());
        Continuation::Ids { ids, n_kept }
    }

    /// Adds the user's message and the model's answer to a session's history.
    fn remember(&mut self, id: u32, continuation: Continuation, generation: &Generation, stopped: bool) {
        let Continuation::Turns { mut history, first } = continuation else { return };
        // If a stop string ended the text, the tokens decode to more than the text.
        history.answer(&generation.text, (!stopped).then(|| generation.tokens.clone()));
        if let Some(session) = self.sessions.get_mut(&id) {
            session.history = Some(history);
            session.first = first;
        }
    }
}

/// A new seed at each call, below 2^53 so that JS holds it exactly.
fn random_seed() -> u64 {
    // Natively the standard library seeds its hash maps from the system's randomness; in a browser it has
    // none, and the clock tells two texts apart.
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u128(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos()));
    hasher.finish() >> 11
}
