//! Fixture of a self-test: sizes, tolerances, buffers and checks of the cases.

use crate::error::Result;
use crate::gpu::shader::{Kernel, Variant};
use crate::gpu::{
    Arithmetic, Buffer, FusedMatrix, Gpu, KvCache, Matrix, MemoryKind, Plan, RunParams, Slice, Tuning,
};
use crate::kernels::rope_table::Rotary;
use crate::kernels::sample;
use crate::model::config::Config;
use crate::model::gpu::self_test::numbers::Numbers;
use crate::quant::{Format, KvType};

/// A kernel in a variant.
pub(super) type Ran = (&'static Kernel, Variant);

/// Columns: a block of every format three times, and more than is staged at once.
pub(super) const K: usize = 768;
/// Rows: not a multiple of the rows of a workgroup.
pub(super) const N: usize = 80;
/// Tokens of a prompt: not a multiple either.
pub(super) const T: usize = 9;
/// Keys that are in the cache already: more than one block.
pub(super) const AT: usize = 70;
pub(super) const SLOTS: usize = 128;
/// Keys that a query of a local layer sees.
const WINDOW: usize = 40;
pub(super) const EPS: f32 = 1e-6;
pub(super) const ROTARY: Rotary = Rotary { base: 10_000.0, divisor: 1.0 };

/// Largest distances from the twin, as parts of its largest result. f32 sums in another order differ by about
/// 1e-6 of it, WGSL's exp and tanh by about 1e-5.
pub(super) const F32: f32 = 1e-3;
/// A rounding to int8 at a tie may go the other way: a step of one code among many.
pub(super) const INT8: f32 = 5e-3;
/// A rounding to f16 may, too.
pub(super) const F16: f32 = 2e-3;

/// Form of the results in a buffer.
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
    /// Number of the buffer, and the first word in it.
    pub(super) out: usize,
    pub(super) from: usize,
    pub(super) reads: Reads,
    pub(super) expected: Vec<f32>,
    pub(super) tolerance: f32,
}

/// Cases in preparation, with everything that must live until they are done.
#[derive(Debug)]
pub(super) struct Cases<'a> {
    pub(super) gpu: &'a Gpu,
    pub(super) config: &'a Config,
    pub(super) kv: KvType,
    pub(super) tuning: Tuning,
    /// Number of the kernel whose cases are being made.
    current: usize,
    pub(super) numbers: Numbers,
    pub(super) plans: Vec<(Plan, RunParams)>,
    pub(super) outs: Vec<Buffer>,
    pub(super) checks: Vec<Check>,
    pub(super) buffers: Vec<Buffer>,
    pub(super) matrices: Vec<Matrix>,
    pub(super) caches: Vec<KvCache>,
    pub(super) states: Vec<sample::SamplerState>,
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

    /// Begins the cases of a kernel.
    pub(super) fn begin(&mut self, number: usize) {
        self.current = number;
    }

    /// Windows of attention: all keys and, if the model has local layers, some of them.
    pub(super) fn windows(&self) -> Vec<Option<usize>> {
        if self.config.window.is_some() { vec![None, Some(WINDOW)] } else { vec![None] }
    }

    #[inline(never)]
    pub(super) fn buffer(&self, values: &[f32]) -> Buffer {
        let buffer = self.gpu.small(MemoryKind::Scratch, "self-test", 4 * values.len() as u64);
        self.gpu.write(&buffer, 0, bytemuck::cast_slice(values));
        buffer
    }

    /// Filled with a number that no kernel computes.
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
        self.plans.push((
            plan,
            RunParams { n_tokens: n_tokens as u32, position: position as u32, ..RunParams::default() },
        ));
    }

    /// Adds a check of the next buffer to be kept.
    #[inline(never)]
    pub(super) fn check(&mut self, (from, reads): (usize, Reads), expected: Vec<f32>, tolerance: f32) {
        let (kernel, out) = (self.current, self.outs.len());
        self.checks.push(Check { kernel, out, from, reads, expected, tolerance });
    }

    #[inline(never)]
    pub(super) fn weights(&mut self, format: &Format, n_rows: usize) -> Vec<u8> {
        self.numbers.blocks(format, n_rows, K)
    }

    /// Slices of one format, one below the other, at column `col` of `n_total`.
    #[inline(never)]
    pub(super) fn matrix(
        &self,
        format: &'static Format,
        slices: &[&[u8]],
        col: usize,
        n_total: usize,
    ) -> Result<Matrix> {
        let n_rows = |blocks: &&[u8]| blocks.len() as u64 / format.bytes_of(K as u64);
        let slice = |blocks| Slice { label: "self-test".to_owned(), n_rows: n_rows(blocks) };
        let fused = FusedMatrix { slices: slices.iter().map(slice).collect(), n_cols: K as u64, format };
        let matrix = Matrix::fused(self.gpu, fused, col as u64, n_total as u64)?;
        slices.iter().enumerate().for_each(|(i, blocks)| matrix.write_rows(self.gpu, i, 0, blocks));
        Ok(matrix)
    }

    #[inline(never)]
    pub(super) fn keep(&mut self, out: Buffer, buffers: Vec<Buffer>, matrices: Vec<Matrix>) {
        self.outs.push(out);
        self.buffers.extend(buffers);
        self.matrices.extend(matrices);
    }
}

/// Form of a product's input of an arithmetic.
pub(super) fn reads(arithmetic: Arithmetic) -> Reads {
    if arithmetic == Arithmetic::Int8 { Reads::Codes } else { Reads::Values }
}

pub(super) fn tolerance(arithmetic: Arithmetic) -> f32 {
    if arithmetic == Arithmetic::Int8 { INT8 } else { F32 }
}
