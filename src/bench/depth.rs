//! Decode speed at a depth: after many positions, which are not computed for each run.

use web_time::Instant;

use crate::cancel::Cancel;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::model::{Model, cpu};
use crate::sampler::{Sampling, argmax};

/// Tokens per second at positions `depth ..`, with as many tokens in flight as in [`Engine::generate`]. The
/// positions before keep their contents. The first of the `n_tokens` is not counted.
///
/// # Errors
/// As [`Engine::generate`].
pub(super) async fn decode_speed(
    engine: &Engine,
    depth: usize,
    n_tokens: usize,
    cancel: &Cancel,
) -> Result<f64> {
    let model = match engine.model()? {
        Model::Gpu(model) => model,
        Model::Cpu(model) => return decode_speed_on_cpu(engine, model, depth, n_tokens, cancel).await,
    };
    let greedy = Sampling::greedy();
    let settings = greedy
        .settings(0)
        .ok_or_else(|| Error::Internal { what: "the likeliest token is not chosen on the GPU".to_owned() })?;
    let bos = engine.tokenizer().bos().unwrap_or_default();
    model.begin(&vec![bos; depth + 1], depth, (&settings, &greedy.logit_bias), cancel).await?;
    let (mut next, end) = (depth + 2, depth + 1 + n_tokens);
    let (mut started, mut last) = (Instant::now(), Instant::now());
    for i in 0..n_tokens {
        model.next_token(&mut next, end).await?;
        cancel.check()?;
        last = Instant::now();
        if i == 0 {
            started = last;
        }
    }
    Ok(n_tokens.saturating_sub(1) as f64 / (last - started).as_secs_f64())
}

async fn decode_speed_on_cpu(
    engine: &Engine,
    model: &cpu::model::Model,
    depth: usize,
    n_tokens: usize,
    cancel: &Cancel,
) -> Result<f64> {
    let mut id = engine.tokenizer().bos().unwrap_or_default();
    let mut started = Instant::now();
    for i in 0..n_tokens {
        let logits = model.forward(&[id], depth + i, cancel).await?;
        id = argmax(&logits).unwrap_or_default();
        if i == 0 {
            started = Instant::now();
        }
    }
    Ok(n_tokens.saturating_sub(1) as f64 / started.elapsed().as_secs_f64())
}
