//! A small input for each kernel, what its CPU twin makes of it, and where the kernel leaves its own.

use super::Ran;
use super::inputs::{Heads, encoded, seen};
use super::numbers::Numbers;
use crate::error::{Error, Result};
use crate::gpu::shader::Variant;
use crate::gpu::{Arithmetic, Buffer, Gpu, Kind, KvCache, KvType, Matrix, Member, Plan, Stack, Step, Tuning};
use crate::kernels::rope::Rotary;
use crate::kernels::{attention, embed, geglu, matmul, matmul_direct, matmul_int8, norm_add, rotate, sample};
use crate::model::Config;
use crate::quant::Format;

/// Columns: a block of every format three times, and more than is staged at once.
pub(super) const K: usize = 768;
/// Rows: no multiple of what a workgroup makes.
pub(super) const N: usize = 80;
/// Tokens of a prompt: no multiple either.
pub(super) const T: usize = 9;
/// Keys there are already: more than a chunk of them.
pub(super) const AT: usize = 70;
pub(super) const SLOTS: usize = 128;
/// Keys that a query sees of them, where it doesn't see all.
const WINDOW: usize = 40;
pub(super) const EPS: f32 = 1e-6;
pub(super) const ROTARY: Rotary = Rotary { base: 10_000.0, divisor: 1.0 };

/// Largest distances from the twin, as parts of its largest result. f32 sums in another order are some 1e-6 of it off, WGSL's exp and
/// tanh some 1e-5.
pub(super) const F32: f32 = 1e-3;
/// A rounding to int8 at a tie may go the other way: a step of one code among many.
pub(super) const INT8: f32 = 5e-3;
/// A rounding to f16 may, too.
pub(super) const F16: f32 = 2e-3;

/// How results lie in a buffer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reads {
    /// As f32.
    Values,
    /// As codes, two quads for sixteen values.
    Codes,
    /// As a token's id.
    Id,
}

/// A result to be compared.
#[derive(Debug)]
pub(super) struct Check {
    /// Number of the kernel.
    pub(super) kernel: usize,
    /// Which of the buffers, and from which word on.
    pub(super) out: usize,
    pub(super) from: usize,
    pub(super) reads: Reads,
    pub(super) expected: Vec<f32>,
    pub(super) tolerance: f32,
}

/// Cases under way, with all that must live until they are done.
#[derive(Debug)]
pub(super) struct Cases<'a> {
    pub(super) gpu: &'a Gpu,
    pub(super) config: &'a Config,
    pub(super) kv: KvType,
    pub(super) tuning: Tuning,
    /// Number of the kernel whose cases are being made.
    current: usize,
    pub(super) numbers: Numbers,
    pub(super) plans: Vec<(Plan, Step)>,
    pub(super) outs: Vec<Buffer>,
    pub(super) checks: Vec<Check>,
    pub(super) buffers: Vec<Buffer>,
    pub(super) matrices: Vec<Matrix>,
    pub(super) caches: Vec<KvCache>,
    pub(super) states: Vec<sample::State>,
}

impl<'a> Cases<'a> {
    pub(super) fn new(gpu: &'a Gpu, config: &'a Config, kv: KvType, tuning: Tuning) -> Self {
        Self {
            gpu,
            config,
            kv,
            tuning,
            current: 0,
            numbers: Numbers::new(),
            plans: Vec::new(),
            outs: Vec::new(),
            checks: Vec::new(),
            buffers: Vec::new(),
            matrices: Vec::new(),
            caches: Vec::new(),
            states: Vec::new(),
        }
    }

    /// # Errors
    /// [`Error::Internal`] for a kernel that has no case: `tests/gpu/self_test.rs` loads every generation.
    pub(super) fn add(&mut self, number: usize, (kernel, variant): Ran) -> Result<()> {
        self.current = number;
        match (kernel.name, variant) {
            ("embed", Variant::Weights(format)) => self.embed(format),
            ("matmul", Variant::Weights(format)) => self.product(false, matmul::record, format),
            ("matmul_direct", Variant::Weights(format)) => self.product(true, matmul_direct::record, format),
            ("matmul_int8", Variant::Weights(format)) => self.product(true, matmul_int8::record, format),
            ("norm_add", Variant::Operand(arithmetic)) => self.norm_add(arithmetic),
            ("geglu", Variant::Operand(arithmetic)) => self.geglu(arithmetic),
            ("rotate", _) => self.attention(None, None),
            ("attention", Variant::KvOperand(_, to)) => {
                self.windows().iter().try_for_each(|window| self.attention(*window, Some(to)))
            }
            ("attend", _) => self.windows().iter().try_for_each(|window| self.attend(*window)),
            ("merge", _) => self.merge(),
            ("norm_matvec", Variant::Rows(rows)) => self.norm_matvec(rows),
            ("norm_geglu", Variant::Rows(rows)) => self.norm_geglu(rows),
            ("row_matvec", Variant::Rows(rows)) => self.row_matvec(rows),
            ("logits", Variant::Rows(rows)) => self.logits(rows),
            ("gate", _) => self.gate(),
            ("sample", _) => self.sample(),
            _ => Err(Error::Internal { what: format!("the kernel {} has no self-test", kernel.name) }),
        }
    }

    /// Attention over all keys, and over some where layers of the model do so.
    fn windows(&self) -> Vec<Option<usize>> {
        if self.config.window.is_some() { vec![None, Some(WINDOW)] } else { vec![None] }
    }

    #[inline(never)]
    pub(super) fn buffer(&self, values: &[f32]) -> Buffer {
        let buffer = self.gpu.small(Kind::Scratch, "self-test", 4 * values.len() as u64);
        self.gpu.write(&buffer, 0, bytemuck::cast_slice(values));
        buffer
    }

    /// Filled with a number that no kernel gives.
    #[inline(never)]
    pub(super) fn empty(&self, n: usize) -> Buffer {
        self.buffer(&vec![1e30; n])
    }

    #[inline(never)]
    pub(super) fn plan(&self) -> Plan {
        Plan::new(self.gpu, "self-test")
    }

    #[inline(never)]
    pub(super) fn run(&mut self, plan: Plan, n_tokens: usize, position: usize) {
        self.plans
            .push((plan, Step { n_tokens: n_tokens as u32, position: position as u32, ..Step::default() }));
    }

    /// Of the buffer that is kept next.
    #[inline(never)]
    pub(super) fn check(&mut self, (from, reads): (usize, Reads), expected: Vec<f32>, tolerance: f32) {
        let (kernel, out) = (self.current, self.outs.len());
        self.checks.push(Check { kernel, out, from, reads, expected, tolerance });
    }

    #[inline(never)]
    pub(super) fn weights(&mut self, format: &Format, n_rows: usize) -> Vec<u8> {
        self.numbers.blocks(format, n_rows, K)
    }

    /// Members of one format, one below the other, at a column of so many.
    #[inline(never)]
    pub(super) fn matrix(
        &self,
        format: &'static Format,
        members: &[&[u8]],
        col: usize,
        n_total: usize,
    ) -> Result<Matrix> {
        let n_rows = |blocks: &&[u8]| blocks.len() as u64 / format.bytes_of(K as u64);
        let member = |blocks| Member { label: "self-test".to_owned(), n_rows: n_rows(blocks) };
        let stack = Stack { members: members.iter().map(member).collect(), n_cols: K as u64, format };
        let matrix = Matrix::stacked(self.gpu, stack, col as u64, n_total as u64)?;
        members.iter().enumerate().for_each(|(i, blocks)| matrix.write_rows(self.gpu, i, 0, blocks));
        Ok(matrix)
    }

    fn embed(&mut self, format: &'static Format) -> Result<()> {
        let blocks = self.weights(format, N);
        let ids: Vec<u32> = (0..T as u32).map(|i| i * 37 % N as u32).collect();
        let ids_at = self.gpu.small(Kind::Scratch, "self-test", 4 * T as u64);
        self.gpu.write(&ids_at, 0, bytemuck::cast_slice(&ids));
        let (w, x, mut plan) = (self.matrix(format, &[&blocks], 0, N)?, self.empty(T * K), self.plan());
        embed::record(&mut plan, self.gpu, &w, &ids_at, &x, 16.0);
        self.run(plan, T, 0);
        self.check((0, Reads::Values), embed::embed(&ids, format, &blocks, K, 16.0), F32);
        self.keep(x, vec![ids_at], vec![w]);
        Ok(())
    }

    #[inline(never)]
    pub(super) fn keep(&mut self, out: Buffer, buffers: Vec<Buffer>, matrices: Vec<Matrix>) {
        self.outs.push(out);
        self.buffers.extend(buffers);
        self.matrices.extend(matrices);
    }

    fn product(&mut self, int8: bool, record: Product, format: &'static Format) -> Result<()> {
        let (blocks, x) = (self.weights(format, N), self.numbers.take(T * K, 1.0));
        let x_at = self.buffer(&if int8 { encoded(&x) } else { x.clone() });
        let (w, y, mut plan) = (self.matrix(format, &[&blocks], 0, N)?, self.empty(T * N), self.plan());
        record(&mut plan, self.gpu, &w, &x_at, &y);
        self.run(plan, T, 0);
        self.check((0, Reads::Values), matmul::matmul(format, &blocks, K, &seen(&x, int8)), F32);
        self.keep(y, vec![x_at], vec![w]);
        Ok(())
    }

    fn norm_add(&mut self, arithmetic: Arithmetic) -> Result<()> {
        let (mut x, out, norms) =
            (self.numbers.take(T * K, 2.0), self.numbers.take(T * K, 3.0), self.numbers.take(2 * K, 1.0));
        let (x_at, out_at, weights) = (self.buffer(&x), self.buffer(&out), self.buffer(&norms));
        let (rows, mut plan) = (self.empty(T * K), self.plan());
        let at = norm_add::Norms { weights: &weights, has_post: true, width: K, eps: EPS };
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

    fn geglu(&mut self, arithmetic: Arithmetic) -> Result<()> {
        let gate_up = self.numbers.take(2 * T * K, 4.0);
        let mut expected = Vec::new();
        for row in gate_up.chunks_exact(2 * K) {
            let (gate, up) = row.split_at(K);
            expected.extend_from_slice(&geglu::geglu(gate, up));
        }
        let (at, rows, mut plan) = (self.buffer(&gate_up), self.empty(T * K), self.plan());
        geglu::record(&mut plan, self.gpu, "self-test", &at, (&rows, arithmetic), K);
        self.run(plan, T, 0);
        self.check((0, reads(arithmetic)), expected, tolerance(arithmetic));
        self.keep(rows, vec![at], Vec::new());
        Ok(())
    }

    /// Queries, keys and values of a prompt go to a cache that holds some already; with a tuning they are attended to, too.
    fn attention(&mut self, window: Option<usize>, tuning: Option<Tuning>) -> Result<()> {
        let kv = self.kv;
        let h = Heads::new(self, kv, window)?;
        let qkv = self.numbers.take(T * h.row(), 2.0);
        let (qkv_at, table) = (self.buffer(&qkv), ROTARY.upload(self.gpu, h.c / 2, SLOTS)?);
        let (q_at, mut plan) = (self.empty(T * h.h * h.c), self.plan());
        let heads =
            rotate::Heads { qkv: &qkv_at, n_heads: h.h, norms: Some(&h.norms_at), eps: EPS, table: &table };
        rotate::record(&mut plan, self.gpu, "self-test", heads, &h.cache, &q_at);
        let (q, cached) = h.rotated(&qkv, kv);
        match tuning {
            None => {
                self.run(plan, T, AT);
                self.check((0, Reads::Values), q, F32);
                self.keep(q_at, vec![qkv_at, table, h.norms_at], Vec::new());
            }
            Some(tuning) => {
                let (o, to) = (self.empty(T * h.h * h.c), tuning);
                attention::record(&mut plan, self.gpu, "self-test", &q_at, &h.cache, (&o, to), h.shape);
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

/// Records a product of many tokens.
type Product = fn(&mut Plan, &Gpu, &Matrix, &Buffer, &Buffer);

/// How a product's input of an arithmetic lies.
fn reads(arithmetic: Arithmetic) -> Reads {
    if arithmetic == Arithmetic::Int8 { Reads::Codes } else { Reads::Values }
}

pub(super) fn tolerance(arithmetic: Arithmetic) -> f32 {
    if arithmetic == Arithmetic::Int8 { INT8 } else { F32 }
}
