//! Requests: whose turn it is in the KV cache, what a prompt becomes, and what a session remembers of it.

use super::dialogue::Format;
use super::generate::Run;
use super::overflow::Script;
use super::prompt::{Prompt, Request, Signals};
use super::result::{Event, Generation};
use super::writer::Writer;
use super::{Engine, random_seed};
use crate::error::{Error, Result};

impl Engine {
    /// Continues a prompt. `on_event` hears how the prompt gets on, and each token as it is chosen. Without a session everything is
    /// computed anew unless [`super::GenerateOptions::cache_prompt`] says otherwise, so that a seed repeats a text to the bit. A
    /// session's history changes only where the request succeeds.
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
        let options = &request.options;
        options.validate()?;
        let (sampling, seed) = (options.sampling(), options.seed.unwrap_or_else(random_seed));
        sampling.validate_ids(self.model.config().n_vocab)?;
        let mut script = self.script(request)?;
        let sizes = (self.model.context(), options.max_tokens);
        let fit = script.fit(self.format(), options.overflow, sizes)?;
        signals.cancel.check()?;
        match request.session {
            Some(id) => self.activate(id).await?,
            None => self.deactivate(options.cache_prompt).await?,
        }
        let mut writer = Writer::new(&self.tokenizer, fit.ids, options);
        writer.usage.dropped_tokens = fit.n_dropped;
        let format = Format { tokenizer: &self.tokenizer, template: self.template };
        let mut run = Run {
            model: &self.model,
            active: &mut self.active,
            format,
            script: &mut script,
            sampling: &sampling,
            seed,
            signals,
            writer,
            on_event,
        };
        let reason = run.run().await?;
        let Run { writer, on_event, .. } = run;
        let stopped = writer.stopped;
        let generation = writer.finish(reason, seed, on_event);
        if let Some(id) = request.session {
            self.remember(id, script, &generation, stopped);
        }
        Ok(generation)
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
