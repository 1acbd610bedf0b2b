//! Which variants of the kernels were fastest on an adapter, kept in the user's cache folder: measured once, and the same text for the
//! same seed from then on.

use std::collections::BTreeMap;
use std::path::PathBuf;

use gemma_web::gpu::device::AdapterInfo;
use gemma_web::gpu::{Gpu, Tuning};
use gemma_web::session::LoadOptions;
use gemma_web::source::directory::cache_folder;
use pollster::block_on;

/// By adapter, backend and driver.
type Kept = BTreeMap<String, Tuning>;

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

/// The options with the choice that is kept for their adapter, if they name none.
pub(super) fn recall(options: &LoadOptions) -> LoadOptions {
    let mut options = options.clone();
    if options.tuning.is_none() {
        // An adapter that cannot be opened is reported by the load itself.
        let adapter = block_on(Gpu::open(&options.gpu)).ok();
        options.tuning = adapter.and_then(|gpu| kept().get(&key(gpu.info())).copied());
    }
    options
}

/// Keeps a choice that was measured. That it cannot be kept is no reason to fail: it is measured again.
pub(super) fn keep(adapter: &AdapterInfo, tuning: Tuning) {
    let Some(file) = file() else { return };
    let mut kept = kept();
    kept.insert(key(adapter), tuning);
    let text = serde_json::to_string(&kept).unwrap_or_default();
    // Written beside and renamed: another process may be reading.
    let partial = file.with_extension(format!("{}", std::process::id()));
    let folder = file.parent().map(std::fs::create_dir_all);
    if matches!(folder, Some(Ok(()))) && std::fs::write(&partial, text).is_ok() {
        let _ = std::fs::rename(partial, file);
    }
}
