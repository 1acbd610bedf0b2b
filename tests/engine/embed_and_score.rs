//! Embeddings and scores of a text, against the model's results position by position.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use crate::support::chat_model::{load, options};
use crate::support::gpu::{NEED, adapter};
use crate::support::suite::{Test, needing};
use gemma_web::Cancel;
use pollster::block_on;

const MODELS: [&str; 3] = ["tiny-gemma1-q8_0", "tiny-gemma2-q4_0", "tiny-gemma3-q8_0"];

pub(crate) fn tests() -> Vec<Test> {
    let tests = MODELS.into_iter().map(|model| {
        needing(&format!("{model}: embedding and score"), NEED, adapter(), move |()| measures(model))
    });
    tests.collect()
}

fn measures(model: &str) {
    let mut engine = load(model, &options(512, 8));
    let text = "Alice was beginning to get very tired of sitting by her sister";
    let ids = engine.prompt_ids(text).unwrap();
    let found = block_on(engine.embed(text, &Cancel::default())).unwrap();
    let mut mean = vec![0.0_f32; found.len()];
    for n in 1..=ids.len() {
        let states = block_on(engine.hidden_states(&ids[..n])).unwrap();
        mean.iter_mut().zip(states.last().unwrap()).for_each(|(sum, x)| *sum += x / ids.len() as f32);
    }
    let largest = mean.iter().fold(0.0_f32, |max, x| max.max(x.abs()));
    let worst = found.iter().zip(&mean).fold(0.0_f32, |max, (a, b)| max.max((a - b).abs()));
    assert!(worst < 1e-4 * largest, "{model}: {worst} of {largest}");
    let score = block_on(engine.score_text(text, &Cancel::default())).unwrap();
    assert_eq!(score.tokens.iter().map(|token| token.id).collect::<Vec<_>>(), ids[1..]);
    let row = block_on(engine.logits(&ids[..3], &Cancel::default())).unwrap();
    let norm = row.iter().map(|l| f64::from(*l).exp()).sum::<f64>().ln();
    let exact = (f64::from(row[ids[3] as usize]) - norm) as f32;
    assert!((score.tokens[2].logprob - exact).abs() < 1e-4, "{:?}: {exact}", score.tokens[2]);
    let total: f64 = score.tokens.iter().map(|token| f64::from(token.logprob)).sum();
    assert!(
        (score.total - total).abs() < 1e-9
            && (score.perplexity.ln() + total / (ids.len() - 1) as f64).abs() < 1e-9
    );
}
