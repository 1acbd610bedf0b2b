//! Records of adapters in the user's cache folder: the fastest variants of the kernels, and the kernels that
//! passed their self-tests. An adapter is measured and tested once; from then on, a seed gives the same text.

use std::collections::BTreeMap;
use std::path::PathBuf;

use gemma_web::engine::{AdapterRecord, DeviceChoice, Engine, LoadOptions, Tested};
use gemma_web::gpu::device::AdapterInfo;
use gemma_web::source::native::store::cache_folder;

/// Records by adapter, backend and driver.
type Records = BTreeMap<String, AdapterRecord>;

/// `tuning.json` in the cache folder; `None` without a home folder.
fn file() -> Option<PathBuf> {
    cache_folder().map(|folder| folder.join("tuning.json"))
}

fn key(adapter: &AdapterInfo) -> String {
    let AdapterInfo { name, backend, driver, .. } = adapter;
    format!("{} {backend} {name} {driver}", env!("CARGO_PKG_VERSION"))
}

/// All records; none if there is no file yet, or if it can't be read.
fn read() -> Records {
    let text = file().and_then(|file| std::fs::read_to_string(file).ok());
    text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
}

/// The record of an adapter.
pub(super) fn recall(adapter: &AdapterInfo) -> AdapterRecord {
    read().remove(&key(adapter)).unwrap_or_default()
}

/// Keeps the results of the self-tests and, unless the options chose them, the measured variants and the faster
/// device. A record that can't be kept is no reason to fail: the adapter is measured again.
pub(super) fn keep(engine: &Engine, options: &LoadOptions) {
    let Some(file) = file() else { return };
    let info = engine.info();
    let (adapter, tuning) = match (&info.gpu, &info.slow_adapter) {
        (Some(gpu), _) => (&gpu.adapter, Some(gpu.tuning)),
        (None, Some(slow)) => (slow, None),
        (None, None) => return,
    };
    let mut records = read();
    let record = records.entry(key(adapter)).or_default();
    let tuning = tuning.filter(|_| options.tuning.is_none()).or(record.tuning);
    let is_open = options.device == DeviceChoice::Auto;
    let device = if is_open { Some(info.device) } else { record.device };
    // An engine that ran no self-test has nothing to add.
    let tested =
        if *engine.tested() == Tested::default() { record.tested.clone() } else { engine.tested().clone() };
    let new = AdapterRecord { tuning, tested, device };
    if *record == new {
        return;
    }
    *record = new;
    let text = serde_json::to_string(&records).unwrap_or_default();
    // Another process may be reading, so the file is written beside and renamed.
    let partial = file.with_extension(format!("{}", std::process::id()));
    let folder = file.parent().map(std::fs::create_dir_all);
    if matches!(folder, Some(Ok(()))) && std::fs::write(&partial, text).is_ok() {
        let _ = std::fs::rename(partial, file);
    }
}
