//! Every block format against values decoded by gguf-py and ggml (tests/data/dequant): on the CPU, out of the planes, and
//! through the WGSL fragment on a native adapter. Bit for bit: there is no tolerance.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

mod common;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use common::goldens::data;
use common::gpu;
use common::trial::needing;
use gemma_web::gguf::{Header, Parsed, TensorInfo, parse};
use gemma_web::gpu::shader::{Variant, compose};
use gemma_web::gpu::{Command, Gpu, GpuOptions, Matrix, Plan, RunParams};
use gemma_web::kernels::dequant;
use gemma_web::quant::{FORMATS, Format};
use libtest_mimic::{Arguments, Failed, Trial};
use pollster::block_on;

/// What naga asks for before it lets `unpack2x16float` through. WebGPU always has it: it is no `shader-f16`.
const UNPACK2X16FLOAT: naga::valid::Capabilities = naga::valid::Capabilities::SHADER_FLOAT16_IN_FLOAT32;

/// Bytes of the file that `real-blocks.json` was made from.
const MODEL_BYTES: u64 = 253_113_024;
const MODEL_NEED: &str = "GEMMA_WEB_MODEL, the path of gemma-3-270m-q4_k_m.gguf";

fn main() {
    let args = Arguments::from_args();
    let adapter = gpu::adapter();
    let model = std::env::var_os("GEMMA_WEB_MODEL").map(PathBuf::from);
    let need = if model.is_some() { gpu::NEED } else { MODEL_NEED };
    let model_and_adapter = model.clone().zip(adapter).map(|(path, ())| path);
    let trials = vec![
        Trial::test("the comparison sees a flipped bit and a missing value", flips),
        Trial::test("every format decodes to the golden values", || each_format(decodes)),
        Trial::test("planes hold the same blocks", || each_format(repacks)),
        Trial::test("every fragment is valid WGSL without features and binds its planes", || {
            each_format(binds)
        }),
        needing("every fragment decodes to the golden values", gpu::NEED, adapter, |()| decodes_on_the_gpu()),
        needing("blocks of the real model decode as by gguf-py", MODEL_NEED, model, |path| {
            real_blocks(&path)
        }),
        needing("every fragment decodes blocks of the real model", need, model_and_adapter, |path| {
            real_blocks_on_the_gpu(&path)
        }),
    ];
    libtest_mimic::run(&args, trials).exit();
}

/// Runs a test on every format; the first failure names its format.
fn each_format(test: fn(&'static Format) -> Result<(), String>) -> Result<(), Failed> {
    FORMATS.into_iter().try_for_each(|format| test(format).map_err(|why| format!("{format:?}: {why}").into()))
}

/// The blocks and the values of a format.
fn golden(format: &Format) -> (Vec<u8>, Vec<f32>) {
    let read =
        |ext: &str| std::fs::read(data("dequant").join(format!("{}.{ext}", format.name))).expect(format.name);
    let values = bytemuck::pod_collect_to_vec(&read("f32"));
    (read("bin"), values)
}

/// Where `found` first differs from `expected` in a bit (or in length).
fn same_bits(found: &[f32], expected: &[f32]) -> Result<(), String> {
    if found.len() != expected.len() {
        return Err(format!("{} values, expected {}", found.len(), expected.len()));
    }
    let differs = |(found, expected): (&f32, &f32)| found.to_bits() != expected.to_bits();
    match found.iter().zip(expected).position(differs) {
        Some(at) => Err(format!("weight {at} is {:e}, expected {:e}", found[at], expected[at])),
        None => Ok(()),
    }
}

fn flips() -> Result<(), Failed> {
    let expected = [1.0, 0.0, -3.5e-8];
    same_bits(&expected, &expected)?;
    for (at, bit) in [(0, 0), (1, 31), (2, 22)] {
        let mut found = expected;
        found[at] = f32::from_bits(found[at].to_bits() ^ (1 << bit));
        assert!(same_bits(&found, &expected).is_err(), "bit {bit} of value {at}");
    }
    assert!(same_bits(&expected[..2], &expected).is_err());
    Ok(())
}

fn decodes(format: &'static Format) -> Result<(), String> {
    let (blocks, expected) = golden(format);
    let mut found = Vec::new();
    format.decode(&blocks, &mut found);
    same_bits(&found, &expected)
}

/// Puts the blocks together again from the planes.
fn repacks(format: &'static Format) -> Result<(), String> {
    let (blocks, _) = golden(format);
    let mut again = vec![0; blocks.len()];
    for (plane_ix, plane) in format.planes.iter().enumerate() {
        let mut packed = Vec::new();
        format.repack(plane_ix, &blocks, &mut packed);
        let packed = packed.chunks_exact(plane.bytes.len());
        for (block, bytes) in again.chunks_exact_mut(format.block_bytes).zip(packed) {
            block[plane.bytes.clone()].copy_from_slice(bytes);
        }
    }
    if again == blocks { Ok(()) } else { Err("the planes hold other bytes".to_owned()) }
}

fn binds(format: &'static Format) -> Result<(), String> {
    let text = compose(&dequant::KERNEL, Variant::Weights(format));
    let module = naga::front::wgsl::parse_str(&text).map_err(|e| e.emit_to_string(&text))?;
    let mut validator = naga::valid::Validator::new(naga::valid::ValidationFlags::all(), UNPACK2X16FLOAT);
    validator.validate(&module).map_err(|e| e.emit_to_string(&text))?;
    let mut planes: Vec<_> = module
        .global_variables
        .iter()
        .filter_map(|(_, var)| Some((var.binding.as_ref()?, var.name.as_deref())))
        .filter(|(at, _)| at.group == 1)
        .map(|(at, name)| (at.binding, name))
        .collect();
    planes.sort_unstable();
    let expected: Vec<_> = (0u32..).zip(format.planes).map(|(ix, plane)| (ix, Some(plane.name))).collect();
    if planes == expected { Ok(()) } else { Err(format!("binds {planes:?}, expected {expected:?}")) }
}

/// Decodes `blocks` by the WGSL fragment, as one row.
fn dequant(gpu: &Gpu, format: &'static Format, blocks: &[u8]) -> gemma_web::Result<Vec<f32>> {
    let n_weights = blocks.len() / format.block_bytes * format.block_len;
    let w = Matrix::allocate(gpu, format.name, format, 1, n_weights as u64)?;
    w.write_rows(gpu, 0, 0, blocks);
    let x = gpu.tensor("x", 1, n_weights)?;
    let staging = gpu.staging("x", x.bytes());
    let mut plan = Plan::new(gpu, "dequant");
    dequant::record(&mut plan, gpu, &w, &x);
    let params = RunParams { n_tokens: 1, ..RunParams::default() };
    gpu.run(&[Command::Plan(&plan, params), Command::copy(&x, &staging, x.bytes())])?;
    block_on(gpu.read_f32(&staging, x.bytes()))
}

fn decodes_on_the_gpu() -> Result<(), Failed> {
    let gpu = block_on(Gpu::open(&GpuOptions::default()))?;
    for format in FORMATS {
        let (blocks, expected) = golden(format);
        let found = dequant(&gpu, format, &blocks)?;
        same_bits(&found, &expected).map_err(|why| format!("{format:?}: {why}"))?;
    }
    Ok(())
}

/// A run of blocks of the real file, and the hash of what gguf-py decodes from it.
#[derive(serde::Deserialize)]
struct Sample {
    tensor: String,
    format: String,
    first_block: u64,
    n_blocks: usize,
    fnv1a: String,
}

/// FNV-1a over the little-endian bytes of the values.
fn fnv1a(values: &[f32]) -> String {
    let bytes = values.iter().flat_map(|value| value.to_le_bytes());
    let hash = bytes
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    format!("{hash:016x}")
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

/// Calls `check` with each sample of the real file: what it is, its format, its blocks and what the CPU decodes from them.
fn each_sample(
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

fn real_blocks(path: &Path) -> Result<(), Failed> {
    each_sample(path, |sample, format, _, values| {
        let found = (format.name, fnv1a(values));
        if found != (sample.format.as_str(), sample.fnv1a.clone()) {
            return Err(format!("{} from block {}: {found:?}", sample.tensor, sample.first_block).into());
        }
        Ok(())
    })
}

fn real_blocks_on_the_gpu(path: &Path) -> Result<(), Failed> {
    let gpu = block_on(Gpu::open(&GpuOptions::default()))?;
    each_sample(path, |sample, format, blocks, values| {
        let found = dequant(&gpu, format, blocks)?;
        let place = |why| format!("{} from block {}: {why}", sample.tensor, sample.first_block);
        Ok(same_bits(&found, values).map_err(place)?)
    })
}
