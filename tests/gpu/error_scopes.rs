//! Error scopes of the device: every object is created within one, so that no failure goes unnoticed.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use crate::support::chat_model::{Bytes, greedy, load, options, respond};
use crate::support::gpu::{NEED, adapter};
use crate::support::suite::{Test, needing};
use gemma_web::Cancel;
use gemma_web::bench::BenchOptions;
use gemma_web::engine::{Engine, KvType, LoadOptions, Prompt, SessionOptions};
use gemma_web::gpu::{Gpu, GpuOptions};
use pollster::block_on;

pub(crate) fn tests() -> Vec<Test> {
    let tests: [(&str, fn()); 3] = [
        ("whatever an engine does", everything),
        ("a benchmark, with its profile and the reading of memory", bench),
        ("what is made outside is counted", outside),
    ];
    let on_gpu = |(name, test): (&str, fn())| needing(name, NEED, adapter(), move |()| test());
    tests.into_iter().map(on_gpu).collect()
}

fn all_scoped(engine: &Engine, what: &str) {
    let counters = engine.stats().counters;
    assert!(counters.objects > 50, "{what}: {counters:?}");
    assert_eq!(counters.unscoped, 0, "{what}");
}

fn everything() {
    // The tuning is measured, and the kernels are tested.
    let mut engine =
        load("tiny-gemma3-q8_0", &LoadOptions { tuning: None, kv: KvType::F16, ..options(256, 8) });
    all_scoped(&engine, "loading");
    respond(&mut engine, &greedy(Prompt::Text("Alice was".to_owned()), None, 20));
    all_scoped(&engine, "generating");
    let sessions = [(); 2].map(|()| engine.open_session(SessionOptions::default()).unwrap());
    for session in [sessions[0], sessions[1], sessions[0]] {
        respond(&mut engine, &greedy(Prompt::Say("beginning to get tired".to_owned()), Some(session), 8));
    }
    let clone = block_on(engine.clone_session(sessions[0])).unwrap();
    let mut bytes = Vec::new();
    let mut take = async |piece: &[u8]| {
        bytes.extend_from_slice(piece);
        Ok(())
    };
    block_on(engine.save_session(clone, &Cancel::default(), &mut take)).unwrap();
    block_on(engine.restore_session(Bytes(bytes), &Cancel::default())).unwrap();
    all_scoped(&engine, "sessions");
    block_on(engine.embed("of sitting by her sister", &Cancel::default())).unwrap();
    block_on(engine.score_text("of sitting by her sister", &Cancel::default())).unwrap();
    block_on(engine.logits(&[2, 10, 20], &Cancel::default())).unwrap();
    let mut request = greedy(Prompt::Text("Alice was".to_owned()), None, 4);
    request.options.logprobs = Some(3);
    respond(&mut engine, &request);
    all_scoped(&engine, "measures");
}

fn bench() {
    let mut engine = load("tiny-gemma3-q8_0", &options(128, 8));
    let options = BenchOptions {
        prompt_tokens: Some(20),
        generated_tokens: Some(6),
        repetitions: 1,
        warmups: 0,
        ..BenchOptions::default()
    };
    block_on(engine.bench(&options, &Cancel::default(), &mut |_| ())).unwrap();
    all_scoped(&engine, "a benchmark");
}

fn outside() {
    let gpu = block_on(Gpu::open(&GpuOptions::default())).unwrap();
    let make = || gpu.tensor("inside", 4, 4);
    let inside = block_on(gpu.in_scope("a tensor", make)).unwrap();
    assert_eq!((gpu.counters().objects, gpu.counters().unscoped), (1, 0));
    let outside = gpu.tensor("outside", 4, 4).unwrap();
    assert_eq!((gpu.counters().objects, gpu.counters().unscoped), (2, 1));
    assert_eq!(inside.bytes(), outside.bytes());
}
