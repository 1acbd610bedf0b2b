//! `Gemma 3 270M Q4_K_M` against its exact results in tests/data/real. The file is not in the repository: the environment
//! variable `GEMMA_WEB_MODEL` holds its path, and without it these tests are reported as ignored.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]
#![allow(clippy::print_stderr, reason = "how much was compared belongs to the result")]

use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::support::compare::{Greedy, close};
use crate::support::goldens::{Prompt, array, data, goldens};
use crate::support::gpu::{self, greedy};
use crate::support::suite::{Test, needing};
use crate::support::tolerances;
use gemma_web::engine::{DeviceChoice, Engine, KvType, LoadOptions};
use gemma_web::gpu::Tuning;
use gemma_web::source::native::file::FileSource;
use gemma_web::tokenizer::Special;
use gemma_web::tokenizer::Tokenizer;
use gemma_web::{Cancel, gguf};
use libtest_mimic::Failed;
use pollster::block_on;

/// Bytes of the file that the goldens are of.
const MODEL_BYTES: u64 = 253_113_024;
const EXACT_PERPLEXITY: f64 = 20.31258;
/// Tokens whose perplexity with int8 activations is compared: a window and a quarter.
const INT8_TOKENS: usize = 640;
/// Tokens whose perplexity is compared on the CPU in f32.
const EXACT_TOKENS: usize = 256;
/// The prompt that is longer than a window.
const LONG: &str = "long";
/// The need of the tests, if it is missing.
const FILE: &str = "GEMMA_WEB_MODEL, the path of gemma-3-270m-q4_k_m.gguf";
const MODEL: &str = "gemma-3-270m";

pub(crate) fn tests() -> Vec<Test> {
    let path = std::env::var_os("GEMMA_WEB_MODEL").map(PathBuf::from);
    // Without a file, no adapter is needed.
    let adapter = path.as_ref().and_then(|_| gpu::adapter());
    let need = match &path {
        Some(_) => gpu::NEED,
        None => FILE,
    };
    let found = path.clone().zip(adapter).map(|(path, ())| path);
    let on_device = |name: &str, test: fn(&Path) -> Result<(), Failed>| {
        needing(name, need, found.clone(), move |path| test(&path))
    };
    vec![
        needing("ids of every prompt", FILE, path.clone(), |path| ids(&path)),
        on_device("logits and greedy ids, f16 cache", default_cache),
        on_device("logits and greedy ids, f32 cache", exact_cache),
        on_device("logits and perplexity with int8 activations", int8),
        on_device(
            if on_cpu() {
                "perplexity of 256 tokens, f16 cache"
            } else {
                "perplexity of 2048 tokens, f16 cache"
            },
            perplexity,
        ),
    ]
}

fn on_cpu() -> bool {
    crate::DEVICE == DeviceChoice::Cpu
}

fn load(path: &Path, kv: KvType, tuning: Option<Tuning>) -> Result<Engine, Failed> {
    let n_bytes = std::fs::metadata(path).map_err(|e| format!("{}: {e}", path.display()))?.len();
    if n_bytes != MODEL_BYTES {
        return Err(
            format!("{} has {n_bytes} bytes, the file of the goldens {MODEL_BYTES}", path.display()).into()
        );
    }
    let options = LoadOptions { kv, tuning, context_length: Some(2048), ..LoadOptions::default() };
    Ok(gpu::load(path, &options)?)
}

fn ids(path: &Path) -> Result<(), Failed> {
    let mut source = FileSource::open(path)?;
    let (header, _) = block_on(gguf::read_header(&mut source, &Cancel::default()))?;
    let tokenizer = Tokenizer::from_gguf(&header.metadata)?;
    let goldens = goldens("real/gemma3-270m");
    let agree = |name: &str, text: &str, exact: &[u32]| {
        // The prompt `turns` has control tokens in its text.
        let special = if name == "turns" { Special::Parse } else { Special::AsText };
        let mut found: Vec<u32> = tokenizer.bos().into_iter().collect();
        found.extend(tokenizer.encode(text, special)?);
        found.truncate(exact.len());
        if found == exact {
            Ok(())
        } else {
            Err(Failed::from(format!("{name}: ids {found:?}, expected {exact:?}")))
        }
    };
    for prompt in &goldens.prompts {
        agree(&prompt.name, &prompt.text, &prompt.ids)?;
    }
    agree("ppl-text.txt", &std::fs::read_to_string(data("real/ppl-text.txt"))?, &goldens.ppl_ids)
}

fn default_cache(path: &Path) -> Result<(), Failed> {
    let mut engine = load(path, KvType::F16, gpu::F32)?;
    // An exact step decodes every weight again, which takes the CPU of a test build a second.
    if on_cpu() {
        agree(&mut engine, true, |name| if name == LONG { 0 } else { 3 }, 12)
    } else {
        agree(&mut engine, true, |_| 16, 110)
    }
}

fn exact_cache(path: &Path) -> Result<(), Failed> {
    let mut engine = load(path, KvType::F32, gpu::F32)?;
    if on_cpu() {
        return agree(&mut engine, false, |name| if name == LONG { 0 } else { 1 }, 4);
    }
    // A greedy text computes its prompt again; the f16 cache is tested with that of the long one.
    agree(&mut engine, false, |name| if name == LONG { 0 } else { 8 }, 60)
}

fn agree(
    engine: &mut Engine,
    f16_kv: bool,
    max_steps: fn(&str) -> usize,
    min_compared: usize,
) -> Result<(), Failed> {
    let goldens = goldens("real/gemma3-270m");
    let max_abs = tolerances::logits(MODEL, f16_kv).max_abs;
    let every16 = array("real/gemma3-270m.logits-every16");
    let mut n_compared = 0;
    let started = Instant::now();
    for Prompt { name, ids, row, top20, greedy: exact, margins, .. } in &goldens.prompts {
        let logits = block_on(engine.logits(ids, &Cancel::default()))?;
        let sixteenth: Vec<f32> = logits.iter().step_by(16).copied().collect();
        let distance = close(&format!("{name}, every 16th logit"), every16.at(&[*row]), &sixteenth, max_abs)?;
        let (exact_top, top): (Vec<f32>, Vec<f32>) =
            top20.iter().map(|(id, l)| (l, logits[*id as usize])).unzip();
        close(&format!("{name}, highest 20 logits"), &exact_top, &top, max_abs)?;

        let end_ids = engine.tokenizer().end_tokens().to_vec();
        let whole = Greedy { ids: exact, margins, end_ids: &end_ids };
        // Steps that cannot be compared are not worth their time: a second each on a software GPU.
        let n_steps = whole.n_sure(max_abs).max(1).min(max_steps(name));
        let found = if n_steps == 0 { Vec::new() } else { greedy(engine, ids, n_steps)? };
        let part = Greedy { ids: &exact[..n_steps], margins: &margins[..n_steps], ..whole };
        let n = part.check(&format!("{name}, greedy"), &found, max_abs)?;
        n_compared += n;
        eprintln!(
            "{name}: logits within {:.1e}, {n} of {n_steps} greedy steps compared, {:.0?}",
            distance.max,
            started.elapsed()
        );
    }
    if n_compared < min_compared {
        return Err(format!("only {n_compared} greedy steps were compared, expected {min_compared}").into());
    }
    Ok(())
}

/// Int8 activations, in both variants, and their perplexity in one: the two give the same within f32 rounding. Where there is a
/// perplexity, its tokens stand for the long prompt.
fn int8(path: &Path) -> Result<(), Failed> {
    let (goldens, every16) = (goldens("real/gemma3-270m"), array("real/gemma3-270m.logits-every16"));
    let of_device: &[&str] = if on_cpu() { &["int8/1"] } else { &["int8/32", "int8/1"] };
    for &tuning in of_device {
        let mut engine = load(path, KvType::F16, Some(tuning.parse()?))?;
        let scores = tuning == "int8/1";
        for Prompt { name, ids, row, .. } in &goldens.prompts {
            if scores && name == LONG && !on_cpu() {
                continue;
            }
            let logits = block_on(engine.logits(ids, &Cancel::default()))?;
            let sixteenth: Vec<f32> = logits.iter().step_by(16).copied().collect();
            let what = format!("{name}, every 16th logit with {tuning}");
            let distance = close(&what, every16.at(&[*row]), &sixteenth, tolerances::INT8_MAX)?;
            eprintln!("{what}: within {:.2} (rms {:.3})", distance.max, distance.rms);
            if distance.rms > tolerances::INT8_RMS {
                return Err(format!("{what}: rms {}, at most {}", distance.rms, tolerances::INT8_RMS).into());
            }
        }
        if scores {
            int8_perplexity(&mut engine)?;
        }
    }
    Ok(())
}

fn int8_perplexity(engine: &mut Engine) -> Result<(), Failed> {
    let (ids, exact) = (goldens("real/gemma3-270m").ppl_ids, array("real/gemma3-270m.ppl-nll"));
    // A software GPU takes seconds for what a CPU does in one.
    let n = if on_cpu() { ids.len() } else { INT8_TOKENS };
    let nll = block_on(engine.score(&ids[..n], &Cancel::default(), &mut |_| ()))?;
    perplexity_within(&nll, perplexity_of(&exact.at(&[])[..n - 1]), tolerances::INT8_PERPLEXITY_RELATIVE)
}

fn perplexity_of(nll: &[f32]) -> f64 {
    (nll.iter().map(|x| f64::from(*x)).sum::<f64>() / nll.len() as f64).exp()
}

fn perplexity_within(nll: &[f32], exact: f64, relative: f64) -> Result<(), Failed> {
    let perplexity = perplexity_of(nll);
    eprintln!("perplexity {perplexity:.5}, exact {exact:.5}");
    if (perplexity / exact - 1.0).abs() > relative {
        return Err(format!("perplexity {perplexity}, expected {exact}").into());
    }
    Ok(())
}

fn perplexity(path: &Path) -> Result<(), Failed> {
    let mut engine = load(path, KvType::F16, gpu::F32)?;
    let ids = goldens("real/gemma3-270m").ppl_ids;
    // The CPU scores all with int8; in f32 it takes minutes in a test build.
    let n = if on_cpu() { EXACT_TOKENS } else { ids.len() };
    let nll = block_on(engine.score(&ids[..n], &Cancel::default(), &mut |_| ()))?;
    let exact = array("real/gemma3-270m.ppl-nll");
    let exact = &exact.at(&[])[..n - 1];
    // A single token may be a little further off than the mean; llama.cpp with exact weights is within 0.007.
    close("NLL of every token", exact, &nll, 0.1)?;
    if !on_cpu() && (perplexity_of(exact) / EXACT_PERPLEXITY - 1.0).abs() > 1e-6 {
        return Err(format!("the goldens have the perplexity {}", perplexity_of(exact)).into());
    }
    perplexity_within(&nll, perplexity_of(exact), tolerances::PERPLEXITY_RELATIVE)
}
