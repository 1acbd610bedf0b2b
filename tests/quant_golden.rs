//! Every block format against values decoded by gguf-py and ggml (tests/data/dequant): on the CPU, out of the planes, and
//! through the WGSL fragment on a native adapter. Bit for bit: there is no tolerance.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test"
)]

#[path = "common/dequant_gpu.rs"]
mod dequant_gpu;

use dequant_gpu::{Gpu, shader_of};
use gemma_web::gguf::{Parsed, TensorInfo, parse};
use gemma_web::quant::{FORMATS, Format};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// What naga asks for before it lets `unpack2x16float` through. WebGPU always has it: it is no `shader-f16`.
const UNPACK2X16FLOAT: naga::valid::Capabilities = naga::valid::Capabilities::SHADER_FLOAT16_IN_FLOAT32;

/// The blocks and the values of a format.
fn golden(format: &Format) -> (Vec<u8>, Vec<f32>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/dequant");
    let read = |ext: &str| std::fs::read(folder.join(format!("{}.{ext}", format.name))).expect(format.name);
    let values = read("f32")
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
        .collect();
    (read("bin"), values)
}

/// Where `found` and `expected` first differ in a bit (or in length).
fn difference(found: &[f32], expected: &[f32]) -> Option<String> {
    if found.len() != expected.len() {
        return Some(format!("{} values, expected {}", found.len(), expected.len()));
    }
    let at = found
        .iter()
        .zip(expected)
        .position(|(found, expected)| found.to_bits() != expected.to_bits())?;
    Some(format!(
        "weight {at} is {:e}, expected {:e}",
        found[at], expected[at]
    ))
}

/// Puts the blocks together again from the planes.
fn unpack(format: &Format, blocks: &[u8]) -> Vec<u8> {
    let mut again = vec![0; blocks.len()];
    for (plane_ix, plane) in format.planes.iter().enumerate() {
        let mut packed = Vec::new();
        format.repack(plane_ix, blocks, &mut packed);
        for (block, bytes) in again
            .chunks_exact_mut(format.block_bytes)
            .zip(packed.chunks_exact(plane.bytes.len()))
        {
            block[plane.bytes.clone()].copy_from_slice(bytes);
        }
    }
    again
}

#[test]
fn the_comparison_sees_a_flipped_bit_and_a_missing_value() {
    let expected = [1.0, 0.0, -3.5e-8];
    assert_eq!(difference(&expected, &expected), None);
    for (at, bit) in [(0, 0), (1, 31), (2, 22)] {
        let mut found = expected;
        found[at] = f32::from_bits(found[at].to_bits() ^ (1 << bit));
        assert!(difference(&found, &expected).is_some(), "bit {bit} of value {at}");
    }
    assert!(difference(&expected[..2], &expected).is_some());
}

#[test]
fn every_format_decodes_to_the_golden_values() {
    for format in FORMATS {
        let (blocks, expected) = golden(format);
        let mut found = Vec::new();
        format.decode(&blocks, &mut found);
        assert_eq!(difference(&found, &expected), None, "{format:?}");
    }
}

#[test]
fn planes_hold_the_same_blocks() {
    for format in FORMATS {
        let (blocks, _) = golden(format);
        assert_eq!(unpack(format, &blocks), blocks, "{format:?}");
    }
}

#[test]
fn every_fragment_is_valid_wgsl_without_features_and_binds_its_planes() {
    for format in FORMATS {
        let module =
            naga::front::wgsl::parse_str(&shader_of(format)).unwrap_or_else(|e| panic!("{format:?}: {e}"));
        let mut validator = naga::valid::Validator::new(naga::valid::ValidationFlags::all(), UNPACK2X16FLOAT);
        validator
            .validate(&module)
            .unwrap_or_else(|e| panic!("{format:?}: {e:?}"));
        let mut planes: Vec<_> = module
            .global_variables
            .iter()
            .filter_map(|(_, var)| {
                var.binding
                    .as_ref()
                    .map(|at| (at.group, at.binding, var.name.as_deref()))
            })
            .filter(|(group, ..)| *group == 1)
            .collect();
        planes.sort_unstable();
        let expected: Vec<_> = (0u32..)
            .zip(format.planes)
            .map(|(ix, plane)| (1, ix, Some(plane.name)))
            .collect();
        assert_eq!(planes, expected, "{format:?}");
    }
}

#[test]
fn every_fragment_decodes_to_the_golden_values_on_the_gpu() {
    let Some(gpu) = Gpu::open() else { return };
    for format in FORMATS {
        let (blocks, expected) = golden(format);
        assert_eq!(
            difference(&gpu.dequant(format, &blocks), &expected),
            None,
            "{format:?}"
        );
    }
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
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    format!("{hash:016x}")
}

fn read_blocks(file: &mut File, tensor: &TensorInfo, sample: &Sample) -> Vec<u8> {
    let block_bytes = tensor.format.block_bytes;
    let mut blocks = vec![0; sample.n_blocks * block_bytes];
    let offset = tensor.offset + sample.first_block * block_bytes as u64;
    file.seek(SeekFrom::Start(offset)).unwrap();
    file.read_exact(&mut blocks).unwrap();
    blocks
}

/// Needs `GEMMA_WEB_MODEL`, the path of `gemma-3-270m-q4_k_m.gguf`.
#[test]
fn real_blocks_decode_as_gguf_py_decodes_them() {
    let Some(path) = std::env::var_os("GEMMA_WEB_MODEL") else {
        eprintln!("ignored: GEMMA_WEB_MODEL is not set (the path of gemma-3-270m-q4_k_m.gguf)");
        return;
    };
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/dequant/real-blocks.json");
    let samples: Vec<Sample> = serde_json::from_slice(&std::fs::read(samples).unwrap()).unwrap();
    let mut file = File::open(path).unwrap();
    let file_len = file.metadata().unwrap().len();
    assert_eq!(
        file_len, 253_113_024,
        "GEMMA_WEB_MODEL must be gemma-3-270m-q4_k_m.gguf"
    );
    let mut prefix = vec![0; 8 << 20];
    file.read_exact(&mut prefix).unwrap();
    let Parsed::Done(header) = parse(&prefix, Some(file_len)).unwrap() else {
        panic!("a header above 8 MiB")
    };
    let gpu = Gpu::open();
    for sample in &samples {
        let tensor = header.tensor(&sample.tensor).expect(&sample.tensor);
        assert_eq!(tensor.format.name, sample.format);
        let blocks = read_blocks(&mut file, tensor, sample);
        let mut values = Vec::new();
        tensor.format.decode(&blocks, &mut values);
        assert_eq!(
            fnv1a(&values),
            sample.fnv1a,
            "{} from block {}",
            sample.tensor,
            sample.first_block
        );
        if let Some(gpu) = &gpu {
            let found = gpu.dequant(tensor.format, &blocks);
            assert_eq!(
                difference(&found, &values),
                None,
                "{} from block {}",
                sample.tensor,
                sample.first_block
            );
        }
    }
}
