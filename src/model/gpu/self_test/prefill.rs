//! Cases of the prefill: many tokens.

use crate::error::Result;
use crate::gpu::{Arithmetic, Buffer, Gpu, Matrix, MemoryKind, Plan, Tuning};
use crate::kernels::{attention_prefill, embed, geglu_prefill, matmul, norm_add, qk_norm_rope};
use crate::model::gpu::self_test::fixture::{
    AT, Cases, EPS, F16, F32, K, N, ROTARY, Reads, SLOTS, T, reads, tolerance,
};
use crate::model::gpu::self_test::inputs::{Heads, encoded, seen};
use crate::quant::{Format, KvType};

impl Cases<'_> {
    pub(super) fn embed(&mut self, format: &'static Format) -> Result<()> {
        let blocks = self.weights(format, N);
        let ids: Vec<u32> = (0..T as u32).map(|i| i * 37 % N as u32).collect();
        let ids_at = self.gpu.small(MemoryKind::Scratch, "self-test", 4 * T as u64);
        self.gpu.write(&ids_at, 0, bytemuck::cast_slice(&ids));
        let (w, x, mut plan) = (self.matrix(format, &[&blocks], 0, N)?, self.empty(T * K), self.plan());
        embed::record(&mut plan, self.gpu, &w, &ids_at, &x, 16.0);
        self.run(plan, T, 0);
        self.check((0, Reads::Values), embed::embed(&ids, format, &blocks, K, 16.0), F32);
        self.keep(x, vec![ids_at], vec![w]);
        Ok(())
    }

    pub(super) fn product(&mut self, int8: bool, record: Product, format: &'static Format) -> Result<()> {
        let (blocks, x) = (self.weights(format, N), self.numbers.take(T * K, 1.0));
        let x_at = self.buffer(&if int8 { encoded(&x) } else { x.clone() });
        let (w, y, mut plan) = (self.matrix(format, &[&blocks], 0, N)?, self.empty(T * N), self.plan());
        record(&mut plan, self.gpu, &w, &x_at, &y);
        self.run(plan, T, 0);
        self.check((0, Reads::Values), matmul::matmul(format, &blocks, K, &seen(&x, int8)), F32);
        self.keep(y, vec![x_at], vec![w]);
        Ok(())
    }

    pub(super) fn norm_add(&mut self, arithmetic: Arithmetic) -> Result<()> {
        let (mut x, out, norms) =
            (self.numbers.take(T * K, 2.0), self.numbers.take(T * K, 3.0), self.numbers.take(2 * K, 1.0));
        let (x_at, out_at, weights) = (self.buffer(&x), self.buffer(&out), self.buffer(&norms));
        let (rows, mut plan) = (self.empty(T * K), self.plan());
        let at = norm_add::Norms { weights: &weights, has_post: true, d_model: K, eps: EPS };
        norm_add::record(&mut plan, self.gpu, "self-test", (&out_at, &x_at, true), at, (&rows, arithmetic));
        self.run(plan, T, 0);
        let (post, norm) = norms.split_at(K);
        let normed = norm_add::norm_add(Some(&out), &mut x, Some(post), norm, EPS);
        self.check((0, reads(arithmetic)), normed, tolerance(arithmetic));
        self.keep(rows, vec![out_at, weights], Vec::new());
        self.check((0, Reads::Values), x, F32);
        self.keep(x_at, Vec::new(), Vec::new());
        Ok(())
    }

    pub(super) fn geglu_prefill(&mut self, arithmetic: Arithmetic) -> Result<()> {
        let gate_up = self.numbers.take(2 * T * K, 4.0);
        let mut expected = Vec::new();
        for row in gate_up.chunks_exact(2 * K) {
            let (gate, up) = row.split_at(K);
            expected.extend_from_slice(&geglu_prefill::geglu(gate, up));
        }
        let (at, rows, mut plan) = (self.buffer(&gate_up), self.empty(T * K), self.plan());
        geglu_prefill::record(&mut plan, self.gpu, "self-test", &at, (&rows, arithmetic), K);
        self.run(plan, T, 0);
        self.check((0, reads(arithmetic)), expected, tolerance(arithmetic));
        self.keep(rows, vec![at], Vec::new());
        Ok(())
    }

    /// Queries, keys and values of a prompt, and a cache that already holds some; with a tuning, also
    /// attention over them.
    pub(super) fn attention_prefill(&mut self, window: Option<usize>, tuning: Option<Tuning>) -> Result<()> {
        let kv = self.kv;
        let h = Heads::new(self, kv, window)?;
        let qkv = self.numbers.take(T * h.row(), 2.0);
        let (qkv_at, table) = (self.buffer(&qkv), ROTARY.upload(self.gpu, h.c / 2, SLOTS)?);
        let (q_at, mut plan) = (self.empty(T * h.h * h.c), self.plan());
        let heads = qk_norm_rope::Heads {
            qkv: &qkv_at,
            n_heads: h.h,
            norms: Some(&h.norms_at),
            eps: EPS,
            table: &table,
        };
        qk_norm_rope::record(&mut plan, self.gpu, "self-test", heads, &h.cache, &q_at);
        let (q, cached) = h.rotated(&qkv, kv);
        match tuning {
            None => {
                self.run(plan, T, AT);
                self.check((0, Reads::Values), q, F32);
                self.keep(q_at, vec![qkv_at, table, h.norms_at], Vec::new());
            }
            Some(tuning) => {
                let (o, to) = (self.empty(T * h.h * h.c), tuning);
                attention_prefill::record(
                    &mut plan,
                    self.gpu,
                    "self-test",
                    &q_at,
                    &h.cache,
                    (&o, to),
                    h.shape,
                );
                self.run(plan, T, AT);
                let within = tolerance(tuning.arithmetic) + if kv == KvType::F16 { F16 } else { 0.0 };
                self.check((0, reads(tuning.arithmetic)), cached.attend(&q, &h), within);
                self.keep(o, vec![q_at, qkv_at, table, h.norms_at], Vec::new());
            }
        }
        self.caches.push(h.cache);
        Ok(())
    }
}

/// Recording function of a product with many tokens.
type Product = fn(&mut Plan, &Gpu, &Matrix, &Buffer, &Buffer);
