//! Synthetic models of full size on the native adapter.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use crate::support::gpu::{F32, NEED, adapter, here};
use crate::support::suite::{Test, needing};
use gemma_web::Cancel;
use gemma_web::engine::{Engine, GenerateOptions, LoadOptions};
use gemma_web::gpu::GpuOptions;
use gemma_web::sampler::Sampling;
use gemma_web::source::ByteSource;
use gemma_web::source::synthetic::{Recipe, SyntheticSource};
use pollster::block_on;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        needing("a model of full size runs", NEED, adapter(), |()| a_model_runs()),
        needing("low limits change no bit", NEED, adapter(), |()| limits_change_nothing()),
    ]
}

fn source(name: &str) -> SyntheticSource {
    SyntheticSource::new(&Recipe::parse(name).unwrap())
}

/// Mean and standard deviation.
fn moments(values: &[f32]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().map(|x| f64::from(*x)).sum::<f64>() / n;
    let square = values.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / n;
    (mean, square.sqrt())
}

fn a_model_runs() {
    let options = here(&LoadOptions { context_length: Some(32), ..LoadOptions::default() });
    let source = source("gemma-3-270m:q4_0");
    let len = source.len();
    let mut last = None;
    let mut engine =
        block_on(Engine::load(source, &options, &Cancel::default(), &mut |p| last = Some(p.loaded))).unwrap();
    assert_eq!(last, len);
    let ids = engine.prompt_ids("Two tokens, please").unwrap();
    let logits = block_on(engine.logits(&ids, &Cancel::default())).unwrap();
    let (mean, std) = moments(&logits);
    assert!(logits.iter().all(|x| x.is_finite()));
    assert!((0.5..8.0).contains(&std) && mean.abs() < 1.0, "logits: mean {mean}, deviation {std}");
    let options = GenerateOptions {
        max_tokens: 2,
        sampling: Sampling { temperature: 0.0, ..Sampling::default() },
        ..GenerateOptions::default()
    };
    let generation = block_on(engine.generate(&ids, &options, &Cancel::default(), &mut |_| ())).unwrap();
    assert_eq!(generation.tokens.len(), 2);
}

/// Logits of a prompt, bit for bit the same if no buffer may be larger than a fifth of the embedding.
fn limits_change_nothing() {
    let logits = |max_binding_bytes, max_buffer_bytes| {
        let gpu = GpuOptions { max_binding_bytes, max_buffer_bytes, ..GpuOptions::default() };
        // The variants are given: two loads may measure different ones.
        let options =
            here(&LoadOptions { context_length: Some(64), gpu, tuning: F32, ..LoadOptions::default() });
        let source = source("gemma-3-270m:q4_0");
        let mut engine = block_on(Engine::load(source, &options, &Cancel::default(), &mut |_| ())).unwrap();
        let ids: Vec<u32> = (0..20).map(|i| 1000 * i + 2).collect();
        let prompt = block_on(engine.logits(&ids, &Cancel::default())).unwrap();
        let decoded = block_on(engine.logits(&ids[..1], &Cancel::default())).unwrap();
        (prompt, decoded, engine.stats().counters.objects)
    };
    let (prompt, decoded, n_objects) = logits(Some(128 << 20), Some(256 << 20));
    let (prompt_in_parts, decoded_in_parts, n_objects_in_parts) = logits(Some(16 << 20), Some(28 << 20));
    assert!(n_objects_in_parts > n_objects, "nothing was split");
    assert!(prompt == prompt_in_parts, "a prompt through tiles");
    assert!(decoded == decoded_in_parts, "a single token");
}
