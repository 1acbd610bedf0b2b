//! Golden values of block formats: of tests/data/dequant, and of blocks of the real model.
#![allow(clippy::expect_used, reason = "a failed assumption fails the test")]

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use gemma_web::gguf::{Header, Parsed, TensorInfo, parse};
use gemma_web::quant::Format;
use libtest_mimic::Failed;

use super::goldens::data;

/// Bytes of the file that `real-blocks.json` was made from.
const MODEL_BYTES: u64 = 253_113_024;
pub(crate) const MODEL_NEED: &str = "GEMMA_WEB_MODEL, the path of gemma-3-270m-q4_k_m.gguf";

/// The blocks and the values of a format.
pub(crate) fn golden(format: &Format) -> (Vec<u8>, Vec<f32>) {
    let read =
        |ext: &str| std::fs::read(data("dequant").join(format!("{}.{ext}", format.name))).expect(format.name);
    let values = bytemuck::pod_collect_to_vec(&read("f32"));
    (read("bin"), values)
}

/// First place at which `found` differs from `expected` in a bit (or in length).
pub(crate) fn same_bits(found: &[f32], expected: &[f32]) -> Result<(), String> {
    if found.len() != expected.len() {
        return Err(format!("{} values, expected {}", found.len(), expected.len()));
    }
    let differs = |(found, expected): (&f32, &f32)| found.to_bits() != expected.to_bits();
    match found.iter().zip(expected).position(differs) {
        Some(at) => Err(format!("weight {at} is {:e}, expected {:e}", found[at], expected[at])),
        None => Ok(()),
    }
}

/// A run of blocks of the real file, and the hash of what gguf-py decodes from it.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Sample {
    pub(crate) tensor: String,
    pub(crate) format: String,
    pub(crate) first_block: u64,
    pub(crate) n_blocks: usize,
    pub(crate) fnv1a: String,
}

fn open_model(path: &Path) -> Result<(File, Header), Failed> {
    let mut file = File::open(path)?;
    let file_len = file.metadata()?.len();
    if file_len != MODEL_BYTES {
        return Err(format!("{} has {file_len} bytes, expected {MODEL_BYTES}", path.display()).into());
    }
    let mut prefix = vec![0; 8 << 20];
    file.read_exact(&mut prefix)?;
    match parse(&prefix, Some(file_len))? {
        Parsed::Done(header) => Ok((file, header)),
        Parsed::NeedMore { at_least } => Err(format!("a header of {at_least} bytes").into()),
    }
}

fn read_blocks(file: &mut File, tensor: &TensorInfo, sample: &Sample) -> Result<Vec<u8>, Failed> {
    let block_bytes = tensor.format.block_bytes;
    let mut blocks = vec![0; sample.n_blocks * block_bytes];
    file.seek(SeekFrom::Start(tensor.offset + sample.first_block * block_bytes as u64))?;
    file.read_exact(&mut blocks)?;
    Ok(blocks)
}

/// Calls `check` with each sample of the real file: its name, its format, its blocks and the values that the CPU decodes.
pub(crate) fn each_sample(
    path: &Path,
    check: impl Fn(&Sample, &'static Format, &[u8], &[f32]) -> Result<(), Failed>,
) -> Result<(), Failed> {
    let (mut file, header) = open_model(path)?;
    let samples: Vec<Sample> = serde_json::from_slice(&std::fs::read(data("dequant/real-blocks.json"))?)?;
    for sample in &samples {
        let tensor = header.tensor(&sample.tensor).ok_or_else(|| sample.tensor.clone())?;
        let blocks = read_blocks(&mut file, tensor, sample)?;
        let mut values = Vec::new();
        tensor.format.decode(&blocks, &mut values);
        check(sample, tensor.format, &blocks, &values)?;
    }
    Ok(())
}
