//! Gate of the benchmark: the results must be right before anything is timed, since the speed of wrong
//! results means nothing.

use web_time::Instant;

use super::options::LEAST_CONTEXT;
use super::report::Gate;
use crate::cancel::Cancel;
use crate::engine::{Engine, GenerateOptions};
use crate::error::{Error, Result};
use crate::sampler::argmax;

/// A text whose first tokens are the prompt: more tokens than one step of the decode path takes.
const TEXT: &str = "Alice was beginning to get very tired of sitting by her sister on the bank, and of having nothing to do: \
    once or twice she had peeped into the book her sister was reading, but it had no pictures or conversations in it.";
const N_PROMPT: usize = 32;
const N_TOKENS: usize = 8;
/// Indices of the generated tokens that are compared with a prompt computed at once.
const COMPARED: [usize; 4] = [1, 3, 5, 7];
/// Largest allowed gap: two roundings of one sum may prefer different tokens, but then the other one is a
/// close second. The best of a vocabulary lies four or five standard deviations above the mean, and the token
/// that a wrong kernel prefers lies as far below the best.
const TOLERANCE: f64 = 0.5;

/// Checks that the model is repeatable, that decoding token by token agrees with prompts computed at once,
/// and that all logits are finite. Also returns the time to the first token, in milliseconds.
///
/// # Errors
/// [`Error::Inconsistent`] if the results are wrong; those of [`Engine::generate`].
pub(super) async fn check(engine: &mut Engine, cancel: &Cancel) -> Result<(Gate, f64)> {
    let mut ids = engine.prompt_ids(TEXT)?;
    ids.truncate(N_PROMPT.min(LEAST_CONTEXT - N_TOKENS));
    let options = GenerateOptions { ignore_end: true, ..GenerateOptions::greedy(N_TOKENS) };
    let (started, mut first) = (Instant::now(), None);
    let mut on_token = |_: &_| {
        first.get_or_insert_with(|| started.elapsed());
    };
    let tokens = engine.generate(&ids, &options, cancel, &mut on_token).await?.tokens;
    let again = engine.generate(&ids, &options, cancel, &mut |_| ()).await?.tokens;
    if tokens != again {
        let why = format!("two runs gave {tokens:?} and {again:?}");
        return Err(Error::Inconsistent { what: "generating with temperature 0".to_owned(), why });
    }
    let (mut same, mut worst_gap) = (0, 0.0_f64);
    for n_before in COMPARED {
        let Some(token) = tokens.get(n_before) else { continue };
        let context: Vec<u32> = ids.iter().chain(&tokens[..n_before]).copied().collect();
        let gap = gap(&engine.logits(&context, cancel).await?, *token, context.len())?;
        same += usize::from(gap == 0.0);
        worst_gap = worst_gap.max(gap);
    }
    let compared = COMPARED.len();
    let gate = Gate { prompt_tokens: ids.len(), tokens, compared, same, worst_gap, tolerance: TOLERANCE };
    Ok((gate, first.map_or(0.0, |first| first.as_secs_f64() * 1e3)))
}

/// Distance of the logit of `token` below the highest, in standard deviations of all.
///
/// # Errors
/// [`Error::Inconsistent`] above the tolerance, or if a logit is not finite.
fn gap(logits: &[f32], token: u32, position: usize) -> Result<f64> {
    let what = format!("position {position}");
    let best = argmax(logits).unwrap_or_default();
    if let Some(id) = logits.iter().position(|logit| !logit.is_finite()) {
        let why = format!("the logit of token {id} is {}", logits[id]);
        return Err(Error::Inconsistent { what, why });
    }
    let at = |id: u32| logits.get(id as usize).map_or(f64::NAN, |logit| f64::from(*logit));
    let n = logits.len() as f64;
    let mean = logits.iter().map(|l| f64::from(*l)).sum::<f64>() / n;
    let variance = logits.iter().map(|l| (f64::from(*l) - mean).powi(2)).sum::<f64>() / n;
    let gap = (at(best) - at(token)) / variance.sqrt().max(f64::MIN_POSITIVE);
    if gap <= TOLERANCE {
        return Ok(gap);
    }
    let why = format!(
        "token by token it chooses {token}, at once {best}, whose logit is {gap:.2} standard deviations higher (at most {TOLERANCE})"
    );
    Err(Error::Inconsistent { what, why })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_second_passes_and_others_do_not() {
        let mut logits = vec![0.0_f32; 1000];
        logits.iter_mut().enumerate().for_each(|(i, logit)| *logit = (i % 7) as f32);
        logits[3] = 10.0;
        logits[4] = 9.9;
        assert_eq!(gap(&logits, 3, 0).unwrap(), 0.0);
        assert!(gap(&logits, 4, 0).is_ok_and(|gap| gap > 0.0), "a close second");
        assert!(matches!(gap(&logits, 5, 0), Err(Error::Inconsistent { .. })), "far below");
        logits[500] = f32::NAN;
        assert!(matches!(gap(&logits, 3, 0), Err(Error::Inconsistent { .. })), "no number");
    }
}
