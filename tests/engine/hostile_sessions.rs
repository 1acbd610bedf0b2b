//! Thousands of altered saved sessions: typed errors, no memory left behind, and a session that is accepted can be continued. Also,
//! a seed draws the same text, however often. Runs for `GEMMA_WEB_FUZZ_SECONDS` (1), as tests/cpu/fuzz.rs does.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]
#![allow(clippy::print_stderr, reason = "how much was tried belongs to the result")]

use std::time::{Duration, Instant};

use crate::support::chat_model::{Bytes, greedy, load, options, respond};
use crate::support::gpu::{NEED, adapter};
use crate::support::mutate::{Random, mutated};
use crate::support::suite::{Test, needing};
use gemma_web::engine::{Engine, Prompt, Request, SessionOptions};
use gemma_web::{Cancel, Error};
use pollster::block_on;
use xxhash_rust::xxh3::xxh3_64;

const MODEL: &str = "tiny-gemma3-q4_0";
/// Runs of one seed.
const RUNS: usize = 20;
/// Magic, version, length of the JSON, layout.
const HEAD: usize = 24;
/// The checksum.
const SUM: usize = 8;

type Run = fn();

pub(crate) fn tests() -> Vec<Test> {
    let tests: [(&str, Run); 2] = [("saved sessions, changed", changed), ("one seed is one text", seeds)];
    tests.map(|(name, test)| needing(name, NEED, adapter(), move |()| test())).into()
}

fn number_of(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// As it is saved after `n_turns` short turns.
fn saved(engine: &mut Engine, n_turns: usize) -> Vec<u8> {
    let session = engine.open_session(SessionOptions::default()).unwrap();
    for turn in 0..n_turns {
        respond(engine, &greedy(Prompt::Say(format!("Alice {turn}")), Some(session), 3));
    }
    let mut bytes = Vec::new();
    let mut take = async |piece: &[u8]| {
        bytes.extend_from_slice(piece);
        Ok(())
    };
    block_on(engine.save_session(session, &Cancel::default(), &mut take)).unwrap();
    engine.close_session(session).unwrap();
    bytes
}

/// With the layout of the model, the length of the JSON and the checksum made right, as somebody would who knows the format.
fn made_right(seed: &[u8], bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let json_len = |bytes: &[u8]| u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize;
    let mut made = bytes.to_vec();
    if random.below(2) == 0 {
        // The JSON alone is changed; what follows it stays.
        let end = HEAD + json_len(seed);
        let json = mutated(&[seed[HEAD..end].to_vec()], random.next());
        made = [&seed[..HEAD], &json, &seed[end..]].concat();
        made[12..16].copy_from_slice(&(json.len() as u32).to_le_bytes());
    } else if made.len() > HEAD {
        made[..HEAD].copy_from_slice(&seed[..HEAD]);
    }
    if made.len() > SUM {
        let end = made.len() - SUM;
        let sum = xxh3_64(&made[..end]);
        made[end..].copy_from_slice(&sum.to_le_bytes());
    }
    made
}

fn changed() {
    let mut engine = load(MODEL, &options(64, 8));
    let seeds: Vec<Vec<u8>> = [0, 1, 2].map(|n_turns| saved(&mut engine, n_turns)).into();
    let before = engine.memory().total;
    let budget = Duration::from_secs(number_of("GEMMA_WEB_FUZZ_SECONDS").unwrap_or(1));
    let (begin, first) = (Instant::now(), number_of("GEMMA_WEB_FUZZ_FROM").unwrap_or(0));
    let (mut number, mut n_taken) = (first, 0);
    while begin.elapsed() < budget {
        let mut random = Random(number);
        let seed = &seeds[random.below(seeds.len())];
        let plain = mutated(&seeds, random.next());
        let bytes = if random.below(4) == 0 { plain } else { made_right(seed, &plain, &mut random) };
        match block_on(engine.restore_session(Bytes(bytes), &Cancel::default())) {
            Ok(session) => {
                n_taken += 1;
                engine.session_history(session).unwrap();
                let say = greedy(Prompt::Say("and".to_owned()), Some(session), 1);
                let found = block_on(engine.respond(&say, &Default::default(), &mut |_| ()));
                if let Err(error) = found {
                    // The answer may fail: the context may be full, and somebody who makes the checksum right may save keys
                    // that are not finite.
                    let code = serde_json::to_value(&error).unwrap()["code"].clone();
                    let codes = ["context_full", "invalid_message", "gpu", "numeric_error"];
                    assert!(codes.iter().any(|known| code == *known), "file {number}: {error:?}");
                }
                engine.close_session(session).unwrap();
            }
            Err(Error::MalformedSession { .. } | Error::SessionMismatch { .. } | Error::Truncated { .. }) => {
            }
            Err(error) => panic!("file {number}: {error:?}: GEMMA_WEB_FUZZ_FROM={number}"),
        }
        assert_eq!(engine.memory().total, before, "file {number}: nothing stays allocated");
        number += 1;
    }
    eprintln!("{} saved sessions in {:.0?}, {n_taken} of them taken", number - first, begin.elapsed());
}

fn seeds() {
    let drawn = |engine: &mut Engine, seed: u64| {
        let mut request = Request {
            prompt: Prompt::Text("Alice was beginning".to_owned()),
            session: None,
            options: Default::default(),
        };
        (request.options.max_tokens, request.options.seed) = (24, Some(seed));
        let result = respond(engine, &request).result;
        (result.tokens, result.text)
    };
    let mut seen = Vec::new();
    for _ in 0..2 {
        let mut engine = load(MODEL, &options(64, 8));
        for run in 0..RUNS / 2 {
            seen.push(drawn(&mut engine, 7));
            // The cache then holds another text.
            let other = drawn(&mut engine, 100 + run as u64);
            assert!(run > 0 || other != seen[0], "another seed draws something else");
        }
    }
    assert_eq!(seen.len(), RUNS);
    assert!(seen.iter().all(|text| *text == seen[0]), "{seen:?}");
}
