//! Runner of a model: tokens at positions go in, logits or sampled tokens come out. It does not know text.

use std::collections::BTreeMap;

use web_time::Instant;

use crate::cancel::Cancel;
use crate::error::Result;
use crate::gpu::{Command, RunParams};
use crate::kernels::sample::Settings;
use crate::model::gpu::model::Model;
use crate::model::gpu::token_ring::MAX_DEPTH;
use crate::model::state_shape::check_finite;

/// Longest time of a submission that does not visibly delay the page's other work on the GPU.
const BUDGET_MS: f64 = 50.0;
/// Maximum submissions per chunk.
const MAX_PIECES: usize = 16;
/// Rows of a prompt's first chunk; below it a tile is not full.
pub(super) const FIRST_ROWS: usize = 64;

impl Model {
    /// Feeds tokens from `position` on, and returns the logits `[V]` after the last.
    ///
    /// # Errors
    /// [`crate::Error::InvalidOption`], [`crate::Error::ContextFull`], [`crate::Error::Aborted`] between
    /// chunks, faults of the device.
    pub async fn forward(&self, ids: &[u32], position: usize, cancel: &Cancel) -> Result<Vec<f32>> {
        let last = self.feed(ids, position, cancel).await?;
        let bytes = 4 * self.config.n_vocab as u64;
        let read = Command::copy(&self.decode.logits, &self.staging, bytes);
        self.gpu.run(&[self.last_commands(ids, last, position)?.as_slice(), &[read]].concat())?;
        let logits = self.gpu.read_f32(&self.staging, bytes).await?;
        cancel.check()?;
        check_finite("the logits", &logits, position + ids.len())?;
        Ok(logits)
    }

    /// Feeds `text` from index `from` on (the KV cache holds it up to there) and has the GPU sample the
    /// tokens that follow, which [`Model::next_token`] returns. Penalties count all of `text`.
    ///
    /// # Errors
    /// As [`Model::forward`].
    pub async fn begin(
        &self,
        text: &[u32],
        from: usize,
        (settings, biases): (&Settings, &BTreeMap<u32, f32>),
        cancel: &Cancel,
    ) -> Result<()> {
        let ids = text.get(from..).unwrap_or_default();
        let last = self.feed(ids, from, cancel).await?;
        self.decode.sample.begin(&self.gpu, settings, biases, text);
        let next = text.len();
        let end = RunParams { n_tokens: 1, position: next as u32 - 1, ..RunParams::default() };
        let mut commands = self.last_commands(ids, last, from)?;
        commands.push(Command::Plan(&self.plans.sample, end));
        self.last_token.set(None);
        self.ring.submit(&self.gpu, &commands, &self.decode.sample, next)
    }

    /// Queues steps for the positions from `next` on, up to `end`, and moves `next`; then waits for the
    /// oldest token under way.
    ///
    /// # Errors
    /// [`crate::Error::NumericError`] if a logit was not finite; faults of the device.
    pub async fn next_token(&self, next: &mut usize, end: usize) -> Result<u32> {
        while self.ring.len() < self.depth() && *next < end {
            let step = RunParams { n_tokens: 1, position: *next as u32 - 1, ..RunParams::default() };
            let commands = [Command::Plan(&self.plans.decode, step), Command::Plan(&self.plans.sample, step)];
            self.ring.submit(&self.gpu, &commands, &self.decode.sample, *next)?;
            *next += 1;
        }
        let id = self.ring.next(&self.gpu).await?;
        let now = Instant::now();
        if let Some(last) = self.last_token.replace(Some(now)) {
            self.step_ms.set((now - last).as_secs_f64() * 1e3);
        }
        Ok(id)
    }

    /// Number of tokens to have under way: enough to hide the time of a read-back, two to four.
    fn depth(&self) -> usize {
        let steps = self.readback_ms / self.step_ms.get().max(1e-3);
        (1 + steps.ceil() as usize).clamp(2, MAX_DEPTH)
    }

    /// Prepares the feeding of `ids` from `position` on: waits for the tokens that an earlier generation left
    /// under way.
    ///
    /// # Errors
    /// [`crate::Error::InvalidOption`], [`crate::Error::ContextFull`], faults of the device.
    pub async fn ready(&self, ids: &[u32], position: usize) -> Result<()> {
        self.shape.check_ids(&self.config, ids, position)?;
        self.ring.drain(&self.gpu).await
    }

    /// Rows of the next chunk when `n_left` tokens are left; `None` if they are the last chunk, which
    /// [`Model::forward`] and [`Model::begin`] feed.
    #[must_use]
    pub fn next_chunk(&self, n_left: usize) -> Option<usize> {
        Some(self.rows.get()).filter(|rows| n_left > *rows)
    }

    /// Feeds a chunk, as many `ids` as [`Model::next_chunk`] said, and waits for it.
    ///
    /// # Errors
    /// Faults of the device.
    pub async fn feed_chunk(&self, ids: &[u32], position: usize) -> Result<()> {
        let begun = Instant::now();
        let last = self.prefill(ids, position)?;
        self.gpu.run(&[last])?;
        self.gpu.finish().await?;
        self.pace(begun.elapsed().as_secs_f64() * 1e3);
        Ok(())
    }

    /// Feeds every chunk but the last, waiting for each, and returns the index at which the last begins.
    pub(super) async fn feed(&self, ids: &[u32], position: usize, cancel: &Cancel) -> Result<usize> {
        self.ready(ids, position).await?;
        let mut start = 0;
        while let Some(rows) = self.next_chunk(ids.len() - start) {
            cancel.check()?;
            self.feed_chunk(ids.get(start..start + rows).unwrap_or_default(), position + start).await?;
            start += rows;
        }
        cancel.check()?;
        Ok(start)
    }

    /// Makes chunks larger while twice the rows would stay within the budget, smaller if they exceed it; the
    /// smallest are submitted in pieces instead.
    fn pace(&self, chunk_ms: f64) {
        let (rows, least) = (self.rows.get(), FIRST_ROWS.min(self.shape.chunk));
        if chunk_ms < BUDGET_MS / 2.0 {
            self.rows.set((2 * rows).min(self.shape.chunk));
        } else if chunk_ms > BUDGET_MS {
            self.rows.set((rows / 2).max(least));
        }
        let smallest = rows == least && chunk_ms > BUDGET_MS;
        self.pieces.set(if smallest { ((chunk_ms / BUDGET_MS).ceil() as usize).min(MAX_PIECES) } else { 1 });
    }

    /// Submits a chunk of a prompt except for its last piece, and returns that piece.
    ///
    /// # Errors
    /// Faults of the device.
    pub(super) fn prefill(&self, ids: &[u32], position: usize) -> Result<Command<'_>> {
        self.gpu.write(&self.state.ids, 0, bytemuck::cast_slice(ids));
        let step =
            RunParams { n_tokens: ids.len() as u32, position: position as u32, ..RunParams::default() };
        let n = self.pieces.get();
        for piece in 0..n - 1 {
            self.gpu.run(&[Command::Piece(&self.plans.prefill, step, piece, n)])?;
        }
        Ok(Command::Piece(&self.plans.prefill, step, n - 1, n))
    }

    /// Commands for the last chunk of `ids`, from `start` on, up to the logits of its last row.
    fn last_commands(&self, ids: &[u32], start: usize, position: usize) -> Result<Vec<Command<'_>>> {
        let rows = ids.get(start..).unwrap_or_default();
        let end =
            RunParams { n_tokens: 1, position: (position + ids.len() - 1) as u32, ..RunParams::default() };
        if rows.len() == 1 {
            self.gpu.write(&self.state.ids, 0, bytemuck::cast_slice(rows));
            return Ok(vec![Command::Plan(&self.plans.decode, end)]);
        }
        let bytes = 4 * self.config.d_model as u64;
        let from_offset = (rows.len() as u64 - 1) * bytes;
        Ok(vec![
            self.prefill(rows, position + start)?,
            Command::Copy { from: &self.state.x, from_offset, to: &self.decode.acts, to_offset: 0, bytes },
            Command::Plan(&self.plans.head, end),
        ])
    }
}
