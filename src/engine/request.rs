//! Requests: whose turn it is in the KV cache, what a prompt becomes, and what a session remembers of it.

use super::dialogue::Format;
use super::generate::{Begun, Run};
use super::overflow::Script;
use super::prompt::{Prompt, Request, Signals};
use super::result::{Event, FinishReason, Generation};
use super::revive::asleep;
use super::writer::Writer;
use super::{Engine, random_seed};
use crate::error::{Error, Result};

impl Engine {
    /// Continues a prompt. `on_event` hears how the prompt gets on, and each token as it is chosen. Without a session everything is
    /// computed anew unless [`super::GenerateOptions::cache_prompt`] says otherwise, so that a seed repeats a text to the bit. A
    /// session's history changes only where the request succeeds. Where the device is lost the request waits for
    /// [`Engine::resume`], until the next one is made.
    ///
    /// # Errors
    /// [`Error::InvalidOption`], [`Error::InvalidMessage`], [`Error::ContextFull`] where the prompt doesn't fit, [`Error::Aborted`],
    /// faults of the device.
    pub async fn respond(
        &mut self,
        request: &Request,
        signals: &Signals,
        on_event: &mut dyn FnMut(&Event),
    ) -> Result<Generation> {
        self.suspended = None;
        let options = &request.options;
        options.validate()?;
        let (sampling, seed) = (options.sampling(), options.seed.unwrap_or_else(random_seed));
        sampling.validate_ids(self.config().n_vocab)?;
        let mut script = self.script(request)?;
        let sizes = (self.info.context_length, options.max_tokens);
        let fit = script.fit(self.format(), options.overflow, sizes)?;
        let mut writer = Writer::new(&self.tokenizer, fit.ids, options);
        writer.usage.dropped_tokens = fit.n_dropped;
        let begun = Begun { session: request.session, script, sampling, seed, n_slides: 0, writer };
        self.go_on(begun, signals, on_event).await
    }

    /// Goes on with a request that failed with [`Error::DeviceLost`], once there is a device again ([`Engine::revive`]): everything up to
    /// its last token is fed anew, and the tokens that follow are told as if nothing had happened.
    ///
    /// # Errors
    /// As [`Engine::respond`]; [`Error::Internal`] where none waits.
    pub async fn resume(
        &mut self,
        signals: &Signals,
        on_event: &mut dyn FnMut(&Event),
    ) -> Result<Generation> {
        let nothing = || Error::Internal { what: "no request waits for a device".to_owned() };
        let begun = self.suspended.take().ok_or_else(nothing)?;
        self.go_on(begun, signals, on_event).await
    }

    async fn go_on(
        &mut self,
        mut begun: Begun,
        signals: &Signals,
        on_event: &mut dyn FnMut(&Event),
    ) -> Result<Generation> {
        let reason = match self.run(&mut begun, signals, on_event).await {
            Err(lost @ Error::DeviceLost { .. }) => {
                self.suspended = Some(begun);
                return Err(lost);
            }
            ended => ended?,
        };
        let Begun { session, script, seed, writer, .. } = begun;
        let stopped = writer.stopped;
        let generation = writer.finish(reason, seed, on_event);
        if let Some(id) = session {
            self.remember(id, script, &generation, stopped);
        }
        Ok(generation)
    }

    async fn run(
        &mut self,
        begun: &mut Begun,
        signals: &Signals,
        on_event: &mut dyn FnMut(&Event),
    ) -> Result<FinishReason> {
        signals.cancel.check()?;
        match begun.session {
            Some(id) => self.activate(id).await?,
            None => self.deactivate(begun.writer.options.cache_prompt).await?,
        }
        let Some(model) = &self.model else { return Err(asleep()) };
        let format = Format { tokenizer: &self.tokenizer, template: self.template };
        Run { model, active: &mut self.active, format, begun, signals, on_event }.run().await
    }

    pub(super) fn format(&self) -> Format<'_> {
        Format { tokenizer: &self.tokenizer, template: self.template }
    }

    /// What a request continues.
    fn script(&self, request: &Request) -> Result<Script> {
        let Some(id) = request.session else {
            return Ok(match &request.prompt {
                Prompt::Messages(messages) => {
                    self.check_chat()?;
                    Script::Turns { dialogue: super::dialogue::Dialogue::new(messages), first: 0 }
                }
                prompt => self.tokens(self.ids_of(prompt)?),
            });
        };
        let session = self.session(id)?;
        match (&session.dialogue, &request.prompt) {
            (Some(dialogue), Prompt::Say(text)) => {
                let mut dialogue = dialogue.clone();
                dialogue.say(text);
                Ok(Script::Turns { dialogue, first: session.first })
            }
            (None, Prompt::Text(_) | Prompt::Ids(_) | Prompt::Rendered(_)) => {
                Ok(self.tokens(self.ids_of(&request.prompt)?))
            }
            (dialogue, _) => Err(Error::InvalidOption {
                option: "prompt".to_owned(),
                found: "a prompt of another kind".to_owned(),
                expected: match dialogue {
                    Some(_) => "what the user says next: this session keeps the conversation".to_owned(),
                    None => "the whole text: this session's template is the caller's".to_owned(),
                },
            }),
        }
    }

    fn tokens(&self, ids: Vec<u32>) -> Script {
        let n_kept =
            usize::from(self.tokenizer.bos().is_some() && ids.first().copied() == self.tokenizer.bos());
        Script::Ids { ids, n_kept }
    }

    /// Adds to a session's history what was said in it.
    fn remember(&mut self, id: u32, script: Script, generation: &Generation, stopped: bool) {
        let Script::Turns { mut dialogue, first } = script else { return };
        // The text before a stop string is not what its tokens say.
        dialogue.answer(&generation.text, (!stopped).then(|| generation.tokens.clone()));
        if let Some(session) = self.sessions.get_mut(&id) {
            session.dialogue = Some(dialogue);
            session.first = first;
        }
    }
}
