//! Every tiny model, on the GPU and on the CPU, against the exact results in tests/data/tiny.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]
#![allow(clippy::print_stderr, reason = "how much was compared belongs to the result")]

use crate::support::compare::{Distance, Greedy, close};
use crate::support::goldens::{Goldens, Prompt, array, data, goldens};
use crate::support::gpu::{self, greedy};
use crate::support::suite::{Test, needing};
use crate::support::tolerances;
use gemma_web::Cancel;
use gemma_web::engine::{DeviceChoice, Engine, KvType, LoadOptions, SelfTest};
use gemma_web::gpu::GpuOptions;
use gemma_web::gpu::options::FaultInjection;
use libtest_mimic::Failed;
use pollster::block_on;

const MODELS: [&str; 15] = [
    "tiny-gemma1-f16",
    "tiny-gemma1-q8_0",
    "tiny-gemma1-q4_0",
    "tiny-gemma1-q4_k_m",
    "tiny-gemma1-mha-f16",
    "tiny-gemma1-mha-q4_0",
    "tiny-gemma1-mha-q4_k_m",
    "tiny-gemma2-f16",
    "tiny-gemma2-q4_0",
    "tiny-gemma2-q4_k_m",
    "tiny-gemma3-f16",
    "tiny-gemma3-q8_0",
    "tiny-gemma3-q4_0",
    "tiny-gemma3-q4_k_m",
    "tiny-gemma3-rs8-q4_0",
];

pub(crate) fn tests() -> Vec<Test> {
    let adapter = gpu::adapter();
    let on_device = |model: &'static str, what: &str, test: fn(&str) -> Result<(), Failed>| {
        needing(&format!("{model}: {what}"), gpu::NEED, adapter, move |()| test(model))
    };
    let mut list: Vec<Test> = Vec::new();
    for model in MODELS {
        list.push(on_device(model, "logits and greedy ids, f32 cache", exact_cache));
        list.push(on_device(model, "logits and greedy ids, f16 cache", default_cache));
        list.push(on_device(model, "prefill in chunks of 1 and 7", chunks));
        list.push(match crate::DEVICE {
            DeviceChoice::Cpu => on_device(model, "1, 2, 3 and 5 workers, bit for bit", workers),
            _ => on_device(model, "matrices and caches split over many bindings", split),
        });
        if model.ends_with("-f16") {
            list.push(on_device(model, "hidden states of every layer", hidden_states));
        } else {
            list.push(on_device(model, "logits with int8 activations", int8));
        }
    }
    // Mistakes are planted in the text of a shader.
    if crate::DEVICE == DeviceChoice::Gpu {
        list.push(needing("a mistake between chunks is noticed", gpu::NEED, adapter, |()| mistakes()));
    }
    list
}

fn load(model: &str, kv: KvType, prefill_chunk: usize) -> Result<Engine, Failed> {
    let options = LoadOptions { kv, prefill_chunk, tuning: gpu::F32, ..LoadOptions::default() };
    Ok(gpu::load(&data(&format!("tiny/{model}.gguf")), &options)?)
}

fn exact_cache(model: &str) -> Result<(), Failed> {
    let mut engine = load(model, KvType::F32, 64)?;
    let max_abs = tolerances::logits(model, false).max_abs;
    let goldens = goldens(&format!("tiny/{model}"));
    logits_agree(&mut engine, model, &goldens, max_abs)?;
    let (n_compared, n_steps) = greedy_agrees(&mut engine, &goldens, max_abs, 32)?;
    eprintln!("{model}: {n_compared} of {n_steps} greedy steps compared, f32 cache");
    if (n_compared as f32) < tolerances::MIN_COMPARED * n_steps as f32 {
        return Err(format!("only {n_compared} of {n_steps} greedy steps were compared").into());
    }
    Ok(())
}

fn default_cache(model: &str) -> Result<(), Failed> {
    let mut engine = load(model, KvType::F16, 64)?;
    let max_abs = tolerances::logits(model, true).max_abs;
    let goldens = goldens(&format!("tiny/{model}"));
    logits_agree(&mut engine, model, &goldens, max_abs)?;
    let (n_compared, n_steps) = greedy_agrees(&mut engine, &goldens, max_abs, 16)?;
    eprintln!("{model}: {n_compared} of {n_steps} greedy steps compared, f16 cache");
    Ok(())
}

fn logits_agree(engine: &mut Engine, model: &str, goldens: &Goldens, max_abs: f32) -> Result<(), Failed> {
    let exact = array(&format!("tiny/{model}.logits"));
    let mut worst = Distance { max: 0.0, rms: 0.0 };
    for prompt in &goldens.prompts {
        let found = block_on(engine.logits(&prompt.ids, &Cancel::default()))?;
        let distance = close(&format!("{}, logits", prompt.name), exact.at(&[prompt.row]), &found, max_abs)?;
        worst = Distance { max: worst.max.max(distance.max), rms: worst.rms.max(distance.rms) };
    }
    eprintln!("{model}: logits within {:.2e} (rms {:.2e}) of {max_abs:e}", worst.max, worst.rms);
    Ok(())
}

/// Steps compared, of all.
fn greedy_agrees(
    engine: &mut Engine,
    goldens: &Goldens,
    max_abs: f32,
    n_steps_each: usize,
) -> Result<(usize, usize), Failed> {
    let (mut n_compared, mut n_steps) = (0, 0);
    for Prompt { name, ids, greedy: exact, margins, .. } in &goldens.prompts {
        let n = n_steps_each.min(exact.len());
        let (exact, margins) = (&exact[..n], &margins[..n]);
        let found = greedy(engine, ids, n)?;
        let end_ids = engine.tokenizer().end_tokens();
        let exact = Greedy { ids: exact, margins, end_ids };
        n_compared += exact.check(&format!("{name}, greedy"), &found, max_abs)?;
        n_steps += margins.len();
    }
    Ok((n_compared, n_steps))
}

/// Every way of making products with int8 activations.
fn int8(model: &str) -> Result<(), Failed> {
    let (exact, max_abs) = (array(&format!("tiny/{model}.logits")), tolerances::INT8_MAX);
    let of_device: &[&str] =
        if crate::DEVICE == DeviceChoice::Cpu { &["int8"] } else { &["int8/1", "int8/32"] };
    for tuning in of_device {
        let options =
            LoadOptions { kv: KvType::F32, tuning: Some(tuning.parse()?), ..LoadOptions::default() };
        let engine = &mut gpu::load(&data(&format!("tiny/{model}.gguf")), &options)?;
        let mut worst = Distance { max: 0.0, rms: 0.0 };
        for prompt in &goldens(&format!("tiny/{model}")).prompts {
            let found = block_on(engine.logits(&prompt.ids, &Cancel::default()))?;
            let what = format!("{}, logits with {tuning}", prompt.name);
            let distance = close(&what, exact.at(&[prompt.row]), &found, max_abs)?;
            worst = Distance { max: worst.max.max(distance.max), rms: worst.rms.max(distance.rms) };
            if distance.rms > tolerances::INT8_RMS {
                return Err(format!("{what}: rms {}, at most {}", distance.rms, tolerances::INT8_RMS).into());
            }
        }
        eprintln!("{model}, {tuning}: logits within {:.2e} (rms {:.2e})", worst.max, worst.rms);
    }
    Ok(())
}

/// However the prompt is cut, the tokens are the same; the tests above use chunks of 64.
fn chunks(model: &str) -> Result<(), Failed> {
    for prefill_chunk in [1, 7] {
        chunks_of(&mut load(model, KvType::F32, prefill_chunk)?, model, prefill_chunk)?;
    }
    Ok(())
}

fn chunks_of(engine: &mut Engine, model: &str, prefill_chunk: usize) -> Result<(), Failed> {
    let max_abs = tolerances::logits(model, false).max_abs;
    let mut goldens = goldens(&format!("tiny/{model}"));
    // On a software GPU a chunk costs about the same whatever its size, so chunks of 1 stop behind two windows.
    goldens.prompts.retain(|prompt| prefill_chunk > 1 || prompt.ids.len() <= 2 * 16 + 1);
    logits_agree(engine, model, &goldens, max_abs)?;
    // The steps read the cache that the chunks left; where nothing came round, the logits above did.
    goldens.prompts.retain(|prompt| prompt.ids.len() > 2 * 16);
    greedy_agrees(engine, &goldens, max_abs, 8)?;
    Ok(())
}

/// Small mistakes: keys have wrong places, and local layers see a key too few.
const PLANTED: [FaultInjection; 2] = [
    FaultInjection { kernel: "qk_norm_rope", from: "% params.n_slots", to: "% (params.n_slots - 1u)" },
    FaultInjection {
        kernel: "attention_prefill",
        from: "vec4<u32>(first_key(position, params.window))",
        to: "vec4<u32>(first_key(position, params.window) + select(0u, 1u, params.window > 0u))",
    },
];

/// The prompts that are left notice each, in chunks of either size.
fn mistakes() -> Result<(), Failed> {
    let model = "tiny-gemma3-q8_0";
    for (fault, prefill_chunk) in PLANTED.into_iter().flat_map(|fault| [(fault, 1), (fault, 7)]) {
        let options = LoadOptions {
            kv: KvType::F32,
            prefill_chunk,
            tuning: gpu::F32,
            gpu: GpuOptions { inject: Some(fault), ..GpuOptions::default() },
            self_test: SelfTest::Off,
            ..LoadOptions::default()
        };
        let mut engine = gpu::load(&data(&format!("tiny/{model}.gguf")), &options)?;
        if chunks_of(&mut engine, model, prefill_chunk).is_ok() {
            return Err(format!("nobody noticed {fault:?} in chunks of {prefill_chunk}").into());
        }
    }
    Ok(())
}

/// However many workers share a model, every bit is the same.
fn workers(model: &str) -> Result<(), Failed> {
    let prompts = goldens(&format!("tiny/{model}")).prompts;
    for tuning in ["f32", "int8"] {
        let run = |threads| -> Result<Vec<[Vec<u32>; 2]>, Failed> {
            let options = LoadOptions {
                threads: Some(threads),
                tuning: Some(tuning.parse()?),
                prefill_chunk: 8,
                ..LoadOptions::default()
            };
            let engine = &mut gpu::load(&data(&format!("tiny/{model}.gguf")), &options)?;
            let mut all = Vec::new();
            for Prompt { ids, .. } in &prompts {
                let logits = block_on(engine.logits(ids, &Cancel::default()))?;
                all.push([logits.into_iter().map(f32::to_bits).collect(), greedy(engine, ids, 8)?]);
            }
            Ok(all)
        };
        let alone = run(1)?;
        for threads in [2, 3, 5] {
            if run(threads)? != alone {
                return Err(format!("{threads} workers differ from one with {tuning}").into());
            }
        }
    }
    Ok(())
}

/// The longest prompt and 32 tokens more.
const SPLIT_CONTEXT: usize = 168;

/// A binding limit that holds one head of an f32 cache of [`SPLIT_CONTEXT`] positions, and little else.
fn low_limit(model: &str) -> u64 {
    match model {
        m if m.starts_with("tiny-gemma1-mha") => 96 << 10,
        m if m.starts_with("tiny-gemma1") => 176 << 10,
        _ => 72 << 10,
    }
}

/// Bindings far too small for the embedding, and for a cache of several heads, change no token.
fn split(model: &str) -> Result<(), Failed> {
    let load = |max_binding_bytes| -> Result<Engine, Failed> {
        let limits = GpuOptions { max_binding_bytes, ..GpuOptions::default() };
        let options = LoadOptions {
            kv: KvType::F32,
            context_length: Some(SPLIT_CONTEXT),
            prefill_chunk: 8,
            tuning: gpu::F32,
            gpu: limits,
            // Its matrices are small against any adapter's limits, but not against these.
            self_test: SelfTest::Off,
            ..LoadOptions::default()
        };
        Ok(gpu::load(&data(&format!("tiny/{model}.gguf")), &options)?)
    };
    let dispatches = |engine: &mut Engine| -> Result<u64, Failed> {
        let before = engine.stats().counters.dispatches;
        block_on(engine.logits(&[2], &Cancel::default()))?;
        Ok(engine.stats().counters.dispatches - before)
    };
    let (mut whole, mut parts) = (load(None)?, load(Some(low_limit(model)))?);
    let (n_whole, n_parts) = (dispatches(&mut whole)?, dispatches(&mut parts)?);
    // The Q6_K embedding of the tiny Gemma 1 fits beside its one head.
    let fits = ["tiny-gemma1-q4_0", "tiny-gemma1-q4_k_m"].contains(&model);
    if (n_parts == n_whole) != fits {
        return Err(format!("{n_parts} dispatches in parts, {n_whole} whole").into());
    }
    let (mut goldens, max_abs) =
        (goldens(&format!("tiny/{model}")), tolerances::logits(model, false).max_abs);
    logits_agree(&mut parts, model, &goldens, max_abs)?;
    // A step reads every part of every matrix and cache; a window has 16 positions.
    goldens.prompts.retain(|prompt| [1, 17, 130].contains(&prompt.ids.len()));
    greedy_agrees(&mut parts, &goldens, max_abs, 16)?;
    Ok(())
}

fn hidden_states(model: &str) -> Result<(), Failed> {
    let mut engine = load(model, KvType::F32, 64)?;
    let exact = array(&format!("tiny/{model}.hidden"));
    for prompt in goldens(&format!("tiny/{model}")).prompts {
        let rows = block_on(engine.hidden_states(&prompt.ids))?;
        if rows.len() != exact.shape[1] {
            return Err(format!("{} hidden states, expected {}", rows.len(), exact.shape[1]).into());
        }
        for (state_ix, found) in rows.iter().enumerate() {
            let row = exact.at(&[prompt.row, state_ix]);
            let largest = row.iter().fold(0_f32, |max, x| max.max(x.abs()));
            let what = format!("{}, hidden state {state_ix}", prompt.name);
            close(&what, row, found, largest * tolerances::HIDDEN_RELATIVE)?;
        }
    }
    Ok(())
}
