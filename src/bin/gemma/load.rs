//! Load of a model, with a progress bar if a person watches.

use std::time::Instant;

use gemma_web::Cancel;
use gemma_web::engine::{Engine, Info, LoadOptions, Phase, Processor, Progress};
use gemma_web::gpu::device::AdapterInfo;
use gemma_web::source::download::{DownloadProgress, Transfer};
use indicatif::{ProgressBar, ProgressStyle};
use pollster::block_on;

use super::adapter_records;
use super::args::Model;
use super::output::{Failure, is_watched, note};
use super::source;

/// Loads the model that the arguments name. `json` keeps standard error free of remarks.
pub(crate) fn engine(model: &Model, options: &LoadOptions, json: bool) -> Result<Engine, Failure> {
    let download = DownloadProgress::default();
    let start = Instant::now();
    let source = source::of(model, &download)?;
    let bar = if is_watched() { bytes_bar() } else { ProgressBar::hidden() };
    let recall = |adapter: &AdapterInfo| adapter_records::recall(adapter);
    let mut on_progress = |progress: Progress| show(&bar, &progress, &download.now());
    let cancel = Cancel::default();
    let engine = block_on(Engine::load_recalling(source, options, &recall, &cancel, &mut on_progress));
    bar.finish_and_clear();
    let engine = engine?;
    adapter_records::keep(&engine, options);
    if !json {
        let info = engine.info();
        let seconds = start.elapsed().as_secs_f32();
        // A file may have no name for its model.
        let name = if info.config.name.is_empty() { "the model" } else { &info.config.name };
        note(format_args!(
            "{name} on {}, loaded in {seconds:.1} s{}",
            device(&info),
            origin(&download.now())
        ));
    }
    Ok(engine)
}

/// The device in words.
pub(crate) fn device(info: &Info) -> String {
    match (&info.gpu, &info.processor) {
        (Some(gpu), _) => gpu.adapter.name.clone(),
        (None, Some(Processor { workers: 1, instruction_set, .. })) => {
            format!("the processor, 1 thread ({instruction_set})")
        }
        (None, Some(Processor { workers, instruction_set, .. })) => {
            format!("the processor, {workers} threads ({instruction_set})")
        }
        (None, None) => "no device".to_owned(),
    }
}

/// Origin of the bytes, unless it is a file.
fn origin(transfer: &Transfer) -> String {
    let mb = |bytes: u64| bytes as f64 / 1e6;
    match (transfer.fetched, transfer.cached) {
        (0, 0) => String::new(),
        (fetched, 0) => format!(", {:.1} MB downloaded", mb(fetched)),
        (fetched, cached) => {
            format!(", {:.1} MB downloaded, {:.1} MB from the cache", mb(fetched), mb(cached))
        }
    }
}

fn show(bar: &ProgressBar, progress: &Progress, transfer: &Transfer) {
    bar.set_message(match (progress.phase, transfer.fetched) {
        (Phase::Header, _) => "reading the header",
        (Phase::Weights, 0) => "uploading the weights",
        (Phase::Weights, _) => "downloading",
        (Phase::Ready, _) => "ready",
    });
    if let Some(total) = progress.total {
        bar.set_length(total);
    }
    bar.set_position(progress.loaded);
}

/// A bar that counts bytes.
pub(crate) fn bytes_bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    // A bar without a style is still a bar.
    if let Ok(style) =
        ProgressStyle::with_template("{msg:22} {bar:30} {bytes}/{total_bytes} {bytes_per_sec}, {eta} left")
    {
        bar.set_style(style);
    }
    bar
}

/// A bar that counts tokens, for work that takes a while.
pub(crate) fn tokens_bar(n_tokens: usize) -> ProgressBar {
    if !is_watched() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(n_tokens as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} tokens, {eta} left") {
        bar.set_style(style);
    }
    bar
}
