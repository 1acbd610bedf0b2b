//! Which variants of the kernels were fastest on an adapter, and which kernels are right there, kept in the user's cache folder: measured
//! and tested once, and the same text for the same seed from then on.

use std::collections::BTreeMap;
use std::path::PathBuf;

use gemma_web::gpu::device::AdapterInfo;
use gemma_web::gpu::{Gpu, Tuning};
use gemma_web::session::{Engine, LoadOptions, SelfTest, Tested};
use gemma_web::source::native::store::cache_folder;
use pollster::block_on;
use serde::{Deserialize, Serialize};

/// By adapter, backend and driver.
type Kept = BTreeMap<String, Known>;

/// What is known of an adapter.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
struct Known {
    tuning: Option<Tuning>,
    tested: Tested,
}

/// `tuning.json` in the cache folder; nowhere without a home.
fn file() -> Option<PathBuf> {
    cache_folder().map(|folder| folder.join("tuning.json"))
}

fn key(adapter: &AdapterInfo) -> String {
    let AdapterInfo { name, backend, driver, .. } = adapter;
    format!("{} {backend} {name} {driver}", env!("CARGO_PKG_VERSION"))
}

/// What is kept; nothing where there is no file yet, or none that can be read.
fn kept() -> Kept {
    let text = file().and_then(|file| std::fs::read_to_string(file).ok());
    text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
}

/// The options with what is kept for their adapter: the choice, if they name none, and the kernels that were tested.
pub(super) fn recall(options: &LoadOptions) -> LoadOptions {
    let mut options = options.clone();
    if options.tuning.is_some() && options.self_test != SelfTest::Fast {
        return options;
    }
    // An adapter that cannot be opened is reported by the load itself.
    let adapter = block_on(Gpu::open(&options.gpu)).ok();
    let known = adapter.and_then(|gpu| kept().remove(&key(gpu.info()))).unwrap_or_default();
    options.tuning = options.tuning.or(known.tuning);
    options.tested = known.tested;
    options
}

/// Keeps a choice that was measured, unless `chosen` says that the caller made it, and what was tested. That it cannot be kept is no
/// reason to fail: it is measured again.
pub(super) fn keep(engine: &Engine, chosen: bool) {
    let Some(file) = file() else { return };
    let (mut kept, info) = (kept(), engine.info());
    let known = kept.entry(key(&info.adapter)).or_default();
    let tuning = if chosen { known.tuning } else { Some(info.tuning) };
    // Without a self-test nothing is known.
    let tested =
        if *engine.tested() == Tested::default() { known.tested.clone() } else { engine.tested().clone() };
    let new = Known { tuning, tested };
    if *known == new {
        return;
    }
    *known = new;
    let text = serde_json::to_string(&kept).unwrap_or_default();
    // Written beside and renamed: another process may be reading.
    let partial = file.with_extension(format!("{}", std::process::id()));
    let folder = file.parent().map(std::fs::create_dir_all);
    if matches!(folder, Some(Ok(()))) && std::fs::write(&partial, text).is_ok() {
        let _ = std::fs::rename(partial, file);
    }
}
