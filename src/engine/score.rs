//! Scores and embeddings: the likelihood of a text, token by token, and its vector.

use serde::Serialize;

use super::result::{log_sum_exp, text_of};
use super::state::Engine;
use crate::cancel::Cancel;
use crate::error::{Error, Result};

/// Likelihood of a text.
#[derive(Clone, Debug, Serialize)]
pub struct Score {
    /// Every token after the first.
    pub tokens: Vec<ScoredToken>,
    /// Sum of their natural log-probabilities.
    pub total: f64,
    /// exp(-total / tokens).
    pub perplexity: f64,
}

/// Likelihood of one token of a text.
#[derive(Clone, Debug, Serialize)]
pub struct ScoredToken {
    /// Token id.
    pub id: u32,
    /// Its text, or the name of a token without text.
    pub text: String,
    /// Natural logarithm of its probability after all tokens before it.
    pub logprob: f32,
}

impl Engine {
    /// Logits `[V]` after the last of `ids`, from an empty cache.
    ///
    /// # Errors
    /// [`crate::Error::InvalidOption`], [`crate::Error::ContextFull`], [`crate::Error::Aborted`], faults of
    /// the device.
    pub async fn logits(&mut self, ids: &[u32], cancel: &Cancel) -> Result<Vec<f32>> {
        self.clear_kv().await?;
        self.model()?.forward(ids, 0, cancel).await
    }

    /// Residual stream at the last position: embedding, each block, output norm: `[L + 2][D]`.
    ///
    /// # Errors
    /// As [`Engine::logits`].
    pub async fn hidden_states(&mut self, ids: &[u32]) -> Result<Vec<Vec<f32>>> {
        self.clear_kv().await?;
        self.model()?.hidden_states(ids, &Cancel::default()).await
    }

    /// Mean over the positions of a text, BOS included, of the last hidden state (after the output norm):
    /// `[D]`, not normalised.
    ///
    /// # Errors
    /// [`Error::ContextFull`], [`Error::Aborted`], faults of the device.
    pub async fn embed(&mut self, text: &str, cancel: &Cancel) -> Result<Vec<f32>> {
        let ids = self.prompt_ids(text)?;
        self.clear_kv().await?;
        self.model()?.mean_hidden_state(&ids, cancel).await
    }

    /// Likelihood of a text, token by token.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] for a text without a token after the first; as [`Engine::embed`].
    pub async fn score_text(&mut self, text: &str, cancel: &Cancel) -> Result<Score> {
        let ids = self.prompt_ids(text)?;
        if ids.len() < 2 {
            let expected = "a text of at least two tokens, BOS included";
            return Err(Error::invalid_option("text", format!("{} tokens", ids.len()), expected));
        }
        let nll = self.score(&ids, cancel, &mut |_| ()).await?;
        let scored = |(id, nll): (&u32, &f32)| ScoredToken {
            id: *id,
            text: text_of(&self.tokenizer, *id),
            logprob: -nll,
        };
        let tokens: Vec<ScoredToken> = ids.iter().skip(1).zip(&nll).map(scored).collect();
        let total: f64 = tokens.iter().map(|token| f64::from(token.logprob)).sum();
        let perplexity = (-total / tokens.len() as f64).exp();
        Ok(Score { tokens, total, perplexity })
    }

    /// Negative log-likelihood of `ids[i + 1]` at index i, in nats; `on_progress` receives the number of
    /// finished positions.
    ///
    /// # Errors
    /// As [`Engine::logits`].
    pub async fn score(
        &mut self,
        ids: &[u32],
        cancel: &Cancel,
        on_progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<f32>> {
        let mut nll = Vec::with_capacity(ids.len());
        let mut on_row = |i: usize, logits: &[f32]| {
            let target = ids.get(i + 1).and_then(|id| logits.get(*id as usize));
            nll.push((log_sum_exp(logits) - target.map_or(f64::NAN, |l| f64::from(*l))) as f32);
            on_progress(i + 1);
        };
        self.clear_kv().await?;
        self.model()?.logits_per_position(ids, cancel, &mut on_row).await?;
        Ok(nll)
    }
}
