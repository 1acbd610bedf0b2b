//! Trial of the workers: how fast they compute a product, to compare with a slow adapter of a GPU.

use std::sync::Arc;

use web_time::Instant;

use crate::cpu::plan::{BufferId, BufferSpec, Job, MatrixId, MatrixSpec, Op, PlanId, Step, WorkerSpec};
use crate::cpu::team::{self, Team};
use crate::error::Result;
use crate::model::cpu::share::part_of_rows;
use crate::model::gpu::tuning;
use crate::quant::Q8_0;

/// Size of the matrix, which is that of the GPU's tuning.
const N_ROWS: usize = tuning::N_ROWS as usize;
const N_COLS: usize = tuning::N_COLS as usize;
/// Products of a timed run, and runs.
const PRODUCTS: usize = 8;
const RUNS: usize = 5;

/// Gigabytes of weights that the workers multiply in a second: the best of several runs.
///
/// # Errors
/// [`crate::Error::DeviceLost`] if a worker is gone.
pub async fn gigabytes_per_second(team: &dyn Team) -> Result<f64> {
    let n = team.n_workers();
    let (x, y) = (BufferId(0), BufferId(1));
    team::all(team, &|worker| {
        let rows = part_of_rows(N_ROWS, worker, n);
        let product = [
            Op::Product { w: MatrixId(0), x, y, first_col: rows.start },
            Op::Exchange { x: y, cols: rows.clone() },
        ];
        Job::Allocate(Box::new(WorkerSpec {
            matrices: vec![MatrixSpec { format: &Q8_0, n_cols: N_COLS, rows }],
            buffers: [N_COLS, N_ROWS].map(|n_cols| BufferSpec { n_cols, n_rows: 1 }).to_vec(),
            plans: vec![vec![product; PRODUCTS].concat()],
            ..WorkerSpec::default()
        }))
    })
    .await?;
    let blocks: Arc<[u8]> = Arc::from(tuning::blocks());
    let write = |_| Job::WriteRows { matrix: MatrixId(0), first_row: 0, blocks: Arc::clone(&blocks) };
    team::all(team, &write).await?;
    let step = Step { n_tokens: 1, ..Step::default() };
    let mut best = f64::MAX;
    for _ in 0..RUNS {
        let begun = Instant::now();
        let run = |_| Job::Run { plan: PlanId(0), section: None, step: step.clone() };
        team::all(team, &run).await?;
        best = best.min(begun.elapsed().as_secs_f64());
    }
    team::all(team, &|_| Job::Allocate(Box::default())).await?;
    Ok((PRODUCTS * blocks.len()) as f64 / best / 1e9)
}
