//! A device that is lost, and an engine that sleeps: nothing but time is lost with them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use crate::support::chat_model::{Bytes, greedy, load, options, respond, with_template};
use crate::support::gpu::{NEED, adapter};
use crate::support::suite::{Test, needing};
use gemma_web::engine::{Engine, Event, Generation, Overflow, Prompt, Request, SessionOptions, Signals};
use gemma_web::source::{ByteSource, ModelSource};
use gemma_web::{Cancel, Error, Result};
use pollster::block_on;

const MODEL: &str = "tiny-gemma3-q8_0";

type Run = fn();

pub(crate) fn tests() -> Vec<Test> {
    let tests: [(&str, Run); 7] = [
        ("a generation goes on with the same tokens, wherever it is cut", the_same_tokens),
        ("drawn tokens, logprobs, stops and penalties go on too", the_same_draws),
        ("a context that slides goes on", sliding),
        ("sessions go on", sessions),
        ("sleep frees everything, and the text is the same after it", sleeping),
        ("lost before and while it is loaded again", lost_again),
        ("another file is refused", another_file),
    ];
    let on_gpu = |(name, test): (&str, Run)| needing(name, NEED, adapter(), move |()| test());
    tests.into_iter().map(on_gpu).collect()
}

/// Rings of 24 slots, which come round soon.
fn engine(context: usize) -> Engine {
    load(MODEL, &options(context, 8))
}

fn reload(engine: &mut Engine) -> Result<()> {
    block_on(engine.reload(with_template(MODEL), &Cancel::default(), &mut |_| ()))
}

/// Events of a request, with the device destroyed and replaced after each number of events in `cuts`.
fn interrupted(engine: &mut Engine, request: &Request, cuts: &[usize]) -> (Generation, Vec<String>) {
    let mut events = Vec::new();
    let (mut cuts, mut n_lost) = (cuts.iter(), 0);
    let signals = Signals::default();
    loop {
        let destroy = engine.device_destroyer().unwrap();
        let cut = cuts.next();
        let mut on_event = |event: &Event| {
            events.push(format!("{event:?}"));
            if Some(&events.len()) == cut {
                destroy();
            }
        };
        let ended = match n_lost {
            0 => block_on(engine.respond(request, &signals, &mut on_event)),
            _ => block_on(engine.resume(&signals, &mut on_event)),
        };
        match ended {
            Ok(result) => return (result, events),
            Err(Error::DeviceLost { .. }) => n_lost += 1,
            Err(other) => panic!("{other}"),
        }
        reload(engine).unwrap();
    }
}

/// The tokens as reported, without the prompt's progress, which begins again when the prompt does.
fn told(events: &[String]) -> Vec<&String> {
    events.iter().filter(|event| !event.starts_with("Prefill")).collect()
}

fn same(engine: &mut Engine, request: &Request, cuts: &[usize]) {
    let whole = respond(engine, request);
    let expected: Vec<String> = whole.events.iter().map(|event| format!("{event:?}")).collect();
    let (result, events) = interrupted(engine, request, cuts);
    assert_eq!(result.tokens, whole.result.tokens, "{cuts:?}");
    assert_eq!(result.text, whole.result.text);
    assert_eq!(result.finish_reason, whole.result.finish_reason);
    assert_eq!(result.usage.completion_tokens, whole.result.usage.completion_tokens);
    assert_eq!(result.usage.dropped_tokens, whole.result.usage.dropped_tokens);
    if request.options.logprobs.is_none() {
        assert_eq!(told(&events), told(&expected), "{cuts:?}");
    }
}

fn the_same_tokens() {
    let mut engine = engine(128);
    let request = greedy(Prompt::Text("one two three four five six seven".to_owned()), None, 40);
    for cuts in [&[1][..], &[2], &[9, 20], &[30, 31, 33]] {
        same(&mut engine, &request, cuts);
    }
}

fn the_same_draws() {
    let mut engine = engine(128);
    let mut request = greedy(Prompt::Text("one two three".to_owned()), None, 24);
    request.options.seed = Some(7);
    request.options.sampling.temperature = 1.0;
    request.options.sampling.repetition_penalty = 1.2;
    same(&mut engine, &request, &[6, 12]);
    request.options.sampling.top_k = 0;
    same(&mut engine, &request, &[12]);
    request.options.logprobs = Some(2);
    same(&mut engine, &request, &[12]);
    let text = respond(&mut engine, &request).result.text;
    let stop = text.chars().skip(text.chars().count() / 2).take(3).collect();
    request.options.stop = vec![stop];
    request.options.logprobs = None;
    same(&mut engine, &request, &[5]);
}

fn sliding() {
    let mut engine = engine(48);
    let mut request = greedy(Prompt::Text("one two three".to_owned()), None, 90);
    request.options.overflow = Overflow::Slide;
    same(&mut engine, &request, &[20, 60, 80]);
}

fn sessions() {
    let say = |engine: &mut Engine, session: u32, text: &str| {
        let request = greedy(Prompt::Say(text.to_owned()), Some(session), 6);
        respond(engine, &request).result
    };
    let play = |lose: bool| {
        let mut engine = engine(256);
        let open = |engine: &mut Engine| engine.open_session(SessionOptions::default()).unwrap();
        let (a, b) = (open(&mut engine), open(&mut engine));
        // One is swapped out, the other has the cache.
        let mut texts = vec![say(&mut engine, a, "one"), say(&mut engine, b, "two")];
        if lose {
            engine.device_destroyer().unwrap()();
            let request = greedy(Prompt::Say("three".to_owned()), Some(a), 6);
            let lost = block_on(engine.respond(&request, &Signals::default(), &mut |_| ()));
            assert!(matches!(lost, Err(Error::DeviceLost { .. })), "{lost:?}");
            reload(&mut engine).unwrap();
            assert_eq!(engine.memory().kinds.sessions, 0);
        }
        let c = block_on(engine.clone_session(b)).unwrap();
        texts.extend([
            say(&mut engine, a, "three"),
            say(&mut engine, b, "four"),
            say(&mut engine, c, "four"),
        ]);
        assert!(!lose || texts[2].usage.cached_tokens == 0);
        texts.push(say(&mut engine, a, "five"));
        assert!(texts[5].usage.cached_tokens > 0);
        texts.into_iter().map(|said| said.text).collect::<Vec<_>>()
    };
    assert_eq!(play(true), play(false));
}

fn sleeping() {
    let mut engine = engine(128);
    let session = engine.open_session(SessionOptions::default()).unwrap();
    let request = greedy(Prompt::Say("one".to_owned()), Some(session), 8);
    let first = respond(&mut engine, &request).result;
    let (memory, info) = (engine.memory().total, format!("{:?}", engine.info()));
    engine.sleep();
    assert_eq!(engine.memory().total, 0);
    assert_eq!(engine.stats().counters.submits, 0);
    assert!(engine.tokenizer().encode("one", Default::default()).is_ok());
    let mut saved = Vec::new();
    let mut give = async |piece: &[u8]| {
        saved.extend_from_slice(piece);
        Ok(())
    };
    block_on(engine.save_session(session, &Cancel::default(), &mut give)).unwrap();
    let asleep = block_on(engine.logits(&[2, 10], &Cancel::default()));
    assert!(matches!(asleep, Err(Error::DeviceLost { .. })), "{asleep:?}");
    reload(&mut engine).unwrap();
    let parked = engine.memory().kinds.sessions;
    assert_eq!((engine.memory().total, parked), (memory, 0));
    let restored = block_on(engine.restore_session(Bytes(saved), &Cancel::default())).unwrap();
    engine.rewind_session(session, 0).unwrap();
    assert_eq!(respond(&mut engine, &request).result.text, first.text);
    assert_eq!(engine.session_history(restored).unwrap(), engine.session_history(session).unwrap());
    engine.close_session(restored).unwrap();
    assert_eq!(format!("{:?}", engine.info()), info);
}

fn lost_again() {
    let mut engine = engine(128);
    let request = greedy(Prompt::Text("one".to_owned()), None, 4);
    let before = respond(&mut engine, &request).result.tokens;
    engine.device_destroyer().unwrap()();
    let signals = Signals::default();
    let lost = block_on(engine.respond(&request, &signals, &mut |_| ()));
    assert!(matches!(lost, Err(Error::DeviceLost { .. })), "{lost:?}");
    // The source fails while the weights are read: the engine sleeps, and the request still waits.
    let mut short = with_template(MODEL);
    short.0.truncate(short.0.len() - 4096);
    let failed = block_on(engine.reload(Lying(short), &Cancel::default(), &mut |_| ()));
    assert!(matches!(failed, Err(Error::Truncated { .. })), "{failed:?}");
    assert_eq!(engine.memory().total, 0);
    let asleep = block_on(engine.resume(&signals, &mut |_| ()));
    assert!(matches!(asleep, Err(Error::DeviceLost { .. })), "{asleep:?}");
    reload(&mut engine).unwrap();
    assert_eq!(block_on(engine.resume(&signals, &mut |_| ())).unwrap().tokens, before);
    let none = block_on(engine.resume(&signals, &mut |_| ()));
    assert!(matches!(none, Err(Error::Internal { .. })), "{none:?}");
}

/// A source that claims a wrong length.
#[derive(Debug)]
struct Lying(Bytes);

impl ByteSource for Lying {
    fn len(&self) -> Option<u64> {
        self.0.len().map(|len| len + 4096)
    }

    fn name(&self) -> &str {
        "a short file"
    }

    async fn read(&mut self, offset: u64, into: &mut [u8], cancel: &Cancel) -> Result<()> {
        self.0.read(offset, into, cancel).await
    }
}

impl ModelSource for Lying {}

fn another_file() {
    let mut engine = engine(128);
    engine.sleep();
    let other = with_template("tiny-gemma3-q4_0");
    let refused = block_on(engine.reload(other, &Cancel::default(), &mut |_| ()));
    assert!(matches!(refused, Err(Error::FileChanged { .. })), "{refused:?}");
    reload(&mut engine).unwrap();
}
