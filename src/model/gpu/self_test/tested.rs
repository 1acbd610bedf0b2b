//! Findings of self-tests, kept from load to load.

use serde::{Deserialize, Serialize};

use crate::gpu::Gpu;

/// Kernels that are compared with their twins before a model is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SelfTest {
    /// All kernels.
    Full,
    /// Kernels that have not passed before on the same adapter: see [`Tested`].
    #[default]
    Fast,
    /// No kernel.
    Off,
}

/// Findings of self-tests on an adapter, to be kept as a text and given to the next load. A hash of a
/// kernel's text and of the model's heads stands for the kernel, so that a finding applies to no other
/// kernel.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Tested {
    /// Version of this crate, and adapter. Findings of others are ignored.
    pub by: String,
    /// Kernels that are right.
    pub passed: Vec<u64>,
    /// Kernels that are not.
    pub failed: Vec<(u64, Replaced)>,
}

/// A variant of a kernel whose results are wrong.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Replaced {
    /// The kernel.
    pub kernel: String,
    /// Its variant.
    pub variant: String,
    /// Largest distance from the right results, as a part of the largest of them; infinite, `null` in JSON,
    /// if a result is no number.
    pub error: f32,
}

/// `by`, and a line for each kernel: its hash; if it is wrong, also the bits of the error, its name and its
/// variant.
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

/// Lines that cannot be read are skipped.
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
    /// Kept findings, if they are of the adapter of `gpu`.
    pub(super) fn here(kept: Self, gpu: &Gpu) -> Self {
        let about = gpu.info();
        let by = format!("{} {} {} {}", env!("CARGO_PKG_VERSION"), about.name, about.backend, about.driver);
        let by = by.replace('\n', " ");
        if kept.by == by { kept } else { Self { by, ..Self::default() } }
    }
}

/// Effort of a load's self-test.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Effort {
    /// Kernels that were compared with their twins.
    pub tested: usize,
    /// Kernels that were not, because they had passed before.
    pub known: usize,
    /// Duration in milliseconds.
    pub ms: f64,
}
