//! A device to run single kernels on, and numbers to run them with.

use gemma_web::gpu::options::FaultInjection;
use gemma_web::gpu::{Buffer, Command, Gpu, GpuOptions, Matrix, MemoryKind, Plan, RunParams};
use gemma_web::quant::Format;
use libtest_mimic::Failed;
use pollster::block_on;

use super::compare::close;

/// A device and numbers that look random but are the same in every run.
pub(crate) struct Bench {
    pub(crate) gpu: Gpu,
    seed: std::cell::Cell<u32>,
}

impl Bench {
    pub(crate) fn open(options: GpuOptions) -> Result<Self, Failed> {
        Ok(Self { gpu: block_on(Gpu::open(&options))?, seed: std::cell::Cell::new(1) })
    }

    pub(crate) fn bits(&self) -> u32 {
        let mut x = self.seed.get().wrapping_mul(2_654_435_769).wrapping_add(12_345);
        self.seed.set(x);
        x ^= x >> 15;
        x.wrapping_mul(0x2c1b_3c6d) ^ (x >> 12)
    }

    /// Numbers in -range..range.
    pub(crate) fn numbers(&self, n: usize, range: f32) -> Vec<f32> {
        (0..n).map(|_| (f64::from(self.bits()) / f64::from(u32::MAX) * 2.0 - 1.0) as f32 * range).collect()
    }

    pub(crate) fn buffer(&self, values: &[f32]) -> Buffer {
        let buffer = self.gpu.storage(MemoryKind::Scratch, "test", 4 * values.len() as u64).unwrap();
        self.gpu.write(&buffer, 0, bytemuck::cast_slice(values));
        buffer
    }

    pub(crate) fn empty(&self, n: usize) -> Buffer {
        // Filled with a number that no kernel gives, so that an element left out is found.
        self.buffer(&vec![1e30; n])
    }

    pub(crate) fn plan(&self) -> Plan {
        Plan::new(&self.gpu, "test")
    }

    pub(crate) fn run(
        &self,
        plan: &Plan,
        n_tokens: usize,
        position: usize,
        out: &Buffer,
    ) -> Result<Vec<f32>, Failed> {
        let staging = self.gpu.staging("test", out.bytes());
        let step = RunParams { n_tokens: n_tokens as u32, position: position as u32, ..RunParams::default() };
        self.gpu.run(&[Command::Plan(plan, step), Command::copy(out, &staging, out.bytes())])?;
        Ok(block_on(self.gpu.read_f32(&staging, out.bytes()))?)
    }

    /// Rows of random blocks whose weights are finite and of ordinary size.
    pub(crate) fn blocks(&self, format: &Format, n_rows: usize, n_cols: usize) -> Vec<u8> {
        let n_blocks = n_rows * n_cols / format.block_len;
        let mut out = Vec::new();
        for _ in 0..n_blocks {
            loop {
                let mut block: Vec<u8> = (0..format.block_bytes).map(|_| (self.bits() >> 11) as u8).collect();
                soften(format, &mut block);
                let mut weights = Vec::new();
                format.decode(&block, &mut weights);
                if weights.iter().all(|w| w.abs() < 8.0) {
                    out.extend(block);
                    break;
                }
            }
        }
        out
    }

    /// The matrix of whole rows of blocks, in two uploads, as a stream would.
    pub(crate) fn matrix(
        &self,
        format: &'static Format,
        blocks: &[u8],
        n_cols: usize,
    ) -> Result<Matrix, Failed> {
        let n_rows = blocks.len() as u64 / format.bytes_of(n_cols as u64);
        let matrix = Matrix::allocate(&self.gpu, format.name, format, n_rows, n_cols as u64)?;
        let half = (n_rows / 2 / 16 * 16 * matrix.row_bytes()) as usize;
        matrix.write_rows(&self.gpu, 0, 0, &blocks[..half]);
        matrix.write_rows(&self.gpu, 0, n_rows / 2 / 16 * 16, &blocks[half..]);
        Ok(matrix)
    }
}

/// Puts the f16 scales of a random block into an ordinary range: the high byte of each gets the exponent 2^-11.
fn soften(format: &Format, block: &mut [u8]) {
    let halves: &[usize] = match format.name {
        "Q4_0" | "Q5_0" | "Q8_0" | "IQ4_NL" | "IQ4_XS" => &[0],
        "Q4_1" | "Q5_1" | "Q4_K" | "Q5_K" => &[0, 2],
        "Q2_K" => &[80, 82],
        "Q3_K" => &[108],
        "Q6_K" => &[208],
        _ => &[],
    };
    for at in halves {
        block[at + 1] = 0x10 | (block[at + 1] & 0x83);
    }
}

/// A comparison of kernels with their twins, and a mistake in a kernel that it must notice.
pub(crate) type Planted = (fn(&Bench) -> Result<(), Failed>, FaultInjection);

/// Each comparison fails if its mistake is planted.
pub(crate) fn notices(planted: &[Planted]) -> Result<(), Failed> {
    for (compare, fault) in planted {
        let b = Bench::open(GpuOptions { inject: Some(*fault), ..GpuOptions::default() })?;
        if compare(&b).is_ok() {
            return Err(format!("nobody noticed {fault:?}").into());
        }
    }
    Ok(())
}

/// `found` may be up to three values longer: buffers are at least 16 bytes.
pub(crate) fn same(what: &str, expected: &[f32], found: &[f32], max_abs: f32) -> Result<(), Failed> {
    let padding = if expected.len() < 4 { 4 - expected.len() } else { 0 };
    let found = found.get(..found.len() - padding).unwrap_or_default();
    close(what, expected, found, max_abs)?;
    Ok(())
}
