//! Which variants of the decode kernels are fastest on an adapter: a short measurement, never a name.

use web_time::Instant;

use crate::error::Result;
use crate::gpu::{Arithmetic, Gpu, Kind, Matrix, Plan, Step, Tuning, Unit, Work};
use crate::kernels::row_matvec;
use crate::kernels::rows::Acts;
use crate::quant::Q8_0;

/// A matrix of a few megabytes: large against the cost of a submission, small against the time of a load.
const N_ROWS: u64 = 4096;
const N_COLS: u64 = 1024;
/// Dispatches of a timed submission at first; more as long as it takes less than [`LEAST_MS`].
const FIRST_REPEATS: usize = 1;
const LEAST_MS: f64 = 4.0;
const MOST_REPEATS: usize = 64;

/// The fastest choice: first how many lanes share rows, then the arithmetic. Int8 has to be faster by a twentieth to be worth its rounding.
///
/// # Errors
/// Faults of the device.
pub async fn measure(gpu: &Gpu) -> Result<Tuning> {
    let trial = Trial::new(gpu)?;
    let of = |arithmetic, unit| Tuning { arithmetic, unit };
    let one = trial.time(gpu, of(Arithmetic::Int8, Unit::One)).await?;
    let many = trial.time(gpu, of(Arithmetic::Int8, Unit::ThirtyTwo)).await?;
    let (unit, int8) = if one < many { (Unit::One, one) } else { (Unit::ThirtyTwo, many) };
    let f32 = trial.time(gpu, of(Arithmetic::F32, unit)).await?;
    Ok(of(if int8 < 0.95 * f32 { Arithmetic::Int8 } else { Arithmetic::F32 }, unit))
}

struct Trial {
    matrix: Matrix,
    acts: crate::gpu::Buffer,
}

impl Trial {
    fn new(gpu: &Gpu) -> Result<Self> {
        let matrix = Matrix::allocate(gpu, "tuning", &Q8_0, N_ROWS, N_COLS)?;
        // Zeros would do, but a compiler's or a CPU's short cuts for them would not.
        let block: Vec<u8> = [0, 0x2c].into_iter().chain((1..=32).map(|i| i * 7)).collect();
        let blocks = block.repeat((N_ROWS * N_COLS / 32) as usize);
        matrix.write_rows(gpu, 0, 0, &blocks);
        let acts = gpu.storage(Kind::Scratch, "tuning acts", 4 * (2 * N_COLS + N_ROWS))?;
        Ok(Self { matrix, acts })
    }

    /// Milliseconds of a dispatch.
    async fn time(&self, gpu: &Gpu, tuning: Tuning) -> Result<f64> {
        let mut plan = Plan::new(gpu, "tuning");
        let acts = Acts { buffer: &self.acts, tuning };
        let (codes, out) = ((N_COLS / 4) as u32, (N_COLS / 2) as u32);
        row_matvec::record(&mut plan, gpu, acts, &self.matrix, (0, codes), out);
        let work = Work::Plan(&plan, Step { n_tokens: 1, ..Step::default() });
        gpu.run_works(&[work])?;
        gpu.finish().await?;
        let mut repeats = FIRST_REPEATS;
        loop {
            let mut best = f64::MAX;
            for _ in 0..3 {
                let begun = Instant::now();
                gpu.run_works(&vec![work; repeats])?;
                gpu.finish().await?;
                best = best.min(begun.elapsed().as_secs_f64() * 1e3);
            }
            if best > LEAST_MS || repeats >= MOST_REPEATS {
                return Ok(best / repeats as f64);
            }
            repeats *= 4;
        }
    }
}
