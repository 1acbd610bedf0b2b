//! Roofline: how fast the device reads memory. It bounds decoding, since a token reads every weight.

use web_time::Instant;

use super::report::Roofline;
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::gpu::{Command, Gpu, MemoryKind, Plan, RunParams};
use crate::kernels::read_bandwidth::{n_sums, read_bandwidth, record};
use crate::model::cpu;

/// Sizes to try in turn, until one takes long enough to measure: the larger the buffer, the less a cache
/// helps.
const SIZES: [u64; 3] = [64 << 20, 256 << 20, 1 << 30];
const LONG_ENOUGH: f64 = 0.02;
/// Time for which one submission reads the buffer over and over.
const RUN_SECONDS: f64 = 0.25;
const MAX_READS: f64 = 512.0;
const RUNS: usize = 5;
/// Bytes of the pattern that fills the buffer: random words, since memory may compress zeros.
const PATTERN_BYTES: u64 = 4 << 20;
/// Bytes to write before a submission.
const FLUSH_BYTES: u64 = 64 << 20;

/// Measures the read bandwidth with the largest size that fits, or the first one that takes long enough.
///
/// # Errors
/// [`Error::Inconsistent`] if a sum of the words read is wrong, [`Error::OutOfMemory`] if not even the
/// smallest size fits, [`Error::Aborted`] between two runs, faults of the device.
pub async fn roofline(gpu: &Gpu, cancel: &Cancel) -> Result<Roofline> {
    let pattern = pattern();
    let mut result = read(gpu, SIZES[0], &pattern, cancel).await?;
    for bytes in &SIZES[1..] {
        if result.bytes as f64 / (result.gigabytes_per_second * 1e9) > LONG_ENOUGH {
            break;
        }
        match read(gpu, *bytes, &pattern, cancel).await {
            Ok(larger) => result = larger,
            Err(Error::OutOfMemory { .. } | Error::LimitTooLow { .. }) => break,
            Err(other) => return Err(other),
        }
    }
    Ok(result)
}

/// Measures how fast the workers of the CPU read their weights, each its own.
///
/// # Errors
/// [`Error::Aborted`] between two runs, [`Error::DeviceLost`] if a worker is gone.
pub(super) async fn of_weights(model: &cpu::model::Model, cancel: &Cancel) -> Result<Roofline> {
    let (mut bytes, mut runs) = (0, Vec::with_capacity(RUNS));
    for _ in 0..RUNS {
        cancel.check()?;
        let begun = Instant::now();
        bytes = model.read_weights().await?;
        runs.push(bytes as f64 / begun.elapsed().as_secs_f64() / 1e9);
    }
    let gigabytes_per_second = runs.iter().copied().fold(0.0, f64::max);
    Ok(Roofline { bytes, gigabytes_per_second, runs })
}

async fn read(gpu: &Gpu, bytes: u64, pattern: &[u32], cancel: &Cancel) -> Result<Roofline> {
    let n_vectors = (bytes / 16) as usize;
    let n_sums = n_sums(n_vectors);
    let allocate =
        || Ok((gpu.storage(MemoryKind::Scratch, "stream", bytes)?, gpu.tensor("sums", n_sums, 1)?));
    let (x, y) = gpu.in_scope("the buffer to read", allocate).await?;
    for offset in (0..bytes).step_by(PATTERN_BYTES as usize) {
        gpu.write(&x, offset, bytemuck::cast_slice(pattern));
        if gpu.bytes_pending() >= FLUSH_BYTES {
            cancel.check()?;
            gpu.flush().await?;
        }
    }
    let make = || {
        let mut plan = Plan::new(gpu, "stream");
        record(&mut plan, gpu, &x, &y, n_vectors);
        Ok((plan, gpu.staging("sums staging", y.bytes())))
    };
    let (plan, staging) = gpu.in_scope("the kernel to read with", make).await?;
    let step = RunParams { n_tokens: 1, position: 1, ..RunParams::default() };
    let seconds = async |n_reads: usize| {
        cancel.check()?;
        let started = Instant::now();
        gpu.run(&vec![Command::Plan(&plan, step); n_reads])?;
        gpu.finish().await?;
        Ok::<f64, Error>(started.elapsed().as_secs_f64())
    };
    // The first compiles and makes the memory resident.
    seconds(1).await?;
    let n_reads = (RUN_SECONDS / seconds(1).await?.max(1e-6)).clamp(1.0, MAX_READS) as usize;
    let mut runs = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        runs.push(bytes as f64 * n_reads as f64 / seconds(n_reads).await? / 1e9);
    }
    gpu.run(&[Command::copy(&y, &staging, y.bytes())])?;
    let sums = gpu.read_f32(&staging, y.bytes()).await?;
    check(&sums, &read_bandwidth(pattern, step.position))?;
    let gigabytes_per_second = runs.iter().copied().fold(0.0, f64::max);
    Ok(Roofline { bytes, gigabytes_per_second, runs })
}

/// Compares the sums of the buffer with the repeated sums of the pattern.
fn check(sums: &[f32], expected: &[f32]) -> Result<()> {
    let wrong = sums.iter().zip(expected.iter().cycle()).position(|(found, expected)| found != expected);
    wrong.map_or(Ok(()), |at| {
        Err(Error::Inconsistent {
            what: "reading memory".to_owned(),
            why: format!("sum {at} of {} is wrong", sums.len()),
        })
    })
}

fn pattern() -> Vec<u32> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state
    };
    std::iter::repeat_with(next).take(PATTERN_BYTES as usize / 4).collect()
}
