//! `gemma eval` and `gemma perplexity`: logits and likelihood of given tokens.

use gemma_web::{Cancel, Error};
use pollster::block_on;
use serde::Serialize;

use super::args::{Eval, Perplexity};
use super::load;
use super::output::{Failure, print, print_json};

#[derive(Serialize)]
struct Logits {
    logits: Vec<Logit>,
}

#[derive(Serialize)]
struct Logit {
    id: u32,
    logit: f32,
}

pub(crate) fn eval(args: &Eval, json: bool) -> Result<(), Failure> {
    let mut engine = load::engine(&args.model, &args.model.load_options(), json)?;
    let ids = match &args.prompt.prompt {
        Some(prompt) => engine.prompt_ids(prompt)?,
        None => args.prompt.ids.clone(),
    };
    let row = block_on(engine.logits(&ids, &Cancel::default()))?;
    let logits = highest(&row, args.top);
    if json {
        return print_json(&Logits { logits });
    }
    for Logit { id, logit } in logits {
        let piece = engine.tokenizer().piece(id).unwrap_or_default();
        print(format_args!("{id:>7} {logit:>12.6}  {piece:?}\n"))?;
    }
    Ok(())
}

/// The `n` highest logits, highest first; equal ones in the order of their ids.
fn highest(row: &[f32], n: usize) -> Vec<Logit> {
    let mut all: Vec<Logit> = row.iter().zip(0..).map(|(logit, id)| Logit { id, logit: *logit }).collect();
    all.sort_by(|a, b| b.logit.total_cmp(&a.logit));
    all.truncate(n);
    all
}

#[derive(Serialize)]
struct Score {
    /// exp(nll)
    perplexity: f64,
    /// Mean negative log-likelihood of the tokens after the first, nats.
    nll: f64,
    /// Tokens in the window, BOS included.
    tokens: usize,
}

pub(crate) fn perplexity(args: &Perplexity, json: bool) -> Result<(), Failure> {
    let path = &args.file;
    let text = std::fs::read_to_string(path)
        .map_err(|e| Error::Io { path: path.display().to_string(), why: e.to_string() })?;
    let mut options = args.model.load_options();
    // The window sets the context, unless an option does.
    options.context_length = options.context_length.or(args.tokens);
    let mut engine = load::engine(&args.model, &options, json)?;
    let mut ids = engine.prompt_ids(&text)?;
    if let Some(n_tokens) = args.tokens
        && n_tokens > ids.len()
    {
        return Err(Failure::usage(
            "--tokens",
            n_tokens,
            format!("at most {}, which is the whole text", ids.len()),
        ));
    }
    ids.truncate(args.tokens.unwrap_or(engine.info().context_length));
    if ids.len() < 2 {
        return Err(Failure::usage("--file", path.display(), "a text of at least one token"));
    }
    let bar = load::tokens_bar(ids.len());
    let nll = block_on(engine.score(&ids, &Cancel::default(), &mut |n_done| {
        bar.set_position(n_done as u64);
    }));
    bar.finish_and_clear();
    let nll = nll?;
    let mean = nll.iter().map(|x| f64::from(*x)).sum::<f64>() / nll.len() as f64;
    let score = Score { perplexity: mean.exp(), nll: mean, tokens: ids.len() };
    if json {
        return print_json(&score);
    }
    print(format_args!(
        "perplexity {:.4} (mean NLL {:.6}) over {} tokens\n",
        score.perplexity, score.nll, score.tokens
    ))
}

#[cfg(test)]
mod tests {
    use super::highest;

    #[test]
    fn the_highest_logits_come_first_and_ties_by_id() {
        let ids: Vec<u32> = highest(&[1.0, 3.0, -2.0, 3.0, 2.0], 3).iter().map(|logit| logit.id).collect();
        assert_eq!(ids, [1, 3, 4]);
        assert_eq!(highest(&[1.0, 2.0], 20).len(), 2, "fewer than asked for");
    }
}
