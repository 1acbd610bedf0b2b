//! Tuning: the variants that are fastest on an adapter, by a short measurement, never by a name.

use web_time::Instant;

use crate::error::Result;
use crate::gpu::{Arithmetic, Buffer, Command, Gpu, Lanes, Matrix, MemoryKind, Plan, RunParams, Tuning};
use crate::kernels::matvec;
use crate::kernels::matvec_common::{Acts, Span};
use crate::quant::Q8_0;

/// Size of the test matrix, a few megabytes: large against the cost of a submission, small against the time
/// of a load.
pub const N_ROWS: u64 = 4096;
/// Length of a row.
pub const N_COLS: u64 = 1024;
/// A timed submission has as many dispatches as take this long, up to a bound.
const LEAST_MS: f64 = 4.0;
const MOST_REPEATS: usize = 64;
/// Timed submissions of each variant.
const ROUNDS: usize = 4;

/// The fastest choice, and how fast it is.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// The variants.
    pub tuning: Tuning,
    /// Gigabytes of weights that they multiply in a second.
    pub gigabytes_per_second: f64,
}

/// Measures an adapter. Of the variants, first the number of lanes that share rows, then the arithmetic. Int8 must be faster by
/// a twentieth to be worth its rounding.
///
/// # Errors
/// Faults of the device.
pub async fn measure(gpu: &Gpu) -> Result<Measured> {
    let trial = gpu.in_scope("the buffers of the tuning", || Trial::new(gpu)).await?;
    let of = |arithmetic, lanes| Tuning { arithmetic, lanes };
    let both = [Lanes::One, Lanes::ThirtyTwo];
    let [one, many] = trial.compare(gpu, both.map(|lanes| of(Arithmetic::Int8, lanes))).await?;
    let lanes = if one < many { Lanes::One } else { Lanes::ThirtyTwo };
    let [int8, f32] = trial.compare(gpu, [of(Arithmetic::Int8, lanes), of(Arithmetic::F32, lanes)]).await?;
    let arithmetic = if int8 < 0.95 * f32 { Arithmetic::Int8 } else { Arithmetic::F32 };
    // A clock of a browser may show no time at all.
    let seconds = int8.min(f32).max(1e-3) / 1e3;
    let gigabytes_per_second = Q8_0.bytes_of(N_ROWS * N_COLS) as f64 / seconds / 1e9;
    Ok(Measured { tuning: of(arithmetic, lanes), gigabytes_per_second })
}

/// Blocks of the test matrix, `Q8_0`. Not zeros: a compiler or a CPU might take short cuts for them.
#[must_use]
pub fn blocks() -> Vec<u8> {
    let block: Vec<u8> = [0, 0x2c].into_iter().chain((1..=32).map(|i| i * 7)).collect();
    block.repeat((N_ROWS * N_COLS / 32) as usize)
}

struct Trial {
    matrix: Matrix,
    acts: Buffer,
}

impl Trial {
    fn new(gpu: &Gpu) -> Result<Self> {
        let matrix = Matrix::allocate(gpu, "tuning", &Q8_0, N_ROWS, N_COLS)?;
        matrix.write_rows(gpu, 0, 0, &blocks());
        let acts = gpu.storage(MemoryKind::Scratch, "tuning acts", 4 * (2 * N_COLS + N_ROWS))?;
        Ok(Self { matrix, acts })
    }

    /// Milliseconds of a dispatch of each variant: the best of several rounds, less the time of an empty
    /// submission, whose end some browsers poll for only now and then. The rounds alternate, so that other
    /// work of the machine affects both variants.
    async fn compare(&self, gpu: &Gpu, tunings: [Tuning; 2]) -> Result<[f64; 2]> {
        let make = || Ok(tunings.map(|tuning| self.plan(gpu, tuning)));
        let plans = gpu.in_scope("the kernels of the tuning", make).await?;
        let mut best = [f64::MAX; 2];
        for plan in &plans {
            // Some drivers compile at the first run.
            run(gpu, plan, 1).await?;
        }
        let idle = quickest(gpu, &plans[0], 0).await?;
        let mut repeats = 1;
        while repeats < MOST_REPEATS && quickest(gpu, &plans[0], repeats).await? - idle < LEAST_MS {
            repeats *= 4;
        }
        for _ in 0..ROUNDS {
            for (plan, best) in plans.iter().zip(&mut best) {
                *best = best.min(run(gpu, plan, repeats).await?);
            }
        }
        Ok(best.map(|best| (best - idle).max(0.0) / repeats as f64))
    }

    fn plan(&self, gpu: &Gpu, tuning: Tuning) -> Plan {
        let mut plan = Plan::new(gpu, "tuning");
        let acts = Acts { buffer: &self.acts, tuning };
        let x = Span { values: 0, codes: (N_COLS / 4) as u32 };
        matvec::record(&mut plan, gpu, acts, &self.matrix, x, (N_COLS / 2) as u32);
        plan
    }
}

/// As [`run`], the minimum of several times.
async fn quickest(gpu: &Gpu, plan: &Plan, repeats: usize) -> Result<f64> {
    let mut best = f64::MAX;
    for _ in 0..ROUNDS {
        best = best.min(run(gpu, plan, repeats).await?);
    }
    Ok(best)
}

/// Milliseconds until some runs are done.
async fn run(gpu: &Gpu, plan: &Plan, repeats: usize) -> Result<f64> {
    let command = Command::Plan(plan, RunParams { n_tokens: 1, ..RunParams::default() });
    let begun = Instant::now();
    gpu.run(&vec![command; repeats])?;
    gpu.finish().await?;
    Ok(begun.elapsed().as_secs_f64() * 1e3)
}
