//! The self-test of a load: every kernel that a model takes, in its variant, runs on a small input and is compared with its CPU twin. All
//! of them take one submission and one read-back. What is wrong is replaced by another variant.

mod cases;
mod decode;
mod inputs;
mod numbers;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::error::Result;
use crate::gpu::pipeline::key;
use crate::gpu::shader::{Kernel, Variant};
use crate::gpu::{Arithmetic, Buffer, Gpu, KvType, Plan, Tuning, Unit};
use crate::model::Config;
use cases::{Cases, Check, Reads};
use inputs::decoded;

/// Whether kernels are compared with their twins before a model is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SelfTest {
    /// All of them.
    Full,
    /// Those that have not passed before on the same adapter: see [`Tested`].
    #[default]
    Fast,
    /// None.
    Off,
}

/// What self-tests found on an adapter, to be kept and given to the next load. Kernels are told by a hash of their text, so that it says
/// nothing of those that have changed since.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tested {
    /// Kernels that are right.
    pub passed: Vec<String>,
    /// Kernels that are not.
    pub failed: BTreeMap<String, Replaced>,
}

/// A variant of a kernel that computes something else than it should.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Replaced {
    /// The kernel.
    pub kernel: String,
    /// Its variant.
    pub variant: String,
    /// Largest distance from the right results, as a part of the largest of them; infinite, `null` in JSON, where it is no number.
    #[serde(deserialize_with = "finite_or_not")]
    pub error: f32,
}

fn finite_or_not<'de, D: serde::Deserializer<'de>>(from: D) -> Result<f32, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or(f32::INFINITY))
}

/// Which variants of the kernels run, and which of them do not because they are wrong here.
#[derive(Clone, Debug, Serialize)]
pub struct Variants {
    /// `f32` or `int8`.
    pub arithmetic: &'static str,
    /// Lanes that share rows of a matrix.
    pub lanes: u32,
    /// Whether sums are taken by subgroups.
    pub subgroups: bool,
    /// Type of the KV cache.
    pub kv: KvType,
    /// What the self-test found wrong and replaced.
    pub replaced: Vec<Replaced>,
}

impl Variants {
    pub(super) fn new(gpu: &Gpu, kv: KvType, tuning: Tuning, replaced: Vec<Replaced>) -> Self {
        Self {
            arithmetic: if tuning.arithmetic == Arithmetic::Int8 { "int8" } else { "f32" },
            lanes: if tuning.unit == Unit::One { 1 } else { 32 },
            // One lane has nobody to share a sum with, but a workgroup has.
            subgroups: gpu.subgroups(),
            kv,
            replaced,
        }
    }
}

/// Kernels of plans, each once, by the hash of its text.
pub(super) fn kernels_of(gpu: &Gpu, plans: &[&Plan]) -> BTreeMap<String, (&'static Kernel, Variant)> {
    let all = plans.iter().flat_map(|plan| plan.kernels());
    let by_name: BTreeMap<String, (&'static Kernel, Variant)> =
        all.map(|(kernel, variant)| (key(kernel, variant), (kernel, variant))).collect();
    let hash = |(kernel, variant): &(&'static Kernel, Variant)| {
        format!("{:016x}", xxh3_64(gpu.text(kernel, *variant).as_bytes()))
    };
    by_name.into_values().map(|ran| (hash(&ran), ran)).collect()
}

/// Runs the cases of kernels: the largest error of each that is wrong, by the hash of its text.
///
/// # Errors
/// [`crate::Error::OutOfMemory`]; faults of the device.
pub(super) async fn run(
    gpu: &Gpu,
    config: &Config,
    (kv, tuning): (KvType, Tuning),
    kernels: &BTreeMap<String, (&'static Kernel, Variant)>,
) -> Result<BTreeMap<String, Replaced>> {
    let mut cases = Cases::new(gpu, config);
    let make = || {
        kernels.values().try_for_each(|ran| cases.add(*ran, kv, tuning))?;
        Ok(gpu.staging("self-test", cases.outs.iter().map(Buffer::bytes).sum()))
    };
    let staging = gpu.checked("the self-test", make).await?;
    let plans: Vec<_> = cases.plans.iter().map(|(plan, step)| (plan, *step)).collect();
    let outs: Vec<&Buffer> = cases.outs.iter().collect();
    gpu.run_into(&plans, &outs, &staging)?;
    let words = gpu.read_f32(&staging, staging.bytes()).await?;
    let mut wrong: BTreeMap<String, Replaced> = BTreeMap::new();
    for (hash, (kernel, variant)) in kernels {
        let own =
            cases.checks.iter().filter(|check| key(check.kernel, check.variant) == key(kernel, *variant));
        let errors = own.map(|check| (error(check, &cases.outs, &words), check.tolerance));
        let failed = errors.filter(|(error, tolerance)| error > tolerance).map(|(error, _)| error);
        if let Some(error) = failed.reduce(f32::max) {
            let replaced = Replaced { kernel: kernel.name.to_owned(), variant: variant.name(), error };
            wrong.insert(hash.clone(), replaced);
        }
    }
    Ok(wrong)
}

/// The largest distance of a result from the twin's, as a part of its largest; infinite where it is no number.
fn error(check: &Check, outs: &[Buffer], words: &[f32]) -> f32 {
    let before: u64 = outs.iter().take(check.out).map(Buffer::bytes).sum();
    let n = check.expected.len();
    let from = before as usize / 4 + check.from;
    let taken = |n_words: usize| words.get(from..from + n_words).unwrap_or_default();
    let found = match check.reads {
        Reads::Values => taken(n).to_vec(),
        Reads::Codes => decoded(taken(n / 2)),
        Reads::Id => taken(n).iter().map(|word| word.to_bits() as f32).collect(),
    };
    let largest = check.expected.iter().fold(f32::MIN_POSITIVE, |m, x| m.max(x.abs()));
    let distances = check.expected.iter().zip(&found).map(|(e, f)| (e - f).abs() / largest);
    let worst = distances.fold(0f32, |m, d| if d.is_nan() { f32::INFINITY } else { m.max(d) });
    if found.len() == n { worst } else { f32::INFINITY }
}

/// Other choices than the one that runs, those nearest to it first: sums by workgroups, f32, one lane, a cache in f32.
pub(super) fn others((subgroups, tuning, kv): Choice) -> Vec<Choice> {
    let mut all = Vec::new();
    for bits in 1..16u32 {
        let to = |bit: u32| bits & bit != 0;
        let applies =
            [subgroups, tuning.arithmetic == Arithmetic::Int8, tuning.unit != Unit::One, kv == KvType::F16];
        if (0..).zip(applies).any(|(i, applies)| to(1 << i) && !applies) {
            continue;
        }
        let arithmetic = if to(2) { Arithmetic::F32 } else { tuning.arithmetic };
        let unit = if to(4) { Unit::One } else { tuning.unit };
        let kv = if to(8) { KvType::F32 } else { kv };
        all.push((bits.count_ones(), (subgroups && !to(1), Tuning { arithmetic, unit }, kv)));
    }
    all.sort_by_key(|(n_changes, _)| *n_changes);
    all.into_iter().map(|(_, choice)| choice).collect()
}

/// Subgroups or not, arithmetic and lanes, type of the cache.
pub(super) type Choice = (bool, Tuning, KvType);
