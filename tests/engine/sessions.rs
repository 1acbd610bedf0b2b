//! Sessions of the engine: however they take turns, each gives the text that it gives alone, and nothing is computed twice.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]
#![allow(clippy::print_stderr, reason = "what a random test did belongs to the result")]

use crate::support::chat_model::{greedy, load, options, respond, try_respond};
use crate::support::goldens::data;
use crate::support::gpu::{NEED, adapter};
use crate::support::suite::{Test, needing};
use gemma_web::chat::Message;
use gemma_web::engine::{Engine, Prompt, Request, SessionOptions, Signals};
use gemma_web::{Cancel, Error};
use pollster::block_on;

/// Without windows, with every other layer local, with most of them local.
const MODELS: [&str; 3] = ["tiny-gemma1-q8_0", "tiny-gemma2-q4_0", "tiny-gemma3-q8_0"];

type Run = fn(&str);

pub(crate) fn tests() -> Vec<Test> {
    let tests: [(&str, Run); 6] = [
        ("only what is new is computed", only_what_is_new),
        ("conversations that take turns", taking_turns),
        ("a clone goes its own way", clones),
        ("going back in the text", going_back),
        ("anything in any order", anything),
        ("what is freed", memory),
    ];
    let mut list = Vec::new();
    for model in MODELS {
        for (name, test) in tests {
            list.push(needing(&format!("{model}: {name}"), NEED, adapter(), move |()| test(model)));
        }
    }
    list.push(needing("what is refused", NEED, adapter(), |()| refused()));
    list
}

/// Rings of 24 slots, which come round soon.
fn engine(model: &str) -> Engine {
    load(model, &options(512, 8))
}

fn open(engine: &mut Engine) -> u32 {
    engine.open_session(SessionOptions::default()).unwrap()
}

fn say(text: &str, session: u32, n: usize) -> Request {
    greedy(Prompt::Say(text.to_owned()), Some(session), n)
}

/// The ids of a conversation, kept outside of the engine: model turns as they were generated.
#[derive(Clone, Default)]
struct Kept(Vec<u32>);

impl Kept {
    fn user(&mut self, engine: &Engine, text: &str) {
        let turn = engine.chat_ids(&[Message { role: "user".to_owned(), content: text.to_owned() }]).unwrap();
        self.0.extend(if self.0.is_empty() { &turn[..] } else { &turn[1..] });
    }

    fn model(&mut self, engine: &Engine, tokens: &[u32]) {
        self.0.extend(tokens);
        self.0.push(engine.tokenizer().id_of("<end_of_turn>").unwrap());
        self.0.extend(engine.tokenizer().encode("\n", Default::default()).unwrap());
    }
}

fn only_what_is_new(model: &str) {
    let (mut engine, mut alone, mut kept) = (engine(model), engine(model), Kept::default());
    let session = open(&mut engine);
    let mut n_before = 0;
    for text in ["Alice was beginning", "to get very tired of sitting", "by her sister"] {
        kept.user(&engine, text);
        let result = respond(&mut engine, &say(text, session, 12)).result;
        assert_eq!(result.usage.prompt_tokens, kept.0.len());
        assert_eq!(result.usage.cached_tokens, n_before, "all that was there");
        // The last token was never fed.
        n_before = kept.0.len() + 11;
        assert_eq!(
            result.tokens,
            respond(&mut alone, &greedy(Prompt::Ids(kept.0.clone()), None, 12)).result.tokens
        );
        kept.model(&engine, &result.tokens);
    }
    let history = engine.session_history(session).unwrap();
    let roles: Vec<&str> = history.iter().map(|message| message.role.as_str()).collect();
    assert_eq!(roles, ["user", "assistant", "user", "assistant", "user", "assistant"]);
    assert_eq!(history[2].content, "to get very tired of sitting");
}

/// Tokens of three turns, whose texts contain `number`.
fn three_turns(engine: &mut Engine, number: usize, mut between: impl FnMut(&mut Engine)) -> Vec<Vec<u32>> {
    let session = open(engine);
    let turn = |i| {
        let mut request = say(&format!("conversation {number}, turn {i}, and some words more"), session, 10);
        (request.options.sampling.temperature, request.options.seed) = (1.5, Some(number as u64));
        request
    };
    let turns = (0..3).map(|i| {
        between(engine);
        respond(engine, &turn(i)).result.tokens
    });
    turns.collect()
}

fn taking_turns(model: &str) {
    let mut engine = engine(model);
    let alone: Vec<_> = (0..3).map(|number| three_turns(&mut engine, number, |_| ())).collect();
    let sessions: Vec<u32> = (0..3).map(|_| open(&mut engine)).collect();
    let mut together = vec![Vec::new(); 3];
    for i in 0..3 {
        for (number, session) in sessions.iter().enumerate() {
            let mut request =
                say(&format!("conversation {number}, turn {i}, and some words more"), *session, 10);
            (request.options.sampling.temperature, request.options.seed) = (1.5, Some(number as u64));
            let result = respond(&mut engine, &request).result;
            assert_eq!(result.usage.cached_tokens > 0, i > 0, "{:?}", result.usage);
            together[number].push(result.tokens);
        }
    }
    assert_eq!(together, alone);
    // Requests without a session, and whatever else needs the cache, in between.
    let with_others = three_turns(&mut engine, 1, |engine| {
        respond(engine, &greedy(Prompt::Text("something else".to_owned()), None, 20));
        block_on(engine.logits(&[2, 300, 301], &Cancel::default())).unwrap();
        block_on(engine.score_text("a text to score", &Cancel::default())).unwrap();
        block_on(engine.embed("a text to embed", &Cancel::default())).unwrap();
    });
    assert_eq!(with_others, alone[1]);
}

fn clones(model: &str) {
    let mut engine = engine(model);
    let first = open(&mut engine);
    respond(&mut engine, &say("Once upon a time", first, 20));
    let second = block_on(engine.clone_session(first)).unwrap();
    let one = respond(&mut engine, &say("there was a king", first, 10)).result;
    // Of one that waits, too.
    let third = block_on(engine.clone_session(second)).unwrap();
    let two = respond(&mut engine, &say("there was a queen and a frog", second, 10)).result;
    assert_eq!(
        one.usage.cached_tokens, two.usage.cached_tokens,
        "nothing of the beginning is computed again"
    );
    assert!(two.usage.cached_tokens > 20, "{:?}", two.usage);
    engine.close_session(first).unwrap();
    let three = respond(&mut engine, &say("there was a king", third, 10)).result;
    assert_eq!((three.tokens, three.usage.cached_tokens), (one.tokens, one.usage.cached_tokens));
    assert_eq!(engine.session_history(third).unwrap()[2].content, "there was a king");
    assert_eq!(engine.session_history(second).unwrap()[2].content, "there was a queen and a frog");
}

/// A prompt that shares only a beginning with the last one gives the result of an empty cache, whatever the rings have lost.
fn going_back(model: &str) {
    let mut engine = engine(model);
    let ids: Vec<u32> = (0..90).map(|i| if i == 0 { 2 } else { 300 + i * 37 % 500 }).collect();
    let has_windows = engine.config().window.is_some();
    for back in [1, 8, 9, 10, 20, 88] {
        respond(&mut engine, &greedy(Prompt::Ids(ids.clone()), None, 1));
        let prompt = Prompt::Ids([&ids[..90 - back], &[299, 298]].concat());
        let fresh = greedy(prompt, None, 6);
        let mut cached = fresh.clone();
        cached.options.cache_prompt = true;
        let with_cache = respond(&mut engine, &cached).result;
        assert_eq!(with_cache.tokens, respond(&mut engine, &fresh).result.tokens, "back {back}");
        // Position 90 - back sees 16 keys; a ring of 24 slots written up to 90 begins at 66.
        let expected = if !has_windows || back <= 9 { 90 - back } else { 0 };
        assert_eq!(with_cache.usage.cached_tokens, expected, "back {back}");
    }
    // The same over generated tokens, whose writing only the engine's records show.
    let mut again = greedy(Prompt::Ids([&ids[..], &[299, 298]].concat()), None, 6);
    let fresh = respond(&mut engine, &again).result;
    respond(&mut engine, &greedy(Prompt::Ids(ids), None, 20));
    again.options.cache_prompt = true;
    let found = respond(&mut engine, &again).result;
    assert_eq!((found.tokens, found.usage.cached_tokens), (fresh.tokens, if has_windows { 0 } else { 90 }));
}

/// Numbers without a pattern, the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % n as u64) as usize
    }
}

/// Sends, aborts, clones and closes in random order: every answer is that of the same ids from an empty cache.
fn anything(model: &str) {
    let (mut engine, mut alone, mut random) = (engine(model), engine(model), Random(11));
    let mut sessions: Vec<(u32, Kept)> = vec![(open(&mut engine), Kept::default())];
    for step in 0..25 {
        let ix = random.below(sessions.len());
        let text: String =
            (0..1 + random.below(12)).map(|_| ["tree ", "of", "\n", "king", " é"][random.below(5)]).collect();
        let (session, kept) = &mut sessions[ix];
        let request = say(&text, *session, 1 + random.below(14));
        match random.below(8) {
            0 if kept.0.len() < 300 => {
                let copy = (block_on(engine.clone_session(*session)).unwrap(), kept.clone());
                sessions.push(copy);
            }
            1 => {
                engine.close_session(*session).unwrap();
                sessions[ix] = (open(&mut engine), Kept::default());
            }
            2 | 3 => {
                let (signals, mut left) = (Signals::default(), random.below(10));
                let history = engine.session_history(*session).unwrap();
                let aborted = block_on(engine.respond(&request, &signals, &mut |_| {
                    left = left.saturating_sub(1);
                    if left == 0 {
                        signals.cancel.cancel();
                    }
                }));
                // An abort after the last token comes too late.
                if aborted.is_err() {
                    assert_eq!(engine.session_history(*session).unwrap(), history);
                } else {
                    engine.close_session(*session).unwrap();
                    sessions[ix] = (open(&mut engine), Kept::default());
                }
            }
            4 => {
                let mut other = greedy(Prompt::Ids(kept.0.iter().copied().chain([300]).collect()), None, 3);
                other.options.cache_prompt = true;
                let found = respond(&mut engine, &other).result.tokens;
                other.options.cache_prompt = false;
                assert_eq!(found, respond(&mut alone, &other).result.tokens, "step {step}");
            }
            _ if kept.0.len() < 400 => {
                kept.user(&engine, &text);
                let found = respond(&mut engine, &request).result.tokens;
                let fresh = greedy(Prompt::Ids(kept.0.clone()), None, request.options.max_tokens);
                assert_eq!(
                    found,
                    respond(&mut alone, &fresh).result.tokens,
                    "step {step}, {} ids",
                    kept.0.len()
                );
                kept.model(&engine, &found);
            }
            _ => {}
        }
    }
    eprintln!("{model}: {} conversations", sessions.len());
}

fn memory(model: &str) {
    let mut engine = engine(model);
    let one =
        |engine: &mut Engine, text: &str| respond(engine, &greedy(Prompt::Text(text.to_owned()), None, 4));
    one(&mut engine, "warm");
    let before = engine.memory();
    assert_eq!(before.kinds.sessions, 0);
    assert_eq!(before.total, before.kinds.weights + before.kinds.kv + before.kinds.scratch);
    let (a, b) = (open(&mut engine), open(&mut engine));
    respond(&mut engine, &say("some words", a, 8));
    assert_eq!(engine.memory().total, before.total, "one that has the cache takes nothing more");
    respond(&mut engine, &say("other words", b, 8));
    let parked = engine.memory().kinds.sessions;
    assert!(parked > 0 && parked < before.kinds.kv, "{parked} of {}", before.kinds.kv);
    let c = block_on(engine.clone_session(a)).unwrap();
    assert_eq!(engine.memory().kinds.sessions, 2 * parked);
    block_on(engine.embed("x", &Cancel::default())).unwrap();
    block_on(engine.score_text("xyz", &Cancel::default())).unwrap();
    for session in [a, b, c] {
        engine.close_session(session).unwrap();
    }
    assert_eq!(engine.memory().total, before.total, "all is given back");
    // Aborts leak nothing either.
    for i in 0..20 {
        let (signals, session, mut left) = (Signals::default(), open(&mut engine), i % 5_usize);
        let aborted =
            block_on(engine.respond(&say("a few words to say", session, 30), &signals, &mut |_| {
                if left == 0 {
                    signals.cancel.cancel();
                }
                left = left.saturating_sub(1);
            }));
        assert!(matches!(aborted, Err(Error::Aborted)), "{aborted:?}");
        engine.close_session(session).unwrap();
    }
    assert_eq!(engine.memory().total, before.total, "after aborts");
}

fn refused() {
    let mut engine = engine("tiny-gemma2-q4_0");
    let message = |role: &str| Message { role: role.to_owned(), content: "x".to_owned() };
    let option = |outcome: Result<u32, Error>| match outcome {
        Err(Error::InvalidOption { option, .. }) => option,
        Err(Error::InvalidMessage { index, .. }) => format!("message {index}"),
        other => panic!("{other:?}"),
    };
    let opening = |history: &[&str], system: Option<&str>, rendered| SessionOptions {
        system: system.map(str::to_owned),
        history: history.iter().map(|role| message(role)).collect(),
        rendered,
    };
    assert_eq!(option(engine.open_session(opening(&["user"], None, false))), "message 0");
    assert_eq!(option(engine.open_session(opening(&["user", "user"], None, false))), "message 1");
    assert_eq!(option(engine.open_session(opening(&[], Some("Gemma 2 has none"), false))), "message 0");
    assert_eq!(option(engine.open_session(opening(&["user", "model"], None, true))), "rendered");
    let session = engine.open_session(opening(&["user", "model"], None, false)).unwrap();
    let rendered = engine.open_session(opening(&[], None, true)).unwrap();
    let text = || Prompt::Rendered("<start_of_turn>user\nx<end_of_turn>\n<start_of_turn>model\n".to_owned());
    for (prompt, id, name) in [
        (Prompt::Say("x".to_owned()), 77, "session"),
        (text(), session, "prompt"),
        (Prompt::Say("x".to_owned()), rendered, "prompt"),
    ] {
        let outcome = try_respond(&mut engine, &greedy(prompt, Some(id), 1), &Signals::default());
        assert_eq!(option(outcome.map(|_| 0)), name);
    }
    let first = respond(&mut engine, &greedy(text(), Some(rendered), 3)).result;
    let again = respond(&mut engine, &greedy(text(), Some(rendered), 3)).result;
    assert_eq!(again.usage.cached_tokens, again.usage.prompt_tokens - 1);
    assert_eq!(again.tokens, first.tokens);
    engine.close_session(session).unwrap();
    assert_eq!(option(engine.close_session(session).map(|()| 0)), "session");
    assert!(engine.session_history(rendered).unwrap().is_empty());
    // A base model has no turn format.
    let mut base = crate::support::gpu::load(&data("tiny/tiny-gemma2-q4_0.gguf"), &options(64, 8)).unwrap();
    assert_eq!(option(base.open_session(SessionOptions::default())), "prompt");
    let messages = greedy(Prompt::Messages(vec![message("user")]), None, 1);
    assert_eq!(option(try_respond(&mut base, &messages, &Signals::default()).map(|_| 0)), "prompt");
    respond(&mut base, &greedy(text(), None, 1));
}
