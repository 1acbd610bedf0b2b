//! Profile of plans: the time of each kernel. If the adapter has timestamps, they surround a pass for each
//! dispatch; otherwise the dispatches of one kernel run alone, many times over.

use serde::Serialize;
use web_time::Instant;

use super::accounts::MemoryKind;
use super::buffer::Buffer;
use super::device::Gpu;
use super::plan::{BoundDispatch, Plan, RunParams};
use crate::cancel::Cancel;
use crate::error::Result;

/// Dispatches per submission: WebGPU's query sets hold 4096, and a dispatch takes two.
const MAX_TIMED: usize = 2048;
/// Number of runs to average, after a warm-up run, until this much time is spent.
const RUNS: std::ops::RangeInclusive<usize> = 3..=24;
const ENOUGH_SECONDS: f64 = 0.5;
/// Without timestamps: the time for which a kernel's dispatches are repeated, and the maximum number of
/// repetitions.
const SAMPLE_SECONDS: f64 = 0.03;
const MAX_REPEATS: f64 = 64.0;
/// Method of measurement of a [`Profile`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Timestamps at the beginning and the end of a pass for each dispatch.
    Timestamps,
    /// The wall time of the kernel's dispatches alone, repeated: the adapter gave no timestamps.
    Repetition,
}

/// One kernel in one variant, in a run of the plans.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KernelTime {
    /// Kernel and variant.
    pub kernel: String,
    /// Dispatches.
    pub calls: u64,
    /// Microseconds of all of them, averaged over the runs.
    pub us: f64,
    /// Bytes of the matrices that they read once each; 0 if they read none, or only a row for each token.
    pub matrix_bytes: u64,
}

/// Time of one run of some plans, by kernel.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    /// Method of the measurement.
    pub method: Method,
    /// Unit of the timestamps, in nanoseconds: browsers make them coarse.
    pub resolution_ns: Option<f64>,
    /// The kernels, in the order of their first dispatch.
    pub kernels: Vec<KernelTime>,
}

/// A dispatch and the parameters of its run.
type Timed<'a> = (&'a BoundDispatch, RunParams);

impl Gpu {
    /// Features of the device beyond WebGPU's core, by WebGPU's names.
    #[must_use]
    pub fn features(&self) -> Vec<&'static str> {
        let all = [
            (self.device.features().contains(wgpu::Features::TIMESTAMP_QUERY), "timestamp-query"),
            (self.subgroups(), "subgroups"),
            (self.device.features().contains(wgpu::Features::SHADER_F16), "shader-f16"),
        ];
        all.into_iter().filter(|(granted, _)| *granted).map(|(_, name)| name).collect()
    }

    /// Runs plans several times, each with its parameters, and measures each kernel. The plans overwrite
    /// their own results, which are useless afterwards.
    ///
    /// # Errors
    /// As [`Gpu::run`] and [`Gpu::read_back`]; [`crate::Error::Aborted`] between two runs.
    pub async fn profile(&self, plans: &[(&Plan, RunParams)], cancel: &Cancel) -> Result<Profile> {
        self.check()?;
        for (plan, params) in plans {
            self.write(&plan.step, 0, bytemuck::bytes_of(params));
        }
        let mut dispatches: Vec<Timed<'_>> = Vec::new();
        for (plan, params) in plans {
            dispatches.extend(plan.dispatches.iter().map(|dispatch| (dispatch, *params)));
        }
        if self.device.features().contains(wgpu::Features::TIMESTAMP_QUERY) {
            self.by_timestamps(&dispatches, cancel).await
        } else {
            self.by_repetition(&dispatches, cancel).await
        }
    }

    async fn by_timestamps(&self, dispatches: &[Timed<'_>], cancel: &Cancel) -> Result<Profile> {
        let make = || Ok(Clock::new(self, dispatches.len().min(MAX_TIMED)));
        let clock = self.in_scope("the queries of a profile", make).await?;
        let mut ticks = vec![0; dispatches.len()];
        let (mut unit, mut n_runs) = (0, 0);
        let mut started = Instant::now();
        for run_ix in 0..=*RUNS.end() {
            cancel.check()?;
            let counts = run_ix > 0;
            for (timed, sums) in dispatches.chunks(MAX_TIMED).zip(ticks.chunks_mut(MAX_TIMED)) {
                for ([begin, end], sum) in clock.time(self, timed).await?.iter().zip(sums) {
                    unit = common_divisor(unit, end.saturating_sub(*begin));
                    *sum += if counts { end.saturating_sub(*begin) } else { 0 };
                }
            }
            if !counts {
                started = Instant::now();
                continue;
            }
            n_runs = run_ix;
            if run_ix >= *RUNS.start() && started.elapsed().as_secs_f64() > ENOUGH_SECONDS {
                break;
            }
        }
        let us_per_tick = f64::from(self.queue.get_timestamp_period()) / 1e3;
        let us = ticks.iter().map(|sum| *sum as f64 * us_per_tick / n_runs.max(1) as f64);
        let mut kernels = Vec::new();
        for ((dispatch, _), us) in dispatches.iter().zip(us) {
            add(&mut kernels, dispatch, us);
        }
        let resolution_ns = Some(unit as f64 * us_per_tick * 1e3);
        Ok(Profile { method: Method::Timestamps, resolution_ns, kernels })
    }

    async fn by_repetition(&self, dispatches: &[Timed<'_>], cancel: &Cancel) -> Result<Profile> {
        let mut kernels = Vec::new();
        for (dispatch, _) in dispatches {
            add(&mut kernels, dispatch, 0.0);
        }
        let idle = self.seconds_of(&[], 1).await?.min(self.seconds_of(&[], 1).await?);
        for kernel in &mut kernels {
            cancel.check()?;
            let own: Vec<Timed<'_>> =
                dispatches.iter().filter(|(p, _)| p.name == kernel.kernel).copied().collect();
            self.seconds_of(&own, 1).await?;
            let once = self.seconds_of(&own, 1).await? - idle;
            let repeats = (SAMPLE_SECONDS / once.max(1e-6)).clamp(1.0, MAX_REPEATS) as usize;
            let mut best = f64::INFINITY;
            for _ in 0..*RUNS.start() {
                best = best.min(self.seconds_of(&own, repeats).await? - idle);
            }
            kernel.us = best.max(0.0) * 1e6 / repeats as f64;
        }
        Ok(Profile { method: Method::Repetition, resolution_ns: None, kernels })
    }

    /// Wall time of some dispatches in one pass, repeated this often one after the other.
    async fn seconds_of(&self, dispatches: &[Timed<'_>], repeats: usize) -> Result<f64> {
        let started = Instant::now();
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        for (dispatch, params) in std::iter::repeat_n(dispatches, repeats).flatten() {
            dispatch.record(&mut pass, *params)?;
        }
        drop(pass);
        self.submit([encoder]);
        self.finish().await?;
        Ok(started.elapsed().as_secs_f64())
    }
}

/// Adds a dispatch to the row of its kernel.
fn add(kernels: &mut Vec<KernelTime>, dispatch: &BoundDispatch, us: f64) {
    let matrix_bytes = dispatch.plane_bytes;
    match kernels.iter_mut().find(|row| row.kernel == dispatch.name) {
        Some(row) => {
            row.calls += 1;
            row.us += us;
            row.matrix_bytes += matrix_bytes;
        }
        None => kernels.push(KernelTime { kernel: dispatch.name.clone(), calls: 1, us, matrix_bytes }),
    }
}

fn common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

/// Queries and the buffers that they are read through.
struct Clock {
    queries: wgpu::QuerySet,
    resolved: Buffer,
    staging: Buffer,
}

impl Clock {
    fn new(gpu: &Gpu, n_dispatches: usize) -> Self {
        let bytes = 16 * n_dispatches as u64;
        let usage = wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC;
        gpu.count_objects(1);
        let queries = gpu.device.create_query_set(&wgpu::QuerySetDescriptor {
            label: Some("profile"),
            ty: wgpu::QueryType::Timestamp,
            count: 2 * n_dispatches.max(1) as u32,
        });
        let resolved = gpu.buffer(MemoryKind::Scratch, "timestamps", bytes, usage);
        Self { queries, resolved, staging: gpu.staging("timestamps staging", bytes) }
    }

    /// Ticks at the beginning and the end of each dispatch, each in a pass of its own.
    async fn time(&self, gpu: &Gpu, dispatches: &[Timed<'_>]) -> Result<Vec<[u64; 2]>> {
        let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        for ((dispatch, params), query) in dispatches.iter().zip((0..).step_by(2)) {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                label: None,
                timestamp_writes: Some(wgpu::ComputePassTimestampWrites {
                    query_set: &self.queries,
                    beginning_of_pass_write_index: Some(query),
                    end_of_pass_write_index: Some(query + 1),
                }),
            });
            dispatch.record(&mut pass, *params)?;
        }
        let (n_queries, bytes) = (2 * dispatches.len() as u32, 16 * dispatches.len() as u64);
        encoder.resolve_query_set(&self.queries, 0..n_queries, &self.resolved.raw, 0);
        encoder.copy_buffer_to_buffer(&self.resolved.raw, 0, &self.staging.raw, 0, bytes);
        gpu.submit([encoder]);
        gpu.read_back(gpu.request(&self.staging, bytes), &self.staging).await
    }
}
