//! `gemma bench`: prompt and generation speed by llama-bench's definitions, and the counts of GPU work, which are the
//! same on every machine.

use gemma_web::Cancel;
use gemma_web::session::{Engine, GenerateOptions, Generation};
use pollster::block_on;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::args::Bench;
use super::load;
use super::output::{Failure, is_watched, note, print, print_json};

/// Speed of one of the two tests over its repetitions.
#[derive(Serialize)]
struct Test {
    /// Tokens of one repetition.
    tokens: usize,
    #[serde(rename = "tokensPerSecond")]
    speed: Spread,
    /// What the last repetition added to the counters.
    counts: Value,
}

#[derive(Serialize)]
struct Spread {
    median: f64,
    min: f64,
    max: f64,
    runs: Vec<f64>,
}

impl Spread {
    fn of(runs: Vec<f64>) -> Self {
        let mut sorted = runs.clone();
        sorted.sort_by(f64::total_cmp);
        let at = |ix: usize| sorted.get(ix).copied().unwrap_or_default();
        let median = (at(sorted.len() / 2) + at(sorted.len().saturating_sub(1) / 2)) / 2.0;
        Self { median, min: at(0), max: at(sorted.len().saturating_sub(1)), runs }
    }
}

pub(crate) fn bench(args: &Bench, json: bool) -> Result<(), Failure> {
    let mut options = args.model.load_options();
    options.context_length = options.context_length.or(Some(args.n_prompt.max(args.depth + args.n_gen) + 1));
    let mut engine = load::engine(&args.model, &options, json)?;
    let prompt = (args.n_prompt > 0).then(|| prompt_test(&mut engine, args)).transpose()?;
    let generation = (args.n_gen > 0).then(|| generation_test(&mut engine, args)).transpose()?;
    if json {
        return print_json(&json!({
            "model": engine.info(),
            "prompt": prompt,
            "generation": generation,
            "stats": engine.stats(),
        }));
    }
    for (name, test) in [("prompt", prompt), ("generation", generation)] {
        if let Some(Test { tokens, speed, counts }) = test {
            let Spread { median, min, max, .. } = speed;
            print(format_args!(
                "{name:<10} {tokens:>5} tokens  {median:>9.2} per second ({min:.2} to {max:.2})  {counts}\n"
            ))?;
        }
    }
    Ok(())
}

/// Prompts of that many tokens, each another one so that nothing of the last can be used again.
fn prompt_test(engine: &mut Engine, args: &Bench) -> Result<Test, Failure> {
    let n_vocab = engine.tokenizer().n_vocab();
    let bos = engine.tokenizer().bos().unwrap_or_default();
    repeat(engine, args.repetitions, |engine, run_ix| {
        let ids = pseudo_random_prompt(bos, run_ix as u64 + 1, args.n_prompt, n_vocab);
        let generation = generate(engine, &ids, 1)?;
        Ok((args.n_prompt, generation.timings.prompt_per_second))
    })
}

/// That many tokens after BOS, or at the depth asked for.
fn generation_test(engine: &mut Engine, args: &Bench) -> Result<Test, Failure> {
    let bos = engine.tokenizer().bos().unwrap_or_default();
    repeat(engine, args.repetitions, |engine, _| {
        if args.depth > 0 {
            return Ok((args.n_gen, block_on(engine.decode_speed(args.depth, args.n_gen))?));
        }
        let generation = generate(engine, &[bos], args.n_gen)?;
        Ok((generation.tokens.len(), generation.timings.decode_per_second))
    })
}

fn generate(engine: &mut Engine, ids: &[u32], max_tokens: usize) -> Result<Generation, Failure> {
    let ignore_end = true;
    let options = GenerateOptions { max_tokens, temperature: 0.0, ignore_end, ..GenerateOptions::default() };
    Ok(block_on(engine.generate(ids, &options, &Cancel::default(), &mut |_| ()))?)
}

/// One repetition that warms up and is not counted, then those that are.
fn repeat(
    engine: &mut Engine,
    n_runs: usize,
    mut run: impl FnMut(&mut Engine, usize) -> Result<(usize, f64), Failure>,
) -> Result<Test, Failure> {
    let (mut tokens, _) = run(engine, 0)?;
    let (mut runs, mut counts) = (Vec::with_capacity(n_runs), Value::Null);
    for run_ix in 1..=n_runs {
        let before = json!(engine.stats());
        let (n_tokens, speed) = run(engine, run_ix)?;
        counts = increase(&before, &json!(engine.stats()));
        tokens = n_tokens;
        runs.push(speed);
        if is_watched() {
            note(format_args!("{run_ix} of {n_runs}: {speed:.2} tokens per second"));
        }
    }
    Ok(Test { tokens, speed: Spread::of(runs), counts })
}

/// The counters of `after` less those of `before`, by name; what is held or timed is no counter.
fn increase(before: &Value, after: &Value) -> Value {
    let counters = after.as_object().into_iter().flatten();
    let added = counters.filter_map(|(name, value)| {
        let n_added = value.as_u64()?.saturating_sub(before[name].as_u64()?);
        Some((name.clone(), json!(n_added)))
    });
    Value::Object(added.collect::<Map<_, _>>())
}

/// BOS, then ids without a meaning: their values make no difference to the work.
fn pseudo_random_prompt(bos: u32, seed: u64, n_ids: usize, n_vocab: usize) -> Vec<u32> {
    let mut state = seed;
    let mut next = || {
        // Knuth's 64-bit linear congruential generator; the high bits are the good ones.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) % n_vocab.max(1) as u64) as u32
    };
    (0..n_ids).map(|i| if i == 0 { bos } else { next() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(Spread::of(vec![3.0, 1.0, 2.0]).median, 2.0);
        let even = Spread::of(vec![4.0, 1.0, 2.0, 3.0]);
        assert_eq!((even.median, even.min, even.max), (2.5, 1.0, 4.0));
        assert_eq!(even.runs, [4.0, 1.0, 2.0, 3.0], "in the order they were run");
    }

    #[test]
    fn counts_are_what_a_run_added() {
        let before = json!({ "a": 3, "held": { "kv": 7 }, "ms": 0.5 });
        let after = json!({ "a": 5, "held": { "kv": 7 }, "ms": 0.5 });
        assert_eq!(increase(&before, &after), json!({ "a": 2 }));
    }

    #[test]
    fn ids_stay_in_the_vocabulary_and_differ_by_seed() {
        let ids = pseudo_random_prompt(2, 1, 100, 50);
        assert_eq!((ids.len(), ids.first()), (100, Some(&2)), "BOS is one of them");
        assert!(ids.iter().all(|id| *id < 50), "{ids:?}");
        assert_ne!(ids, pseudo_random_prompt(2, 2, 100, 50), "another seed");
    }
}
