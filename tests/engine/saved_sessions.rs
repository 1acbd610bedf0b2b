//! Saved sessions: they continue as if never saved, with the same model only, and altered bytes are refused.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use crate::support::chat_model::{Bytes, greedy, load, options, respond, with_template};
use crate::support::gpu::{NEED, adapter};
use crate::support::suite::{Test, needing};
use gemma_web::engine::{Engine, KvType, LoadOptions, Prompt, Request, SessionOptions};
use gemma_web::{Cancel, Error, Result};
use pollster::block_on;

const MODELS: [&str; 3] = ["tiny-gemma1-q8_0", "tiny-gemma2-q4_0", "tiny-gemma3-q8_0"];

type Run = fn();

pub(crate) fn tests() -> Vec<Test> {
    let mut list = Vec::new();
    for model in MODELS {
        let run = move |()| goes_on(model);
        list.push(needing(&format!("{model}: goes on after a restart"), NEED, adapter(), run));
    }
    let tests: [(&str, Run); 3] =
        [("another model or cache", mismatch), ("damaged and hostile bytes", damaged), ("aborts", aborts)];
    for (name, test) in tests {
        list.push(needing(name, NEED, adapter(), move |()| test()));
    }
    list
}

fn engine(model: &str) -> Engine {
    load(model, &options(256, 8))
}

fn say(text: &str, session: u32, n: usize) -> Request {
    greedy(Prompt::Say(text.to_owned()), Some(session), n)
}

fn save(engine: &mut Engine, session: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut take = async |piece: &[u8]| {
        assert!(piece.len() <= 16 << 20);
        bytes.extend_from_slice(piece);
        Ok(())
    };
    block_on(engine.save_session(session, &Cancel::default(), &mut take)).unwrap();
    bytes
}

fn restore(engine: &mut Engine, bytes: &[u8]) -> Result<u32> {
    block_on(engine.restore_session(Bytes(bytes.to_vec()), &Cancel::default()))
}

/// A conversation with as many turns, of 20 tokens each.
fn talk(engine: &mut Engine, n_turns: usize) -> u32 {
    let session = engine.open_session(SessionOptions::default()).unwrap();
    for i in 0..n_turns {
        respond(engine, &say(&format!("Alice was beginning to get tired, {i}"), session, 20));
    }
    session
}

fn goes_on(model: &str) {
    for n_turns in [0, 1, 3] {
        let mut before = engine(model);
        let session = talk(&mut before, n_turns);
        let active = save(&mut before, session);
        // One that waits gives the same bytes.
        talk(&mut before, 1);
        assert!(save(&mut before, session) == active, "{n_turns} turns");
        let next = say("of sitting by her sister", session, 10);
        let expected = respond(&mut before, &next).result;
        // A longer context doesn't matter.
        let contexts: &[usize] = if n_turns == 3 { &[256, 512] } else { &[512] };
        for context in contexts.iter().copied() {
            let mut after = load(model, &options(context, 8));
            let restored = restore(&mut after, &active).unwrap();
            assert_eq!(after.session_history(restored).unwrap().len(), 2 * n_turns);
            assert_eq!(after.memory().kinds.sessions > 0, n_turns > 0);
            let found = respond(&mut after, &Request { session: Some(restored), ..next.clone() }).result;
            assert_eq!(found.tokens, expected.tokens, "{n_turns} turns");
            assert_eq!(found.usage.cached_tokens, expected.usage.cached_tokens, "nothing is computed again");
            assert_eq!(found.usage.cached_tokens > 0, n_turns > 0);
            assert_eq!(after.memory().kinds.sessions, 0, "it moved to where it runs");
        }
    }
}

fn mismatch() {
    let mut saved = engine("tiny-gemma3-q8_0");
    let session = talk(&mut saved, 2);
    let bytes = save(&mut saved, session);
    let f16 = LoadOptions { kv: KvType::F16, ..options(256, 8) };
    for (model, options, differs) in [
        ("tiny-gemma3-q4_0", options(256, 8), "model and cache"),
        ("tiny-gemma2-q4_0", options(256, 8), "model and cache"),
        ("tiny-gemma3-q8_0", f16, "model and cache"),
        // Rings of another length.
        ("tiny-gemma3-q8_0", options(256, 16), "model and cache"),
        ("tiny-gemma3-q8_0", options(40, 8), "length"),
    ] {
        let mut other = load(model, &options);
        match restore(&mut other, &bytes) {
            Err(Error::SessionMismatch { what, .. }) => assert_eq!(what, differs, "{model}"),
            found => panic!("{model}: {found:?}"),
        }
        assert_eq!(other.memory().kinds.sessions, 0);
    }
    // Other weights behind the same header.
    let mut tuned = with_template("tiny-gemma3-q8_0");
    tuned.0[65_000] ^= 1;
    let options = options(256, 8);
    let mut other = block_on(Engine::load(tuned, &options, &Cancel::default(), &mut |_| ())).unwrap();
    assert!(matches!(restore(&mut other, &bytes), Err(Error::SessionMismatch { .. })), "other weights");
    let mut newer = bytes;
    newer[8] = 2;
    assert!(
        matches!(restore(&mut saved, &newer), Err(Error::SessionMismatch { what, .. }) if what == "version")
    );
}

fn damaged() {
    let mut engine = engine("tiny-gemma3-q8_0");
    let session = talk(&mut engine, 1);
    let bytes = save(&mut engine, session);
    let before = engine.memory().total;
    let mut refuse = |what: &str, bytes: &[u8]| {
        match restore(&mut engine, bytes) {
            Err(Error::MalformedSession { .. } | Error::SessionMismatch { .. }) => {}
            other => panic!("{what}: {other:?}"),
        }
        assert_eq!(engine.memory().total, before, "{what}: nothing stays allocated");
    };
    for n in [0, 7, 8, 23, 24, 31, 32, 100, bytes.len() / 2, bytes.len() - 8, bytes.len() - 1] {
        refuse(&format!("the first {n} bytes"), &bytes[..n]);
    }
    for at in (0..40).chain((40..bytes.len()).step_by(bytes.len() / 60)).chain(bytes.len() - 8..bytes.len()) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x10;
        refuse(&format!("a bit of byte {at}"), &flipped);
    }
    refuse("more bytes", &[&bytes[..], &[0; 4]].concat());
    let with_json_len = |n: u32| {
        let mut changed = bytes.clone();
        changed[12..16].copy_from_slice(&n.to_le_bytes());
        changed
    };
    for n in [0, 1, bytes.len() as u32, u32::MAX] {
        refuse(&format!("{n} bytes of JSON"), &with_json_len(n));
    }
    // JSON that means harm, with the right length: it is refused before a byte is allocated.
    for json in [
        r#"{"dialogue":null,"first":0,"ids":[2,3],"n_written":1}"#,
        r#"{"dialogue":null,"first":0,"ids":[2,3,99999],"n_written":3}"#,
        r#"{"dialogue":null,"first":0,"ids":[2,3],"n_written":18446744073709551615}"#,
        r#"{"dialogue":null,"first":7,"ids":[2],"n_written":1}"#,
        r#"{"dialogue":{"system":null,"turns":[{"role":"user","content":"x"}]},"first":0,"ids":[2],"n_written":1}"#,
        r#"{"dialogue":{"system":null,"turns":[{"role":"a","content":"x"},{"role":"b","content":"y"}]},"first":0,"ids":[],"n_written":0}"#,
        r#"{"dialogue":null,"first":0,"ids":[],"n_written":0,"more":1}"#,
        "null",
    ] {
        let mut made = bytes[..24].to_vec();
        made[12..16].copy_from_slice(&(json.len() as u32).to_le_bytes());
        made.extend(json.as_bytes());
        made.extend([0; 64]);
        refuse(json, &made);
    }
    assert!(restore(&mut engine, &bytes).is_ok(), "unchanged");
}

fn aborts() {
    let mut engine = engine("tiny-gemma2-q4_0");
    let session = talk(&mut engine, 1);
    let bytes = save(&mut engine, session);
    let before = engine.memory().total;
    let cancel = Cancel::default();
    let mut n_pieces = 0;
    let mut take = async |_: &[u8]| {
        n_pieces += 1;
        if n_pieces == 2 {
            cancel.cancel();
        }
        Ok(())
    };
    let saved = block_on(engine.save_session(session, &cancel, &mut take));
    assert!(matches!(saved, Err(Error::Aborted)), "{saved:?}");
    let restored = block_on(engine.restore_session(Bytes(bytes), &cancel));
    assert!(matches!(restored, Err(Error::Aborted)), "{restored:?}");
    let mut full =
        async |_: &[u8]| Err(Error::Storage { what: "writing".to_owned(), why: "full".to_owned() });
    let failed = block_on(engine.save_session(session, &Cancel::default(), &mut full));
    assert!(matches!(failed, Err(Error::Storage { .. })), "{failed:?}");
    assert_eq!(engine.memory().total, before);
    respond(&mut engine, &say("it still goes on", session, 4));
}
