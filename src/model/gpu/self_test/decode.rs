//! The cases of a decode step: one token.

use std::collections::BTreeMap;

use bytemuck::Zeroable;

use super::cases::{AT, Cases, EPS, F16, F32, INT8, K, N, ROTARY, Reads, SLOTS, tolerance};
use super::inputs::{Heads, Input, encoded, seen};
use crate::error::Result;
use crate::gpu::shader::Rows;
use crate::gpu::{Arithmetic, KvType, Matrix};
use crate::kernels::cap_logits::cap_logits;
use crate::kernels::matmul::matmul;
use crate::kernels::norm_geglu::Out;
use crate::kernels::rows::Acts;
use crate::kernels::sample::{NO_ID, Settings, State};
use crate::kernels::{attend, gate, geglu, logits, merge, norm_geglu, norm_matvec, row_matvec, sample};
use crate::quant::Format;

impl Cases<'_> {
    /// The same for one token. What `attend` leaves only `merge` can read.
    pub(super) fn attend(&mut self, window: Option<usize>) -> Result<()> {
        let (kv, tuning) = (self.kv, self.tuning);
        let h = Heads::new(self, kv, window)?;
        let (qkv, n) = (self.numbers.take(h.row(), 2.0), h.h * h.c);
        let mut values = qkv.clone();
        values.extend(vec![1e30; n + n / 2]);
        let (acts, table) = (self.buffer(&values), ROTARY.upload(self.gpu, h.c / 2, SLOTS)?);
        let partials = self.empty(attend::partial_bytes(h.h, h.c) as usize / 4);
        let at = Acts { buffer: &acts, tuning };
        let heads = attend::Heads { qkv: 0, norms: Some(&h.norms_at), rope_table: &table, eps: EPS };
        let (mut plan, out) = (self.plan(), (h.row() / 4) as u32);
        attend::record(&mut plan, self.gpu, at, heads, &h.cache, &partials, h.shape);
        let to = (out, out + (n / 4) as u32);
        merge::record(&mut plan, self.gpu, at, &partials, (h.h, h.c, h.shape.window), to);
        self.run(plan, 1, AT);
        let (q, cached) = h.rotated(&qkv, kv);
        let expected = cached.attend(&q, &h);
        self.check((h.row(), Reads::Values), expected.clone(), if kv == KvType::F16 { F16 } else { F32 });
        self.check((h.row() + n, Reads::Codes), expected, INT8);
        self.keep(acts, vec![partials, table, h.norms_at], Vec::new());
        self.caches.push(h.cache);
        Ok(())
    }

    /// What two chunks of keys left of each head.
    pub(super) fn merge(&mut self) -> Result<()> {
        let tuning = self.tuning;
        let (h, c) = (self.config.n_heads, self.config.head_len);
        let (n, first, second) = (h * c, self.chunk(h, c), self.chunk(h, c));
        let mut expected = Vec::new();
        for (a, b) in first.chunks_exact(c + 4).zip(second.chunks_exact(c + 4)) {
            expected.extend_from_slice(&merged(c, a, b));
        }
        let mut partials = [first, second].concat();
        partials.resize(attend::partial_bytes(h, c) as usize / 4, f32::NAN);
        let (acts, partials, mut plan) = (self.empty(n + n / 2), self.buffer(&partials), self.plan());
        let at = Acts { buffer: &acts, tuning };
        merge::record(&mut plan, self.gpu, at, &partials, (h, c, None), (0, (n / 4) as u32));
        self.run(plan, 1, AT);
        self.check((0, Reads::Values), expected.clone(), F32);
        self.check((n, Reads::Codes), expected, INT8);
        self.keep(acts, vec![partials], Vec::new());
        Ok(())
    }

    /// For each head sums of its channels, then the largest score and the sum of the weights.
    fn chunk(&mut self, n_heads: usize, head_len: usize) -> Vec<f32> {
        let mut chunk = Vec::new();
        for _ in 0..n_heads {
            chunk.extend_from_slice(&self.numbers.take(head_len + 1, 2.0));
            chunk.extend_from_slice(&[3.0, 0.0, 0.0]);
        }
        chunk
    }

    pub(super) fn norm_matvec(&mut self, rows: Rows) -> Result<()> {
        let input = Input::new(self);
        let (first, second) =
            (self.weights(rows.format, 48), self.weights(rows.second.unwrap_or(rows.format), 32));
        let normed = seen(&input.normed, rows.arithmetic() == Arithmetic::Int8);
        let w = self.pair(rows, &first, &second)?;
        let (acts, mut plan) = (input.acts(self, N), self.plan());
        let at = Acts { buffer: &acts, tuning: rows.tuning };
        norm_matvec::record(&mut plan, self.gpu, at, &w, input.at(true), (3 * K / 4) as u32);
        self.run(plan, 1, 0);
        self.check((2 * K, Reads::Values), input.r.clone(), F32);
        let mut expected = matmul(rows.format, &first, K, &normed);
        expected.extend(matmul(rows.second.unwrap_or(rows.format), &second, K, &normed));
        self.check((3 * K, Reads::Values), expected, tolerance(rows.arithmetic()));
        self.matrices.extend(w);
        self.keep(acts, vec![input.norms_at], Vec::new());
        Ok(())
    }

    /// One stack of both, or a matrix of each format.
    fn pair(&self, rows: Rows, first: &[u8], second: &[u8]) -> Result<Vec<Matrix>> {
        let n = |format: &Format, blocks: &[u8]| blocks.len() / format.bytes_of(K as u64).max(1) as usize;
        let Some(other) = rows.second else {
            let total = n(rows.format, first) + n(rows.format, second);
            return Ok(vec![self.matrix(rows.format, &[first, second], 0, total)?]);
        };
        let (above, below) = (n(rows.format, first), n(other, second));
        let first = self.matrix(rows.format, &[first], 0, above + below)?;
        Ok(vec![first, self.matrix(other, &[second], above, above + below)?])
    }

    pub(super) fn norm_geglu(&mut self, rows: Rows) -> Result<()> {
        let input = Input::new(self);
        let (gates, ups) =
            (self.weights(rows.format, 48), self.weights(rows.second.unwrap_or(rows.format), 48));
        let normed = seen(&input.normed, rows.arithmetic() == Arithmetic::Int8);
        let w = self.pair(rows, &gates, &ups)?;
        let (acts, mut plan) = (input.acts(self, 48 + 24), self.plan());
        let out = Out { gated: (3 * K / 4) as u32, codes: (3 * K / 4 + 12) as u32, gate_up: 0 };
        let at = Acts { buffer: &acts, tuning: rows.tuning };
        norm_geglu::record(&mut plan, self.gpu, at, &w, input.at(true), out);
        self.run(plan, 1, 0);
        let gate = matmul(rows.format, &gates, K, &normed);
        let expected = geglu::geglu(&gate, &matmul(rows.second.unwrap_or(rows.format), &ups, K, &normed));
        self.check((3 * K, Reads::Values), expected.clone(), tolerance(rows.arithmetic()));
        self.check((3 * K + 48, Reads::Codes), expected, 2.0 * INT8);
        self.matrices.extend(w);
        self.keep(acts, vec![input.norms_at], Vec::new());
        Ok(())
    }

    pub(super) fn row_matvec(&mut self, rows: Rows) -> Result<()> {
        let (blocks, x) = (self.weights(rows.format, N), self.numbers.take(K, 1.0));
        let mut values = x.clone();
        values.extend(encoded(&x));
        values.extend(vec![1e30; N]);
        let (w, acts) = (self.matrix(rows.format, &[&blocks], 0, N)?, self.buffer(&values));
        let (mut plan, out) = (self.plan(), K + K / 2);
        let at = Acts { buffer: &acts, tuning: rows.tuning };
        row_matvec::record(&mut plan, self.gpu, at, &w, (0, (K / 4) as u32), (out / 4) as u32);
        self.run(plan, 1, 0);
        let input = seen(&x, rows.arithmetic() == Arithmetic::Int8);
        self.check((out, Reads::Values), matmul(rows.format, &blocks, K, &input), F32);
        self.keep(acts, Vec::new(), vec![w]);
        Ok(())
    }

    pub(super) fn logits(&mut self, rows: Rows) -> Result<()> {
        let (input, blocks) = (Input::new(self), self.weights(rows.format, N));
        let w = self.matrix(rows.format, &[&blocks], 0, N)?;
        let (acts, out) = (input.acts(self, 0), self.empty(N));
        let (maxima, mut plan) = (self.empty(N.div_ceil(sample::BLOCK_LEN)), self.plan());
        let at = Acts { buffer: &acts, tuning: rows.tuning };
        logits::record(&mut plan, self.gpu, at, &w, input.at(false), (&out, &maxima), 30.0);
        self.run(plan, 1, 0);
        let normed = seen(&input.normed, rows.arithmetic() == Arithmetic::Int8);
        let mut expected = matmul(rows.format, &blocks, K, &normed);
        cap_logits(&mut expected, 30.0);
        let largest = sample::block_max(&expected);
        self.check((0, Reads::Values), expected, tolerance(rows.arithmetic()));
        self.keep(out, vec![acts, input.norms_at], vec![w]);
        self.check((0, Reads::Values), largest, tolerance(rows.arithmetic()));
        self.keep(maxima, Vec::new(), Vec::new());
        Ok(())
    }

    pub(super) fn gate(&mut self) -> Result<()> {
        let tuning = self.tuning;
        let gate_up = self.numbers.take(2 * K, 4.0);
        let (gates, ups) = gate_up.split_at(K);
        let expected = geglu::geglu(gates, ups);
        let mut values = gate_up.clone();
        values.extend(vec![1e30; K + K / 2]);
        let (acts, mut plan, quads) = (self.buffer(&values), self.plan(), (K / 4) as u32);
        gate::record(&mut plan, self.gpu, Acts { buffer: &acts, tuning }, (0, 2 * quads, 3 * quads), K);
        self.run(plan, 1, 0);
        self.check((2 * K, Reads::Values), expected.clone(), F32);
        self.check((3 * K, Reads::Codes), expected, INT8);
        self.keep(acts, Vec::new(), Vec::new());
        Ok(())
    }

    /// Greedily, among the likeliest, and where one logit is no number.
    pub(super) fn sample(&mut self) -> Result<()> {
        const V: usize = 1000;
        for (top_k, broken) in [(1, false), (40, false), (40, true)] {
            let mut values = self.numbers.take(V, 10.0);
            if let Ok([best, odd]) = values.get_disjoint_mut([617, 333]) {
                *best = 15.0;
                *odd = if broken { f32::NAN } else { *odd };
            }
            let (logits, maxima) = (self.buffer(&values), self.buffer(&sample::block_max(&values)));
            let (ids, state, mut plan) = (self.empty(4), State::allocate(self.gpu)?, self.plan());
            state.begin(self.gpu, &settings(top_k), &BTreeMap::new(), &[]);
            sample::record(&mut plan, self.gpu, &state, &logits, &maxima, &ids, V);
            self.run(plan, 1, 0);
            let expected = if broken { NO_ID } else { 617 };
            self.check((0, Reads::Id), vec![expected as f32], 0.0);
            self.keep(ids, vec![logits, maxima], Vec::new());
            self.states.push(state);
        }
        Ok(())
    }
}

/// A head out of two chunks.
fn merged(head_len: usize, a: &[f32], b: &[f32]) -> Vec<f32> {
    let of = |chunk: &[f32], i: usize| chunk.get(head_len + i).copied().unwrap_or(f32::NAN);
    let (largest_a, largest_b) = (of(a, 0), of(b, 0));
    let largest = largest_a.max(largest_b);
    let (f, g) = ((largest_a - largest).exp(), (largest_b - largest).exp());
    let total = f * of(a, 1) + g * of(b, 1);
    a.iter().zip(b).take(head_len).map(|(a, b)| (f * a + g * b) / total).collect()
}

/// So little of the probability that only the likeliest is drawn.
fn settings(top_k: u32) -> Settings {
    Settings {
        inverse_temperature: 1.0,
        top_k,
        top_p: 1e-3,
        repetition: 1.0,
        inverse_repetition: 1.0,
        seed_hash: 1,
        ..Zeroable::zeroed()
    }
}
