//! The self-test of a load: every kernel that a model takes, in its variant, runs on a small input and is compared with its CPU twin. All
//! of them take one submission and one read-back. What is wrong is replaced by another variant.

mod cases;
mod decode;
mod inputs;
mod numbers;
mod replace;

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

/// What self-tests found on an adapter, to be kept as a text and given to the next load. Kernels are told by a hash of their text and of the
/// model's heads, so that it says nothing of others.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Tested {
    /// Version of this crate, and adapter. What others found counts for nothing.
    pub by: String,
    /// Kernels that are right.
    pub passed: Vec<u64>,
    /// Kernels that are not.
    pub failed: Vec<(u64, Replaced)>,
}

/// A variant of a kernel that computes something else than it should.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Replaced {
    /// The kernel.
    pub kernel: String,
    /// Its variant.
    pub variant: String,
    /// Largest distance from the right results, as a part of the largest of them; infinite, `null` in JSON, where it is no number.
    pub error: f32,
}

/// `by`, and a line for each kernel: its hash; where it is wrong, also the bits of the error, its name and its variant.
impl From<Tested> for String {
    fn from(tested: Tested) -> Self {
        let mut text = tested.by;
        for hash in tested.passed {
            text += &format!("\n{hash:x}");
        }
        for (hash, Replaced { kernel, variant, error }) in tested.failed {
            text += &format!("\n{hash:x} {:x} {kernel} {variant}", error.to_bits());
        }
        text
    }
}

/// Lines that can't be read are as good as none.
impl From<String> for Tested {
    fn from(text: String) -> Self {
        let mut lines = text.lines();
        let mut tested = Self { by: lines.next().unwrap_or_default().to_owned(), ..Self::default() };
        for line in lines {
            let mut words = line.splitn(4, ' ');
            let mut number = || words.next().map(|word| u64::from_str_radix(word, 16));
            let (hash, bits) = (number(), number());
            match (hash, bits, words.next(), words.next()) {
                (Some(Ok(hash)), None, ..) => tested.passed.push(hash),
                (Some(Ok(hash)), Some(Ok(bits)), Some(kernel), Some(variant)) => {
                    let (kernel, variant) = (kernel.to_owned(), variant.to_owned());
                    let error = f32::from_bits(bits as u32);
                    tested.failed.push((hash, Replaced { kernel, variant, error }));
                }
                _ => {}
            }
        }
        tested
    }
}

impl Tested {
    /// What is known of the adapter of `gpu`, out of what was kept.
    fn here(kept: Self, gpu: &Gpu) -> Self {
        let about = gpu.info();
        let by = format!("{} {} {} {}", env!("CARGO_PKG_VERSION"), about.name, about.backend, about.driver);
        let by = by.replace('\n', " ");
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
    /// What the load tested; what it found counts where the model is loaded again.
    pub self_test: Effort,
}

impl Variants {
    pub(super) fn new(model: &Model) -> Self {
        let tuning = model.tuning;
        Self {
            arithmetic: if tuning.arithmetic == Arithmetic::Int8 { "int8" } else { "f32" },
            lanes: if tuning.unit == Unit::One { 1 } else { 32 },
            subgroups: model.gpu.subgroups(),
            kv: model.extents.kv,
            kernels: kernels_of(&model.plans.all()).into_iter().map(|(name, _)| name).collect(),
            replaced: model.tested.failed.iter().map(|(_, about)| about.clone()).collect(),
            self_test: model.effort,
        }
    }
}

/// A kernel in a variant.
type Ran = (&'static Kernel, Variant);

/// Kernels of plans by name, each once.
fn kernels_of(plans: &[&Plan]) -> Vec<(String, Ran)> {
    let mut kernels: Vec<(String, Ran)> = Vec::new();
    for (kernel, variant) in plans.iter().flat_map(|plan| plan.kernels()) {
        let name = key(kernel, variant);
        if kernels.iter().all(|(other, _)| *other != name) {
            kernels.push((name, (kernel, variant)));
        }
    }
    kernels
}

/// A hash of each kernel's text and of what its cases take from the model.
fn hashes_of(gpu: &Gpu, config: &Config, plans: &[&Plan]) -> Vec<(u64, Ran)> {
    let Config { n_heads, n_kv_heads, head_len, query_scale, attention_cap, .. } = config;
    let local = config.window.is_some();
    let heads = format!("{n_heads} {n_kv_heads} {head_len} {query_scale} {attention_cap} {local}");
    let hash = |ran: Ran| xxh3_64((gpu.text(ran.0, ran.1) + &heads).as_bytes());
    kernels_of(plans).into_iter().map(|(_, ran)| (hash(ran), ran)).collect()
}

/// Runs the cases of kernels: the largest error of each, where that is too much.
///
/// # Errors
/// [`crate::Error::OutOfMemory`]; faults of the device.
async fn run(
    gpu: &Gpu,
    config: &Config,
    (kv, tuning): (KvType, Tuning),
    kernels: &[(u64, Ran)],
) -> Result<Vec<Option<f32>>> {
    let mut cases = Cases::new(gpu, config, kv, tuning);
    // One answer for all: the verdict is there when the results are.
    let (staging, verdict) = gpu.scoped("the self-test", || submitted(&mut cases, kernels));
    let staging = staging?;
    let words = gpu.read_f32(&staging, staging.bytes()).await;
    gpu.heard(verdict).await?;
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

/// All cases in one submission, and where their results will be.
fn submitted(cases: &mut Cases<'_>, kernels: &[(u64, Ran)]) -> Result<Buffer> {
    for (i, (_, ran)) in kernels.iter().enumerate() {
        cases.add(i, *ran)?;
    }
    let staging = cases.gpu.staging("self-test", cases.outs.iter().map(Buffer::bytes).sum());
    cases.gpu.run_into(&cases.plans, &cases.outs, &staging)?;
    Ok(staging)
}

/// The largest distance of a result from the twin's, as a part of its largest; infinite where it is no number.
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
