//! GPU work of a generated token. These numbers are the same on every machine: a regression fails here.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use crate::support::goldens::data;
use crate::support::gpu::{NEED, adapter, greedy, load};
use crate::support::suite::{Test, needing};
use gemma_web::Cancel;
use gemma_web::engine::{Engine, GenerateOptions, LoadOptions};
use gemma_web::gpu::Tuning;
use gemma_web::gpu::device::Counters;
use gemma_web::sampler::Sampling;
use libtest_mimic::Failed;
use pollster::block_on;

/// Every generation, and mixtures of one and of several formats.
const MODELS: [&str; 6] = [
    "tiny-gemma1-q4_0",
    "tiny-gemma1-mha-q4_k_m",
    "tiny-gemma2-q4_k_m",
    "tiny-gemma3-f16",
    "tiny-gemma3-q8_0",
    "tiny-gemma3-q4_k_m",
];

pub(crate) fn tests() -> Vec<Test> {
    let adapter = adapter();
    let mut list: Vec<Test> = Vec::new();
    for model in MODELS {
        let test = move |()| a_token_costs(model);
        list.push(needing(
            &format!("{model}: a token's dispatches, passes, submits, objects, bytes"),
            NEED,
            adapter,
            test,
        ));
    }
    list.push(needing("sampling costs what greedy does", NEED, adapter, |()| sampling()));
    list
}

fn engine(model: &str, tuning: Tuning) -> Result<Engine, Failed> {
    let options = LoadOptions { tuning: Some(tuning), ..LoadOptions::default() };
    Ok(load(&data(&format!("tiny/{model}.gguf")), &options)?)
}

/// Increase of the counters by `n` more tokens.
fn cost(
    engine: &mut Engine,
    n: u64,
    mut generate: impl FnMut(&mut Engine, usize) -> Result<(), Failed>,
) -> Result<Counters, Failed> {
    let mut spent = |engine: &mut Engine, n_tokens: usize| -> Result<Counters, Failed> {
        let before = engine.stats().counters;
        generate(engine, n_tokens)?;
        let after = engine.stats().counters;
        Ok(Counters {
            dispatches: after.dispatches - before.dispatches,
            passes: after.passes - before.passes,
            submits: after.submits - before.submits,
            objects: after.objects - before.objects,
            unscoped: 0,
            bytes_read: after.bytes_read - before.bytes_read,
            bytes_written: after.bytes_written - before.bytes_written,
        })
    };
    let (few, many) = (spent(engine, 4)?, spent(engine, 4 + n as usize)?);
    Ok(Counters {
        dispatches: (many.dispatches - few.dispatches) / n,
        passes: (many.passes - few.passes) / n,
        submits: (many.submits - few.submits) / n,
        objects: many.objects,
        unscoped: 0,
        bytes_read: (many.bytes_read - few.bytes_read) / n,
        bytes_written: (many.bytes_written - few.bytes_written) / n,
    })
}

fn expected(engine: &Engine) -> Counters {
    Counters {
        // Six for each block; embedding, logits and sampling.
        dispatches: 6 * engine.config().n_layers as u64 + 3,
        passes: 1,
        submits: 1,
        objects: 0,
        unscoped: 0,
        bytes_read: 4,
        // Position and row, for the step's kernels and for sampling.
        bytes_written: 32,
    }
}

fn a_token_costs(model: &str) -> Result<(), Failed> {
    for tuning in Tuning::ALL {
        let mut engine = engine(model, tuning)?;
        let found = cost(&mut engine, 20, |engine, n| {
            let options = GenerateOptions { ignore_end: true, ..GenerateOptions::greedy(n) };
            block_on(engine.generate(&[2, 10, 20], &options, &Cancel::default(), &mut |_| ()))?;
            Ok(())
        })?;
        let expected = expected(&engine);
        if found != expected {
            return Err(format!("{model} {tuning}: {found:?}, expected {expected:?}").into());
        }
    }
    // A prompt makes no object either, however often.
    let mut engine = engine(model, Tuning::ALL[0])?;
    let before = engine.stats().counters.objects;
    for ids in [vec![2], vec![2; 40], vec![2; 130]] {
        greedy(&mut engine, &ids, 2)?;
    }
    let n_objects = engine.stats().counters.objects - before;
    if n_objects > 0 { Err(format!("{n_objects} objects were made").into()) } else { Ok(()) }
}

/// Temperature, top-k, top-p, penalties and biases run in the same dispatches.
fn sampling() -> Result<(), Failed> {
    let mut engine = engine("tiny-gemma3-q8_0", Tuning::ALL[0])?;
    let found = cost(&mut engine, 20, |engine, n| {
        let options = GenerateOptions {
            max_tokens: n,
            sampling: Sampling {
                temperature: 0.9,
                top_k: 40,
                repetition_penalty: 1.1,
                ..Sampling::default()
            },
            ignore_end: true,
            seed: Some(1),
            ..GenerateOptions::default()
        };
        block_on(engine.generate(&[2, 10, 20], &options, &Cancel::default(), &mut |_| ()))?;
        Ok(())
    })?;
    let expected = expected(&engine);
    if found == expected { Ok(()) } else { Err(format!("{found:?}, expected {expected:?}").into()) }
}
