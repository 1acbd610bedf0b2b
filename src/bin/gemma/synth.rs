//! `gemma synth`: a synthetic model as a file, for other programs to read.

use std::fs::File;
use std::io::{self, Write};

use gemma_web::source::ByteSource;
use gemma_web::source::synthetic::{Recipe, SyntheticSource};
use gemma_web::{Cancel, Error};
use indicatif::ProgressBar;
use pollster::block_on;
use serde_json::json;

use super::args::Synth;
use super::load::bytes_bar;
use super::output::{Failure, is_watched, print, print_json};

/// Bytes made and written at once.
const CHUNK_BYTES: u64 = 4 << 20;

pub(crate) fn synth(args: &Synth, json: bool) -> Result<(), Failure> {
    let mut recipe = Recipe::parse(&args.recipe)?;
    recipe.seed = args.seed.unwrap_or(recipe.seed);
    let mut source = SyntheticSource::new(&recipe);
    let path = args.output.display().to_string();
    let failed = |e: io::Error| Error::Io { path: path.clone(), why: format!("it cannot be written: {e}") };
    let mut file = File::create(&args.output).map_err(failed)?;
    let n_bytes = source.len().unwrap_or_default();
    let bar = if is_watched() { bytes_bar() } else { ProgressBar::hidden() };
    bar.set_length(n_bytes);
    bar.set_message("writing");
    let mut chunk = Vec::new();
    for start in (0..n_bytes).step_by(CHUNK_BYTES as usize) {
        chunk.resize(CHUNK_BYTES.min(n_bytes - start) as usize, 0);
        block_on(source.read(start, &mut chunk, &Cancel::default()))?;
        file.write_all(&chunk).map_err(failed)?;
        bar.set_position(start + chunk.len() as u64);
    }
    bar.finish_and_clear();
    if json {
        return print_json(&json!({ "path": path, "bytes": n_bytes, "model": recipe.to_string() }));
    }
    print(format_args!("{path}: {recipe}, {n_bytes} bytes\n"))
}
