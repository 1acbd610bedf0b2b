//! Cases of a decode step: one token.

use std::collections::BTreeMap;

use bytemuck::Zeroable;

use crate::error::Result;
use crate::gpu::shader::MatvecVariant;
use crate::gpu::{Arithmetic, Matrix};
use crate::kernels::geglu_prefill::geglu;
use crate::kernels::matmul::matmul;
use crate::kernels::matvec_common::{Acts, Span};
use crate::kernels::norm_gate_up_matvec::Out;
use crate::kernels::sample::{NO_ID, SamplerState, Settings};
use crate::kernels::softcap_logits::softcap_logits;
use crate::kernels::{
    attention_decode, attention_reduce, geglu_decode, logits, matvec, norm_gate_up_matvec, norm_matvec,
    sample,
};
use crate::model::gpu::self_test::fixture::{
    AT, Cases, EPS, F16, F32, INT8, K, N, ROTARY, Reads, SLOTS, tolerance,
};
use crate::model::gpu::self_test::inputs::{Heads, Input, encoded, seen};
use crate::quant::{Format, KvType};

impl Cases<'_> {
    /// Attention of one token. Only `attention_reduce` can read the partial results of `attention_decode`.
    pub(super) fn attention_decode(&mut self, window: Option<usize>) -> Result<()> {
        let (kv, tuning) = (self.kv, self.tuning);
        let h = Heads::new(self, kv, window)?;
        let (qkv, n) = (self.numbers.take(h.row(), 2.0), h.h * h.c);
        let mut values = qkv.clone();
        values.extend(vec![1e30; n + n / 2]);
        let (acts, table) = (self.buffer(&values), ROTARY.upload(self.gpu, h.c / 2, SLOTS)?);
        let partials = self.empty(attention_decode::partial_bytes(h.h, h.c) as usize / 4);
        let at = Acts { buffer: &acts, tuning };
        let heads =
            attention_decode::Heads { qkv: 0, norms: Some(&h.norms_at), rope_table: &table, eps: EPS };
        let (mut plan, out) = (self.plan(), (h.row() / 4) as u32);
        attention_decode::record(&mut plan, self.gpu, at, heads, &h.cache, &partials, h.shape);
        let to = Span { values: out, codes: out + (n / 4) as u32 };
        attention_reduce::record(&mut plan, self.gpu, at, &partials, (h.h, h.c, h.shape.window), to);
        self.run(plan, 1, AT);
        let (q, cached) = h.rotated(&qkv, kv);
        let expected = cached.attend(&q, &h);
        self.check((h.row(), Reads::Values), expected.clone(), if kv == KvType::F16 { F16 } else { F32 });
        self.check((h.row() + n, Reads::Codes), expected, INT8);
        self.keep(acts, vec![partials, table, h.norms_at], Vec::new());
        self.caches.push(h.cache);
        Ok(())
    }

    /// Reduction of two chunks of keys.
    pub(super) fn attention_reduce(&mut self) -> Result<()> {
        let tuning = self.tuning;
        let (h, c) = (self.config.n_heads, self.config.head_dim);
        let (n, first, second) = (h * c, self.chunk(h, c), self.chunk(h, c));
        let mut expected = Vec::new();
        for (a, b) in first.chunks_exact(c + 4).zip(second.chunks_exact(c + 4)) {
            expected.extend_from_slice(&merged(c, a, b));
        }
        let mut partials = [first, second].concat();
        partials.resize(attention_decode::partial_bytes(h, c) as usize / 4, f32::NAN);
        let (acts, partials, mut plan) = (self.empty(n + n / 2), self.buffer(&partials), self.plan());
        let at = Acts { buffer: &acts, tuning };
        attention_reduce::record(
            &mut plan,
            self.gpu,
            at,
            &partials,
            (h, c, None),
            Span { values: 0, codes: (n / 4) as u32 },
        );
        self.run(plan, 1, AT);
        self.check((0, Reads::Values), expected.clone(), F32);
        self.check((n, Reads::Codes), expected, INT8);
        self.keep(acts, vec![partials], Vec::new());
        Ok(())
    }

    /// For each head, the sums of its channels, then the largest score and the sum of the weights.
    fn chunk(&mut self, n_heads: usize, head_dim: usize) -> Vec<f32> {
        let mut chunk = Vec::new();
        for _ in 0..n_heads {
            chunk.extend_from_slice(&self.numbers.take(head_dim + 1, 2.0));
            chunk.extend_from_slice(&[3.0, 0.0, 0.0]);
        }
        chunk
    }

    pub(super) fn norm_matvec(&mut self, variant: MatvecVariant) -> Result<()> {
        let input = Input::new(self);
        let (first, second) =
            (self.weights(variant.format, 48), self.weights(variant.second.unwrap_or(variant.format), 32));
        let normed = seen(&input.normed, variant.arithmetic() == Arithmetic::Int8);
        let w = self.pair(variant, &first, &second)?;
        let (acts, mut plan) = (input.acts(self, N), self.plan());
        let at = Acts { buffer: &acts, tuning: variant.tuning };
        norm_matvec::record(&mut plan, self.gpu, at, &w, input.at(true), (3 * K / 4) as u32);
        self.run(plan, 1, 0);
        self.check((2 * K, Reads::Values), input.r.clone(), F32);
        let mut expected = matmul(variant.format, &first, K, &normed);
        expected.extend(matmul(variant.second.unwrap_or(variant.format), &second, K, &normed));
        self.check((3 * K, Reads::Values), expected, tolerance(variant.arithmetic()));
        self.matrices.extend(w);
        self.keep(acts, vec![input.norms_at], Vec::new());
        Ok(())
    }

    /// One fused matrix of both, or a matrix of each format.
    fn pair(&self, variant: MatvecVariant, first: &[u8], second: &[u8]) -> Result<Vec<Matrix>> {
        let n = |format: &Format, blocks: &[u8]| blocks.len() / format.bytes_of(K as u64).max(1) as usize;
        let Some(other) = variant.second else {
            let total = n(variant.format, first) + n(variant.format, second);
            return Ok(vec![self.matrix(variant.format, &[first, second], 0, total)?]);
        };
        let (above, below) = (n(variant.format, first), n(other, second));
        let first = self.matrix(variant.format, &[first], 0, above + below)?;
        Ok(vec![first, self.matrix(other, &[second], above, above + below)?])
    }

    pub(super) fn norm_gate_up_matvec(&mut self, variant: MatvecVariant) -> Result<()> {
        let input = Input::new(self);
        let (gates, ups) =
            (self.weights(variant.format, 48), self.weights(variant.second.unwrap_or(variant.format), 48));
        let normed = seen(&input.normed, variant.arithmetic() == Arithmetic::Int8);
        let w = self.pair(variant, &gates, &ups)?;
        let (acts, mut plan) = (input.acts(self, 48 + 24), self.plan());
        let gated = Span { values: (3 * K / 4) as u32, codes: (3 * K / 4 + 12) as u32 };
        let out = Out { gated, gate_up: 0 };
        let at = Acts { buffer: &acts, tuning: variant.tuning };
        norm_gate_up_matvec::record(&mut plan, self.gpu, at, &w, input.at(true), out);
        self.run(plan, 1, 0);
        let gate = matmul(variant.format, &gates, K, &normed);
        let expected = geglu(&gate, &matmul(variant.second.unwrap_or(variant.format), &ups, K, &normed));
        self.check((3 * K, Reads::Values), expected.clone(), tolerance(variant.arithmetic()));
        self.check((3 * K + 48, Reads::Codes), expected, 2.0 * INT8);
        self.matrices.extend(w);
        self.keep(acts, vec![input.norms_at], Vec::new());
        Ok(())
    }

    pub(super) fn matvec(&mut self, variant: MatvecVariant) -> Result<()> {
        let (blocks, x) = (self.weights(variant.format, N), self.numbers.take(K, 1.0));
        let mut values = x.clone();
        values.extend(encoded(&x));
        values.extend(vec![1e30; N]);
        let (w, acts) = (self.matrix(variant.format, &[&blocks], 0, N)?, self.buffer(&values));
        let (mut plan, out) = (self.plan(), K + K / 2);
        let at = Acts { buffer: &acts, tuning: variant.tuning };
        matvec::record(
            &mut plan,
            self.gpu,
            at,
            &w,
            Span { values: 0, codes: (K / 4) as u32 },
            (out / 4) as u32,
        );
        self.run(plan, 1, 0);
        let input = seen(&x, variant.arithmetic() == Arithmetic::Int8);
        self.check((out, Reads::Values), matmul(variant.format, &blocks, K, &input), F32);
        self.keep(acts, Vec::new(), vec![w]);
        Ok(())
    }

    pub(super) fn logits(&mut self, variant: MatvecVariant) -> Result<()> {
        let (input, blocks) = (Input::new(self), self.weights(variant.format, N));
        let w = self.matrix(variant.format, &[&blocks], 0, N)?;
        let (acts, out) = (input.acts(self, 0), self.empty(N));
        let (maxima, mut plan) = (self.empty(N.div_ceil(sample::BLOCK_LEN)), self.plan());
        let at = Acts { buffer: &acts, tuning: variant.tuning };
        logits::record(&mut plan, self.gpu, at, &w, input.at(false), (&out, &maxima), 30.0);
        self.run(plan, 1, 0);
        let normed = seen(&input.normed, variant.arithmetic() == Arithmetic::Int8);
        let mut expected = matmul(variant.format, &blocks, K, &normed);
        softcap_logits(&mut expected, 30.0);
        let largest = sample::block_max(&expected);
        self.check((0, Reads::Values), expected, tolerance(variant.arithmetic()));
        self.keep(out, vec![acts, input.norms_at], vec![w]);
        self.check((0, Reads::Values), largest, tolerance(variant.arithmetic()));
        self.keep(maxima, Vec::new(), Vec::new());
        Ok(())
    }

    pub(super) fn geglu_decode(&mut self) -> Result<()> {
        let tuning = self.tuning;
        let gate_up = self.numbers.take(2 * K, 4.0);
        let (gates, ups) = gate_up.split_at(K);
        let expected = geglu(gates, ups);
        let mut values = gate_up.clone();
        values.extend(vec![1e30; K + K / 2]);
        let (acts, mut plan, quads) = (self.buffer(&values), self.plan(), (K / 4) as u32);
        let out = Span { values: 2 * quads, codes: 3 * quads };
        geglu_decode::record(&mut plan, self.gpu, Acts { buffer: &acts, tuning }, 0, out, K);
        self.run(plan, 1, 0);
        self.check((2 * K, Reads::Values), expected.clone(), F32);
        self.check((3 * K, Reads::Codes), expected, INT8);
        self.keep(acts, Vec::new(), Vec::new());
        Ok(())
    }

    /// The likeliest token, one among the likeliest, and none if a logit is no number.
    pub(super) fn sample(&mut self) -> Result<()> {
        const V: usize = 1000;
        for (top_k, broken) in [(1, false), (40, false), (40, true)] {
            let mut values = self.numbers.take(V, 10.0);
            if let Ok([best, odd]) = values.get_disjoint_mut([617, 333]) {
                *best = 15.0;
                *odd = if broken { f32::NAN } else { *odd };
            }
            let (logits, maxima) = (self.buffer(&values), self.buffer(&sample::block_max(&values)));
            let (ids, state, mut plan) = (self.empty(4), SamplerState::allocate(self.gpu)?, self.plan());
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

/// A head reduced from two chunks.
fn merged(head_dim: usize, a: &[f32], b: &[f32]) -> Vec<f32> {
    let of = |chunk: &[f32], i: usize| chunk.get(head_dim + i).copied().unwrap_or(f32::NAN);
    let (largest_a, largest_b) = (of(a, 0), of(b, 0));
    let largest = largest_a.max(largest_b);
    let (f, g) = ((largest_a - largest).exp(), (largest_b - largest).exp());
    let total = f * of(a, 1) + g * of(b, 1);
    a.iter().zip(b).take(head_dim).map(|(a, b)| (f * a + g * b) / total).collect()
}

/// Settings of so little probability mass that only the likeliest is drawn.
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
