//! Whether there is an adapter, and models loaded on it.

use std::path::Path;
use std::sync::OnceLock;

use gemma_web::engine::{DeviceChoice, Engine, GenerateOptions, LoadOptions};
use gemma_web::gpu::{Arithmetic, Gpu, GpuOptions, Lanes, Tuning};
use gemma_web::source::native::file::FileSource;
use gemma_web::{Cancel, Result};
use pollster::block_on;

/// Need of a GPU test, as its name states it if there is no adapter.
pub(crate) const NEED: &str = "a GPU adapter: install a Vulkan driver, such as Mesa's llvmpipe";

/// The variants that exact results are compared with, whichever are faster on the adapter.
pub(crate) const F32: Option<Tuning> = Some(Tuning { arithmetic: Arithmetic::F32, lanes: Lanes::One });

/// `Some` if an adapter can be opened, or if the tests of this crate run on the CPU. With `GEMMA_WEB_REQUIRE_GPU=1` always `Some`, so that the tests run and fail
/// instead of being ignored.
pub(crate) fn adapter() -> Option<()> {
    static FOUND: OnceLock<Option<()>> = OnceLock::new();
    *FOUND.get_or_init(|| {
        if crate::DEVICE == DeviceChoice::Cpu {
            return Some(());
        }
        if std::env::var("GEMMA_WEB_REQUIRE_GPU").is_ok_and(|value| value == "1") {
            return Some(());
        }
        block_on(Gpu::open(&GpuOptions::default())).ok().map(|_| ())
    })
}

/// The options with the device of this crate's tests.
pub(crate) fn here(options: &LoadOptions) -> LoadOptions {
    LoadOptions { device: crate::DEVICE, ..options.clone() }
}

/// Loads a model file.
pub(crate) fn load(path: &Path, options: &LoadOptions) -> Result<Engine> {
    let source = FileSource::open(path)?;
    block_on(Engine::load(source, &here(options), &Cancel::default(), &mut |_| ()))
}

/// The `n` most likely ids after `ids`, one after the other; fewer if generation stops.
pub(crate) fn greedy(engine: &mut Engine, ids: &[u32], n: usize) -> Result<Vec<u32>> {
    let options = GenerateOptions::greedy(n);
    let generation = block_on(engine.generate(ids, &options, &Cancel::default(), &mut |_| ()))?;
    Ok(generation.tokens)
}
