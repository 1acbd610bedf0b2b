//! Run of a self-test: all cases in one submission and one read-back.

use xxhash_rust::xxh3::xxh3_64;

use crate::error::Result;
use crate::gpu::pipeline::key;
use crate::gpu::{Buffer, Command, Gpu, Plan, Tuning};
use crate::model::config::Config;
use crate::model::gpu::self_test::fixture::{Cases, Check, Ran, Reads};
use crate::model::gpu::self_test::inputs::decoded;
use crate::quant::KvType;

/// Kernels of plans by name, each once.
pub(super) fn kernels_of(plans: &[&Plan]) -> Vec<(String, Ran)> {
    let mut kernels: Vec<(String, Ran)> = Vec::new();
    for (kernel, variant) in plans.iter().flat_map(|plan| plan.kernels()) {
        let name = key(kernel, variant);
        if kernels.iter().all(|(other, _)| *other != name) {
            kernels.push((name, (kernel, variant)));
        }
    }
    kernels
}

/// A hash of each kernel's text and of the model's properties that its cases use.
pub(super) fn hashes_of(gpu: &Gpu, config: &Config, plans: &[&Plan]) -> Vec<(u64, Ran)> {
    let Config { n_heads, n_kv_heads, head_dim, query_scale, attention_softcap, .. } = config;
    let local = config.window.is_some();
    let heads = format!("{n_heads} {n_kv_heads} {head_dim} {query_scale} {attention_softcap} {local}");
    let hash = |ran: Ran| xxh3_64((gpu.text(ran.0, ran.1) + &heads).as_bytes());
    kernels_of(plans).into_iter().map(|(_, ran)| (hash(ran), ran)).collect()
}

/// Runs the cases of kernels. Returns the largest error of each kernel if it is too large.
///
/// # Errors
/// [`crate::Error::OutOfMemory`]; faults of the device.
pub(super) async fn run(
    gpu: &Gpu,
    config: &Config,
    (kv, tuning): (KvType, Tuning),
    kernels: &[(u64, Ran)],
) -> Result<Vec<Option<f32>>> {
    let mut cases = Cases::new(gpu, config, kv, tuning);
    // One scope for all cases: its answer arrives with the results.
    let (staging, scope) = gpu.begin_scope("the self-test", || submit(&mut cases, kernels));
    let staging = staging?;
    let words = gpu.read_f32(&staging, staging.bytes()).await;
    gpu.end_scope(scope).await?;
    let words = words?;
    let mut errors = vec![None; kernels.len()];
    for check in &cases.checks {
        let found = error(check, &cases.outs, &words);
        if let Some(largest) = errors.get_mut(check.kernel).filter(|_| found > check.tolerance) {
            *largest = Some(largest.map_or(found, |other: f32| other.max(found)));
        }
    }
    Ok(errors)
}

/// Submits all cases at once; the result is the staging buffer for their results.
fn submit(cases: &mut Cases<'_>, kernels: &[(u64, Ran)]) -> Result<Buffer> {
    for (i, (_, ran)) in kernels.iter().enumerate() {
        cases.add(i, *ran)?;
    }
    let staging = cases.gpu.staging("self-test", cases.outs.iter().map(Buffer::bytes).sum());
    let plans = cases.plans.iter().map(|(plan, params)| Command::Plan(plan, *params));
    let mut to_offset = 0;
    let copies = cases.outs.iter().map(|from| {
        let copy = Command::Copy { from, from_offset: 0, to: &staging, to_offset, bytes: from.bytes() };
        to_offset += from.bytes();
        copy
    });
    cases.gpu.run(&plans.chain(copies).collect::<Vec<_>>())?;
    Ok(staging)
}

/// The largest distance of a result from the twin's, as a part of its largest; infinite if a result is no
/// number.
fn error(check: &Check, outs: &[Buffer], words: &[f32]) -> f32 {
    let before: u64 = outs.iter().take(check.out).map(Buffer::bytes).sum();
    let from = before as usize / 4 + check.from;
    let words = words.get(from..).unwrap_or_default();
    let (mut largest, mut worst) = (f32::MIN_POSITIVE, 0f32);
    for (i, expected) in check.expected.iter().enumerate() {
        let found = match check.reads {
            Reads::Values => words.get(i).copied(),
            Reads::Codes => decoded(words, i),
            Reads::Id => words.get(i).map(|word| word.to_bits() as f32),
        };
        let distance = found.map_or(f32::NAN, |found| (found - expected).abs());
        worst = if distance.is_nan() { f32::INFINITY } else { worst.max(distance) };
        largest = largest.max(expected.abs());
    }
    worst / largest
}
