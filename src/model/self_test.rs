//! The self-test of a load: every kernel that a model takes, in its variant, runs on a small input and is compared with its CPU twin. All
//! of them take one submission and one read-back. What is wrong is replaced by another variant.

mod cases;
mod decode;
mod inputs;
mod numbers;
mod replace;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::error::Result;
use crate::gpu::pipeline::key;
use crate::gpu::shader::{Kernel, Variant};
use crate::gpu::{Arithmetic, Buffer, Gpu, KvType, Plan, Tuning, Unit};
use crate::model::{Config, Model};
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

/// What self-tests found on an adapter, to be kept and given to the next load. Kernels are told by a hash of their text and of the model's
/// heads, so that it says nothing of others.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tested {
    /// Version of this crate, and adapter. What others found counts for nothing.
    pub by: String,
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

impl Tested {
    /// What is known of the adapter of `gpu`, out of what was kept.
    fn here(kept: Self, gpu: &Gpu) -> Self {
        let about = gpu.info();
        let by = format!("{} {} {} {}", env!("CARGO_PKG_VERSION"), about.name, about.backend, about.driver);
        if kept.by == by { kept } else { Self { by, ..Self::default() } }
    }
}

/// How much a load tested.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Effort {
    /// Kernels that were compared with their twins.
    pub tested: usize,
    /// Those that were not, because it was known that they are right.
    pub known: usize,
    /// Milliseconds that it took.
    pub ms: f64,
}

/// Which variants of the kernels run, and which of them do not because they are wrong here.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Variants {
    /// `f32` or `int8`.
    pub arithmetic: &'static str,
    /// Lanes that share rows of a matrix.
    pub lanes: u32,
    /// Whether sums are taken by subgroups.
    pub subgroups: bool,
    /// Type of the KV cache.
    pub kv: KvType,
    /// Every kernel that the model takes, with its variant.
    pub kernels: Vec<String>,
    /// What self-tests found wrong on this adapter, of all models.
    pub replaced: Vec<Replaced>,
    /// What this load tested.
    pub self_test: Effort,
}

impl Variants {
    pub(super) fn new(model: &Model) -> Self {
        let tuning = model.tuning;
        let kernels = kernels_of(&model.gpu, &model.config, &model.plans.all());
        let mut kernels: Vec<String> =
            kernels.into_values().map(|(kernel, variant)| key(kernel, variant)).collect();
        kernels.sort();
        Self {
            arithmetic: if tuning.arithmetic == Arithmetic::Int8 { "int8" } else { "f32" },
            lanes: if tuning.unit == Unit::One { 1 } else { 32 },
            subgroups: model.gpu.subgroups(),
            kv: model.extents.kv,
            kernels,
            replaced: model.tested.failed.values().cloned().collect(),
            self_test: model.effort,
        }
    }
}

/// A kernel in a variant.
type Ran = (&'static Kernel, Variant);

/// Kernels of plans, each once, by a hash of their texts and of what their cases take from the model.
fn kernels_of(gpu: &Gpu, config: &Config, plans: &[&Plan]) -> BTreeMap<String, Ran> {
    let all = plans.iter().flat_map(|plan| plan.kernels());
    let by_name: BTreeMap<String, Ran> = all.map(|ran| (key(ran.0, ran.1), ran)).collect();
    let Config { n_heads, n_kv_heads, head_len, query_scale, attention_cap, .. } = config;
    let local = config.window.is_some();
    let heads = format!("{n_heads} {n_kv_heads} {head_len} {query_scale} {attention_cap} {local}");
    let hash = |ran: &Ran| format!("{:016x}", xxh3_64((gpu.text(ran.0, ran.1) + &heads).as_bytes()));
    by_name.into_values().map(|ran| (hash(&ran), ran)).collect()
}

/// Runs the cases of kernels: the largest error of each that is wrong, by its hash.
///
/// # Errors
/// [`crate::Error::OutOfMemory`]; faults of the device.
async fn run(
    gpu: &Gpu,
    config: &Config,
    (kv, tuning): (KvType, Tuning),
    kernels: &BTreeMap<String, Ran>,
) -> Result<BTreeMap<String, Replaced>> {
    let mut cases = Cases::new(gpu, config);
    let make = || {
        kernels.values().try_for_each(|ran| cases.add(*ran, kv, tuning))?;
        let staging = gpu.staging("self-test", cases.outs.iter().map(Buffer::bytes).sum());
        let plans: Vec<_> = cases.plans.iter().map(|(plan, step)| (plan, *step)).collect();
        gpu.run_into(&plans, &cases.outs, &staging)?;
        Ok(staging)
    };
    // One answer for all: the verdict is there when the results are.
    let (staging, verdict) = gpu.scoped("the self-test", make);
    let staging = staging?;
    let words = gpu.read_f32(&staging, staging.bytes()).await;
    gpu.heard(verdict).await?;
    let words = words?;
    let mut wrong: BTreeMap<String, Replaced> = BTreeMap::new();
    for (hash, (kernel, variant)) in kernels {
        let name = key(kernel, *variant);
        let own = cases.checks.iter().filter(|check| key(check.kernel, check.variant) == name);
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
