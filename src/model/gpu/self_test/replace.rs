//! Replacement of wrong kernels by other variants.

use web_time::Instant;

use crate::error::{Error, Result};
use crate::gpu::shader::Variant;
use crate::gpu::{Arithmetic, Lanes, Tuning};
use crate::model::device::State;
use crate::model::gpu::load::plans;
use crate::model::gpu::model::Model;
use crate::model::gpu::self_test::fixture::Ran;
use crate::model::gpu::self_test::run::{hashes_of, run};
use crate::model::gpu::self_test::tested::{Replaced, SelfTest, Tested};
use crate::quant::KvType;

/// Subgroups or not, arithmetic and lanes, type of the cache.
type Choice = (bool, Tuning, KvType);

/// A kernel that is wrong, and whether a model can do without it.
struct Wrong {
    about: Replaced,
    has_others: bool,
}

impl Model {
    /// Compares the kernels with their twins, and takes other variants until all that run are right.
    ///
    /// # Errors
    /// [`Error::SelfTestFailed`] if none are; [`Error::OutOfMemory`], faults of the device.
    pub(in crate::model::gpu) async fn self_test(&mut self, how: SelfTest) -> Result<()> {
        if how == SelfTest::Off {
            self.tested = Tested::default();
            return Ok(());
        }
        let begun = Instant::now();
        let kept = if how == SelfTest::Fast { std::mem::take(&mut self.tested) } else { Tested::default() };
        self.tested = Tested::here(kept, &self.gpu);
        let ended = self.find_right_ones().await;
        self.effort.ms = begun.elapsed().as_secs_f64() * 1e3;
        ended
    }

    async fn find_right_ones(&mut self) -> Result<()> {
        let wrong = self.wrong_kernels().await?;
        // The kernel that has no other variant, or else any.
        let Some(one) = wrong.iter().find(|wrong| !wrong.has_others).or(wrong.first()) else {
            return Ok(());
        };
        if one.has_others {
            for choice in others((self.gpu.subgroups(), self.tuning, self.shape.kv)) {
                self.take(choice).await?;
                if self.wrong_kernels().await?.is_empty() {
                    return Ok(());
                }
            }
        }
        let Replaced { kernel, variant, error } = one.about.clone();
        let about = self.gpu.info();
        let named = format!("{} {}", about.name, about.driver).trim().to_owned();
        // Browsers need not say what their adapter is.
        let adapter = if named.is_empty() { "this GPU".to_owned() } else { named };
        Err(Error::SelfTestFailed { kernel, variant, adapter, error })
    }

    /// Wrong kernels of the plans: those that are known, without another test, or else those that a test
    /// finds.
    async fn wrong_kernels(&mut self) -> Result<Vec<Wrong>> {
        let all = hashes_of(&self.gpu, &self.config, &self.plans.all());
        let (mut known, mut new) = (Vec::new(), Vec::new());
        self.effort.known = 0;
        for (hash, ran) in all {
            if self.tested.passed.contains(&hash) {
                self.effort.known += 1;
            } else if let Some((_, about)) = self.tested.failed.iter().find(|(failed, _)| *failed == hash) {
                known.push(Wrong { about: about.clone(), has_others: has_others(ran) });
            } else {
                new.push((hash, ran));
            }
        }
        if !known.is_empty() || new.is_empty() {
            return Ok(known);
        }
        let errors = run(&self.gpu, &self.config, (self.shape.kv, self.tuning), &new).await?;
        self.effort.tested += new.len();
        for ((hash, ran), error) in new.into_iter().zip(errors) {
            let Some(error) = error else {
                self.tested.passed.push(hash);
                continue;
            };
            let about = Replaced { kernel: ran.0.name.to_owned(), variant: ran.1.name(), error };
            self.tested.failed.push((hash, about.clone()));
            known.push(Wrong { about, has_others: has_others(ran) });
        }
        Ok(known)
    }

    /// Takes other variants of the kernels.
    async fn take(&mut self, (subgroups, tuning, kv): Choice) -> Result<()> {
        self.gpu.set_subgroups(subgroups);
        self.tuning = tuning;
        if kv != self.shape.kv {
            self.shape.kv = kv;
            let make = || State::allocate(&self.gpu, &self.config, self.shape);
            self.state = self.gpu.in_scope("the state's buffers", make).await?;
        }
        let (plans, scopes) =
            plans(&self.gpu, &self.config, &self.weights, &self.state, &self.decode, tuning)?;
        self.plans = plans;
        for scope in scopes {
            self.gpu.end_scope(scope).await?;
        }
        Ok(())
    }
}

/// Whether another choice takes another variant of a kernel, or none at all.
fn has_others((kernel, variant): Ran) -> bool {
    match variant {
        Variant::Plain | Variant::Kv(KvType::F32) | Variant::Operand(Arithmetic::F32) => false,
        Variant::Weights(_) => ["matmul_int8", "matmul_direct"].contains(&kernel.name),
        Variant::Kv(KvType::F16) | Variant::Operand(Arithmetic::Int8) => true,
        Variant::KvOperand(kv, tuning) => kv == KvType::F16 || tuning != SIMPLEST,
        Variant::Matvec(variant) => variant.subgroups || variant.tuning != SIMPLEST,
    }
}

const SIMPLEST: Tuning = Tuning { arithmetic: Arithmetic::F32, lanes: Lanes::One };

/// Alternatives to the choice that runs, the nearest first: sums by workgroups, f32, one lane, a cache in
/// f32.
fn others((subgroups, tuning, kv): Choice) -> Vec<Choice> {
    let mut all = Vec::new();
    // Combinations of changes: one, two, three, all.
    for bits in [1u32, 2, 4, 8, 3, 5, 6, 9, 10, 12, 7, 11, 13, 14, 15] {
        let to = |bit: u32| bits & bit != 0;
        let arithmetic = if to(2) { Arithmetic::F32 } else { tuning.arithmetic };
        let lanes = if to(4) { Lanes::One } else { tuning.lanes };
        let cache = if to(8) { KvType::F32 } else { kv };
        let choice = (subgroups && !to(1), Tuning { arithmetic, lanes }, cache);
        if choice != (subgroups, tuning, kv) && !all.contains(&choice) {
            all.push(choice);
        }
    }
    all
}
