//! Fit of a text into the context: drops the oldest part of a text that is too long, either whole turns of a
//! conversation or single tokens.

use super::history::{ChatFormat, History};
use super::options::Overflow;
use crate::error::{Error, Result};

/// The text that a request continues, in a form that can be cut.
#[derive(Clone, Debug)]
pub(super) enum Continuation {
    /// Tokens.
    Ids {
        /// All tokens.
        ids: Vec<u32>,
        /// Tokens at the beginning that stay: 1 if the first is BOS.
        n_kept: usize,
    },
    /// Turns of a conversation.
    Turns {
        /// All turns.
        history: History,
        /// The first turn that is still in the context, a user's.
        first: usize,
    },
}

/// A text that fits, and the number of tokens dropped for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fit {
    pub(super) ids: Vec<u32>,
    pub(super) n_dropped: usize,
}

impl Continuation {
    /// The ids of a prompt. If `overflow` allows dropping the oldest part, the ids leave room for
    /// `max_tokens`, at most half the context.
    ///
    /// # Errors
    /// [`Error::ContextFull`] if the prompt does not fit; those of [`History::ids`].
    pub(super) fn fit(
        &mut self,
        format: ChatFormat<'_>,
        overflow: Overflow,
        (context, max_tokens): (usize, usize),
    ) -> Result<Fit> {
        let ids = self.ids(format)?;
        let most = context - max_tokens.min(context / 2);
        if overflow == Overflow::Error || ids.len() <= most {
            return within(Fit { ids, n_dropped: 0 }, context);
        }
        within(self.shorten(format, most)?, context)
    }

    /// Prompt and generated tokens after a slide: the full context, cut down to half of it. `None` if nothing
    /// more can be dropped.
    ///
    /// # Errors
    /// Those of [`History::ids`].
    pub(super) fn slide(
        &mut self,
        format: ChatFormat<'_>,
        generated: &[u32],
        context: usize,
    ) -> Result<Option<Vec<u32>>> {
        let half = context / 2;
        if let Self::Ids { ids, .. } = self {
            ids.extend(generated);
            return Ok(Some(self.shorten(format, half)?.ids).filter(|ids| ids.len() < context));
        }
        let mut ids = self.shorten(format, half.saturating_sub(generated.len()))?.ids;
        let fits = ids.len() + generated.len() <= half;
        // If the last turn or the answer is long, the first generated tokens are dropped too.
        let room = context.saturating_sub(ids.len());
        let n_kept = if fits { generated.len() } else { generated.len().min(room / 2) };
        ids.extend(generated.iter().skip(generated.len() - n_kept));
        Ok(Some(ids).filter(|ids| ids.len() < context))
    }

    fn ids(&self, format: ChatFormat<'_>) -> Result<Vec<u32>> {
        match self {
            Self::Ids { ids, .. } => Ok(ids.clone()),
            Self::Turns { history, first } => history.ids(format, *first),
        }
    }

    /// Drops the oldest part, down to `most` tokens if possible.
    fn shorten(&mut self, format: ChatFormat<'_>, most: usize) -> Result<Fit> {
        match self {
            Self::Ids { ids, n_kept } => {
                let n_last = most.saturating_sub(*n_kept).max(1);
                let n_dropped = ids.len().saturating_sub(*n_kept + n_last);
                ids.drain(*n_kept..*n_kept + n_dropped);
                Ok(Fit { ids: ids.clone(), n_dropped })
            }
            Self::Turns { history, first } => {
                let n_before = history.ids(format, *first)?.len();
                // A user's turn and the model's answer are dropped together.
                let (mut low, mut high) = (*first / 2, history.last() / 2);
                while low < high {
                    let middle = low.midpoint(high);
                    if history.ids(format, 2 * middle)?.len() <= most {
                        high = middle;
                    } else {
                        low = middle + 1;
                    }
                }
                *first = 2 * low;
                let ids = history.ids(format, *first)?;
                let n_dropped = n_before.saturating_sub(ids.len());
                Ok(Fit { ids, n_dropped })
            }
        }
    }
}

/// # Errors
/// [`Error::ContextFull`].
fn within(fit: Fit, context: usize) -> Result<Fit> {
    match fit.ids.len() {
        needs if needs > context => Err(Error::ContextFull { needs, context }),
        _ => Ok(fit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Template;
    use crate::gguf::Parsed;
    use crate::tokenizer::Tokenizer;

    fn tokenizer() -> Tokenizer {
        let model = include_bytes!("../../tests/data/tiny/tiny-gemma3-q4_0.gguf");
        match crate::gguf::parse(model, None).unwrap() {
            Parsed::Done(header) => Tokenizer::from_gguf(&header.metadata).unwrap(),
            Parsed::NeedMore { .. } => panic!("a header that is cut off"),
        }
    }

    fn history(n_turns: usize) -> History {
        let mut history = History { system: Some("Be kind.".to_owned()), ..History::default() };
        for i in 0..n_turns {
            history.say(&format!("question number {i}"));
            if i + 1 < n_turns {
                history.answer("an answer", Some(vec![300; 10]));
            }
        }
        history
    }

    #[test]
    fn tokens_are_dropped_behind_the_first() {
        let tokenizer = tokenizer();
        let format = ChatFormat { tokenizer: &tokenizer, template: Template::WithSystem };
        let ids: Vec<u32> = (2..22).collect();
        let continuation = || Continuation::Ids { ids: ids.clone(), n_kept: 1 };
        let fit = continuation().fit(format, Overflow::Truncate, (16, 4)).unwrap();
        assert_eq!((fit.ids[0], fit.ids[1], fit.ids.len(), fit.n_dropped), (2, 11, 12, 8));
        assert_eq!(fit.ids.last(), Some(&21));
        let fit = continuation().fit(format, Overflow::Slide, (16, 400)).unwrap();
        assert_eq!((fit.ids.len(), fit.n_dropped), (8, 12), "half the context stays free");
        let refused = continuation().fit(format, Overflow::Error, (16, 4));
        assert!(matches!(refused, Err(Error::ContextFull { needs: 20, context: 16 })), "{refused:?}");
        let fit = continuation().fit(format, Overflow::Truncate, (24, 4)).unwrap();
        assert_eq!(fit.n_dropped, 0, "it fits");
    }

    #[test]
    fn whole_turns_are_dropped_and_the_system_text_stays() {
        let tokenizer = tokenizer();
        let format = ChatFormat { tokenizer: &tokenizer, template: Template::WithSystem };
        let history = history(6);
        let whole = history.ids(format, 0).unwrap().len();
        for most in 20..whole + 10 {
            let mut continuation = Continuation::Turns { history: history.clone(), first: 0 };
            let Ok(fit) = continuation.fit(format, Overflow::Truncate, (most + 8, 8)) else {
                assert!(most + 8 < history.ids(format, 10).unwrap().len(), "{most}");
                continue;
            };
            let Continuation::Turns { first, .. } = continuation else { panic!("no turns") };
            assert_eq!(fit.ids, history.ids(format, first).unwrap(), "{most}");
            assert_eq!(fit.n_dropped, whole - fit.ids.len(), "{most}");
            assert!(fit.ids.len() <= most || first == 10, "{most}: {}", fit.ids.len());
            // No more than necessary is dropped.
            assert!(first == 0 || history.ids(format, first - 2).unwrap().len() > most, "{most}");
            let text = tokenizer.decode(&fit.ids);
            assert!(
                text.starts_with("user\nBe kind.\n\nquestion") && text.ends_with("number 5\nmodel\n"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_full_context_slides_to_half() {
        let tokenizer = tokenizer();
        let format = ChatFormat { tokenizer: &tokenizer, template: Template::WithSystem };
        let history = history(4);
        let n_prompt = history.ids(format, 0).unwrap().len();
        let last = history.ids(format, 6).unwrap();
        let generated: Vec<u32> = (300..340).collect();
        let slide = |context: usize| {
            let mut continuation = Continuation::Turns { history: history.clone(), first: 0 };
            continuation.slide(format, &generated, context).unwrap()
        };
        let fit = slide(n_prompt + 40).unwrap_or_default();
        assert!(fit.len() <= (n_prompt + 40) / 2 && fit.ends_with(&generated), "{}", fit.len());
        // The last turn and the answer fill more than half: the first generated tokens are dropped.
        let context = last.len() + 40;
        let fit = slide(context).unwrap_or_default();
        assert!(fit.starts_with(&last) && fit.ends_with(&generated[20..]), "{fit:?}");
        assert_eq!(fit.len(), last.len() + 20);
        assert_eq!(slide(last.len()), None, "no room at all");
    }
}
