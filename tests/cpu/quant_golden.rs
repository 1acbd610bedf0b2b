//! Every block format against values decoded by gguf-py and ggml (tests/data/dequant): on the CPU and out
//! of the planes. Bit for bit: there is no tolerance.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::path::{Path, PathBuf};

use crate::support::quant_goldens::{MODEL_NEED, each_sample, golden, same_bits};
use crate::support::suite::{Test, needing, test};
use gemma_web::gpu::shader::{Variant, compose};
use gemma_web::kernels::dequant;
use gemma_web::quant::{FORMATS, Format};
use libtest_mimic::Failed;

/// Capability that naga demands for `unpack2x16float`. WebGPU always has it: it is not `shader-f16`.
const UNPACK2X16FLOAT: naga::valid::Capabilities = naga::valid::Capabilities::SHADER_FLOAT16_IN_FLOAT32;

pub(crate) fn tests() -> Vec<Test> {
    let model = std::env::var_os("GEMMA_WEB_MODEL").map(PathBuf::from);
    vec![
        test("the comparison sees a flipped bit and a missing value", flips),
        test("every format decodes to the golden values", || each_format(decodes)),
        test("planes hold the same blocks", || each_format(repacks)),
        test("every fragment is valid WGSL without features and binds its planes", || each_format(binds)),
        needing("blocks of the real model decode as by gguf-py", MODEL_NEED, model, |path| {
            real_blocks(&path)
        }),
    ]
}

/// Runs a test on every format; the first failure names its format.
fn each_format(test: fn(&'static Format) -> Result<(), String>) -> Result<(), Failed> {
    FORMATS.into_iter().try_for_each(|format| test(format).map_err(|why| format!("{format:?}: {why}").into()))
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

/// FNV-1a over the little-endian bytes of the values.
fn fnv1a(values: &[f32]) -> String {
    let bytes = values.iter().flat_map(|value| value.to_le_bytes());
    let hash = bytes
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    format!("{hash:016x}")
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
