//! Texts that don't fit in the context: the tokens dropped, and a continuation like that of the same ids from an empty cache.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use crate::support::chat_model::{greedy, load, options, respond, try_respond};
use crate::support::gpu::{NEED, adapter};
use crate::support::suite::{Test, needing};
use gemma_web::chat::Message;
use gemma_web::engine::{Engine, FinishReason, Overflow, Prompt, Request, SessionOptions, Signals};
use gemma_web::{Cancel, Error};
use pollster::block_on;

const CONTEXT: usize = 64;
const HALF: usize = CONTEXT / 2;

type Run = fn(&mut Engine);

pub(crate) fn tests() -> Vec<Test> {
    let tests: [(&str, Run); 5] = [
        ("error: a full context ends a text, a long prompt is refused", error),
        ("truncate: the oldest tokens go", truncate),
        ("slide: tokens", slide),
        ("slide: an answer longer than the context", slide_answer),
        ("a conversation longer than the context", conversation),
    ];
    let mut list = Vec::new();
    for model in ["tiny-gemma1-q8_0", "tiny-gemma3-q8_0"] {
        for (name, test) in tests {
            list.push(needing(&format!("{model}: {name}"), NEED, adapter(), move |()| {
                test(&mut load(model, &options(CONTEXT, 32)));
            }));
        }
    }
    list
}

fn ids(n: usize) -> Vec<u32> {
    (0..n as u32).map(|i| if i == 0 { 2 } else { 300 + i * 37 % 500 }).collect()
}

fn request(prompt: Prompt, n: usize, overflow: Overflow) -> Request {
    let mut request = greedy(prompt, None, n);
    request.options.overflow = overflow;
    // Random weights tend to repeat one token for ever.
    request.options.sampling.frequency_penalty = 1.0;
    request
}

/// The likeliest token after a text, from an empty cache, with the penalty of [`request`].
fn next(engine: &mut Engine, text: &[u32]) -> u32 {
    let mut row = block_on(engine.logits(text, &Cancel::default())).unwrap();
    text.iter().for_each(|id| row[*id as usize] -= 1.0);
    (0..row.len()).max_by(|a, b| row[*a].total_cmp(&row[*b]).then(b.cmp(a))).unwrap() as u32
}

fn error(engine: &mut Engine) {
    match try_respond(engine, &request(Prompt::Ids(ids(65)), 1, Overflow::Error), &Signals::default()) {
        Err(Error::ContextFull { needs: 65, context: CONTEXT }) => {}
        other => panic!("{other:?}"),
    }
    // A token at position 63, the last, and one more.
    let result = respond(engine, &request(Prompt::Ids(ids(60)), 50, Overflow::Error)).result;
    assert_eq!((result.tokens.len(), result.finish_reason), (5, FinishReason::Length));
    assert_eq!(result.usage.dropped_tokens, 0);
}

fn truncate(engine: &mut Engine) {
    let shortened = |n: usize| [&ids(100)[..1], &ids(100)[100 - n + 1..]].concat();
    for (n_tokens, n_prompt) in [(10, 54), (200, HALF)] {
        let result = respond(engine, &request(Prompt::Ids(ids(100)), n_tokens, Overflow::Truncate)).result;
        assert_eq!((result.usage.prompt_tokens, result.usage.dropped_tokens), (n_prompt, 100 - n_prompt));
        let fresh =
            respond(engine, &request(Prompt::Ids(shortened(n_prompt)), n_tokens, Overflow::Error)).result;
        assert_eq!((&result.tokens, result.finish_reason), (&fresh.tokens, FinishReason::Length));
    }
    let fits = respond(engine, &request(Prompt::Ids(ids(50)), 14, Overflow::Truncate)).result;
    assert_eq!(fits.usage.dropped_tokens, 0);
}

fn slide(engine: &mut Engine) {
    let (mut text, mut expected, mut n_dropped) = (ids(20), Vec::<u32>::new(), 0);
    while expected.len() < 90 {
        if text.len() > CONTEXT {
            n_dropped += text.len() - HALF;
            text.drain(1..text.len() - HALF + 1);
        }
        text.push(next(engine, &text));
        expected.extend(text.last());
    }
    for logprobs in [None, Some(0)] {
        let mut request = request(Prompt::Ids(ids(20)), 90, Overflow::Slide);
        request.options.logprobs = logprobs;
        let heard = respond(engine, &request);
        let result = &heard.result;
        assert_eq!((&result.tokens, result.usage.dropped_tokens), (&expected, n_dropped), "{logprobs:?}");
        assert_eq!((heard.text(), result.finish_reason), (result.text.clone(), FinishReason::Length));
    }
}

/// Of a conversation with one turn nothing is dropped but the beginning of the answer.
fn slide_answer(engine: &mut Engine) {
    let messages = vec![Message { role: "user".to_owned(), content: "Tell me".to_owned() }];
    let prompt = engine.chat_ids(&messages).unwrap();
    let n_kept = (CONTEXT - prompt.len()) / 2;
    let (mut text, mut expected) = (prompt.clone(), Vec::<u32>::new());
    while expected.len() < 80 {
        if text.len() > CONTEXT {
            text.drain(prompt.len()..text.len() - n_kept);
        }
        text.push(next(engine, &text));
        expected.extend(text.last());
    }
    let result = respond(engine, &request(Prompt::Messages(messages), 80, Overflow::Slide)).result;
    assert_eq!(result.tokens, expected);
}

/// The conversation, with the model's turns as they were generated.
struct Talk {
    system: Option<Message>,
    turns: Vec<(String, Vec<u32>)>,
}

impl Talk {
    fn user(&self, engine: &Engine, i: usize, with_system: bool) -> Vec<u32> {
        let user = Message { role: "user".to_owned(), content: self.turns[i].0.clone() };
        let system = self.system.clone().filter(|_| with_system);
        engine.chat_ids(&system.into_iter().chain([user]).collect::<Vec<_>>()).unwrap()
    }

    /// From turn `first` on, which the system text is put before.
    fn ids(&self, engine: &Engine, first: usize) -> Vec<u32> {
        let end = engine.tokenizer().id_of("<end_of_turn>").unwrap();
        let newline = engine.tokenizer().encode("\n", Default::default()).unwrap();
        let mut ids = self.user(engine, first, true);
        for i in first + 1..self.turns.len() {
            ids.extend(&self.turns[i - 1].1);
            ids.push(end);
            ids.extend(&newline);
            ids.extend(&self.user(engine, i, false)[1..]);
        }
        ids
    }
}

/// The oldest turns are dropped one by one, and the continuation is that of the same ids from an empty cache.
fn conversation(engine: &mut Engine) {
    let has_system = engine.config().window.is_some();
    let system = has_system.then(|| Message { role: "system".to_owned(), content: "Be kind".to_owned() });
    let opening = SessionOptions {
        system: system.iter().map(|m| m.content.clone()).next(),
        ..SessionOptions::default()
    };
    let session = engine.open_session(opening).unwrap();
    let (mut talk, mut first, mut n_long) = (Talk { system, turns: Vec::new() }, 0, 0);
    for i in 0..7 {
        let text = format!("question {i}");
        talk.turns.push((text.clone(), Vec::new()));
        let whole = talk.ids(engine, first);
        let history = engine.session_history(session).unwrap();
        let mut say = request(Prompt::Say(text), 6, Overflow::Error);
        say.session = Some(session);
        if whole.len() > CONTEXT {
            let refused = try_respond(engine, &say, &Signals::default());
            assert!(matches!(refused, Err(Error::ContextFull { context: CONTEXT, .. })), "{refused:?}");
            assert_eq!(engine.session_history(session).unwrap(), history, "as it was");
            n_long += 1;
        }
        while talk.ids(engine, first).len() > CONTEXT - 6 {
            first += 1;
        }
        say.options.overflow = if i % 2 == 0 { Overflow::Truncate } else { Overflow::Slide };
        let result = respond(engine, &say).result;
        let kept = talk.ids(engine, first);
        assert_eq!(result.usage.prompt_tokens, kept.len(), "turn {i}, from {first} on");
        assert_eq!(result.usage.dropped_tokens, whole.len() - kept.len());
        talk.turns[i].1 = result.tokens.clone();
        // In a request without the session, which then only has to wait.
        assert_eq!(
            respond(engine, &request(Prompt::Ids(kept), 6, Overflow::Error)).result.tokens,
            result.tokens
        );
    }
    assert!(first > 1 && n_long > 1, "{first} dropped, {n_long} too long");
    let history = engine.session_history(session).unwrap();
    assert_eq!(history.len(), 14 + usize::from(has_system), "nothing of it is forgotten");
}
