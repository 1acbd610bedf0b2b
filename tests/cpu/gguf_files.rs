//! The header parser on the models in tests/data/tiny, and on copies of them that are cut. Expected numbers by gguf-py 0.19.0.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::collections::BTreeMap;
use std::path::Path;

use crate::support::suite::{Test, test_fn};
use gemma_web::Error;
use gemma_web::gguf::{Header, Parsed, parse};

pub(crate) fn tests() -> Vec<Test> {
    vec![
        test_fn(every_tiny_model_parses_as_by_gguf_py),
        test_fn(a_copy_cut_in_its_tensor_data_is_truncated),
        test_fn(a_copy_cut_in_its_header_needs_more_or_is_truncated),
    ]
}

/// Facts about a file, from gguf-py.
struct Expected {
    name: &'static str,
    n_keys: usize,
    data_start: u64,
    n_weights: u64,
    tensor_bytes: u64,
    /// Tensors of each type, in the order of the names.
    tensors: &'static [(&'static str, usize)],
}

#[rustfmt::skip]
const FILES: [Expected; 15] = [
    Expected { name: "gemma1-f16", n_keys: 27, data_start: 25024, n_weights: 1_443_072, tensor_bytes: 2_888_704, tensors: &[("F16", 15), ("F32", 5)] },
    Expected { name: "gemma1-mha-f16", n_keys: 27, data_start: 25024, n_weights: 1_705_216, tensor_bytes: 3_412_992, tensors: &[("F16", 15), ("F32", 5)] },
    Expected { name: "gemma1-mha-q4_0", n_keys: 27, data_start: 25024, n_weights: 1_705_216, tensor_bytes: 1_031_168, tensors: &[("F32", 5), ("Q4_0", 14), ("Q6_K", 1)] },
    Expected { name: "gemma1-mha-q4_k_m", n_keys: 27, data_start: 25024, n_weights: 1_705_216, tensor_bytes: 1_081_856, tensors: &[("F32", 5), ("Q4_K", 12), ("Q6_K", 3)] },
    Expected { name: "gemma1-q4_0", n_keys: 27, data_start: 25024, n_weights: 1_443_072, tensor_bytes: 883_712, tensors: &[("F32", 5), ("Q4_0", 14), ("Q6_K", 1)] },
    Expected { name: "gemma1-q4_k_m", n_keys: 27, data_start: 25024, n_weights: 1_443_072, tensor_bytes: 917_504, tensors: &[("F32", 5), ("Q4_K", 12), ("Q6_K", 3)] },
    Expected { name: "gemma1-q8_0", n_keys: 27, data_start: 25024, n_weights: 1_443_072, tensor_bytes: 1_537_024, tensors: &[("F32", 5), ("Q8_0", 15)] },
    Expected { name: "gemma2-f16", n_keys: 29, data_start: 26048, n_weights: 2_034_944, tensor_bytes: 4_076_544, tensors: &[("F16", 22), ("F32", 13)] },
    Expected { name: "gemma2-q4_0", n_keys: 29, data_start: 26048, n_weights: 2_034_944, tensor_bytes: 1_223_680, tensors: &[("F32", 13), ("Q4_0", 21), ("Q6_K", 1)] },
    Expected { name: "gemma2-q4_k_m", n_keys: 29, data_start: 26048, n_weights: 2_034_944, tensor_bytes: 1_257_472, tensors: &[("F32", 13), ("Q4_K", 19), ("Q6_K", 3)] },
    Expected { name: "gemma3-f16", n_keys: 29, data_start: 29408, n_weights: 2_334_848, tensor_bytes: 4_686_336, tensors: &[("F16", 50), ("F32", 43)] },
    Expected { name: "gemma3-q4_0", n_keys: 29, data_start: 29408, n_weights: 2_334_848, tensor_bytes: 1_409_536, tensors: &[("F32", 43), ("Q4_0", 49), ("Q6_K", 1)] },
    Expected { name: "gemma3-q4_k_m", n_keys: 29, data_start: 29408, n_weights: 2_334_848, tensor_bytes: 1_501_568, tensors: &[("F32", 43), ("Q4_K", 36), ("Q5_0", 7), ("Q6_K", 7)] },
    Expected { name: "gemma3-q8_0", n_keys: 29, data_start: 29408, n_weights: 2_334_848, tensor_bytes: 2_505_216, tensors: &[("F32", 43), ("Q8_0", 50)] },
    Expected { name: "gemma3-rs8-q4_0", n_keys: 31, data_start: 29504, n_weights: 2_334_848, tensor_bytes: 1_409_536, tensors: &[("F32", 43), ("Q4_0", 49), ("Q6_K", 1)] },
];

fn read(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tiny");
    let path = folder.join(format!("tiny-{name}.gguf"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn parsed(name: &str, prefix: &[u8], file_len: Option<u64>) -> Header {
    match parse(prefix, file_len).unwrap_or_else(|e| panic!("{name}: {e}")) {
        Parsed::Done(header) => header,
        Parsed::NeedMore { at_least } => panic!("{name}: {at_least} bytes wanted of {}", prefix.len()),
    }
}

fn every_tiny_model_parses_as_by_gguf_py() {
    for expected in FILES {
        let (name, file) = (expected.name, read(expected.name));
        let header = parsed(name, &file, Some(file.len() as u64));
        assert_eq!((header.version, header.alignment), (3, 32), "{name}");
        assert_eq!(header.data_start, expected.data_start, "{name}");
        assert_eq!(header.metadata.iter().count(), expected.n_keys, "{name}");
        let architecture = name.split('-').next().unwrap();
        let found = header.metadata.str("general.architecture").unwrap();
        assert_eq!(found.trim_end_matches('1'), architecture.trim_end_matches('1'), "{name}");
        assert_eq!(header.metadata.strings("tokenizer.ggml.tokens").unwrap().len(), 1024, "{name}");
        let mut tensors = BTreeMap::new();
        for tensor in &header.tensors {
            *tensors.entry(tensor.format.name).or_insert(0) += 1;
        }
        assert_eq!(tensors.into_iter().collect::<Vec<_>>(), expected.tensors, "{name}");
        let n_weights: u64 = header.tensors.iter().map(|t| t.shape.iter().product::<u64>()).sum();
        assert_eq!(n_weights, expected.n_weights, "{name}");
        assert_eq!(header.tensors.iter().map(|t| t.bytes).sum::<u64>(), expected.tensor_bytes, "{name}");
    }
}

fn a_copy_cut_in_its_tensor_data_is_truncated() {
    for Expected { name, data_start, .. } in FILES {
        let file = read(name);
        let header = parsed(name, &file, Some(file.len() as u64));
        let end = header.tensors.iter().map(|tensor| tensor.offset + tensor.bytes).max().unwrap();
        for cut in [data_start, data_start + 1, (data_start + end) / 2, end - 1] {
            let copy = &file[..cut as usize];
            let Err(Error::Truncated { what, needs, has }) = parse(copy, Some(cut)) else {
                panic!("{name} cut to {cut} bytes is not refused as truncated");
            };
            let tensor = header.tensors.iter().find(|t| what == format!("tensor \"{}\"", t.name));
            assert_eq!(tensor.map(|t| t.offset + t.bytes), Some(needs), "{name} cut to {cut}: {what}");
            assert_eq!(has, cut, "{name}");
            // While the length is unknown, the header is whole.
            assert_eq!(parsed(name, copy, None), header, "{name} cut to {cut}");
        }
        assert_eq!(
            parsed(name, &file[..data_start as usize], Some(end)),
            header,
            "{name} cut behind its last weight"
        );
    }
}

fn a_copy_cut_in_its_header_needs_more_or_is_truncated() {
    let file = read("gemma3-q4_k_m");
    for cut in [0, 3, 24, 1000, 20_000, 29_000] {
        let Ok(Parsed::NeedMore { at_least }) = parse(&file[..cut], None) else {
            panic!("a prefix of {cut} bytes is not enough");
        };
        assert!(at_least > cut as u64 && at_least <= file.len() as u64, "{at_least} after {cut}");
        let error = parse(&file[..cut], Some(cut as u64)).unwrap_err();
        assert!(matches!(error, Error::Truncated { has, .. } if has == cut as u64), "{error}");
    }
}
