//! Synthetic models: the same bytes however they are read, headers that every check accepts, weights of a sane size.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use crate::support::suite::{Test, test};
use gemma_web::gguf::{self, Header, TensorInfo};
use gemma_web::model::{Config, tensors::check_tensors};
use gemma_web::source::ByteSource;
use gemma_web::source::synthetic::{PREFIX, Recipe, SyntheticSource};
use gemma_web::tokenizer::{Special, Tokenizer};
use gemma_web::{Cancel, Error};
use pollster::block_on;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        test("sizes are known", sizes_are_known),
        test("headers are accepted", headers_are_accepted),
        test("any reading gives the same bytes", any_reading_gives_the_same_bytes),
        test("ranges beyond the end are truncated", ranges_beyond_the_end_are_truncated),
        test("bytes are pinned", bytes_are_pinned),
        test("seeds and tensors differ", seeds_and_tensors_differ),
        test("unknown names are refused", unknown_names_are_refused),
        test("weights are sane", weights_are_sane),
        test("the vocabulary spells text", vocabulary_spells_text),
    ]
}

fn source(name: &str) -> SyntheticSource {
    SyntheticSource::new(&Recipe::parse(name).unwrap())
}

fn read(source: &mut SyntheticSource, offset: u64, n_bytes: usize) -> Vec<u8> {
    // Not zero, so that bytes left alone are seen.
    let mut into = vec![0xa5; n_bytes];
    block_on(source.read(offset, &mut into, &Cancel::default())).unwrap();
    into
}

fn header(source: &mut SyntheticSource) -> Header {
    block_on(gguf::read_header(source, &Cancel::default())).unwrap().0
}

/// File sizes in bytes. Tensors are of the size of the real ones; the vocabulary is shorter.
const SIZES: [(&str, u64); 28] = [
    ("gemma-2b:q4_0", 1_550_299_712),
    ("gemma-2b:q4_k_m", 1_629_372_992),
    ("gemma-2b:q8_0", 2_668_180_032),
    ("gemma-2b:f16", 5_017_645_632),
    ("gemma-7b:q4_0", 5_010_954_048),
    ("gemma-7b:q4_k_m", 5_328_869_184),
    ("gemma-7b:q8_0", 9_076_954_944),
    ("gemma-7b:f16", 17_080_866_624),
    ("gemma-2-2b:q4_0", 1_628_619_808),
    ("gemma-2-2b:q4_k_m", 1_707_693_088),
    ("gemma-2-2b:q8_0", 2_783_605_792),
    ("gemma-2-2b:f16", 5_234_324_512),
    ("gemma-2-9b:q4_0", 5_442_253_184),
    ("gemma-2-9b:q4_k_m", 5_760_168_320),
    ("gemma-2-9b:q8_0", 9_826_259_328),
    ("gemma-2-9b:f16", 18_489_790_848),
    ("gemma-3-270m:q4_0", 240_208_352),
    ("gemma-3-270m:q4_k_m", 251_912_672),
    ("gemma-3-270m:q8_0", 290_343_392),
    ("gemma-3-270m:f16", 541_632_992),
    ("gemma-3-1b:q4_0", 719_223_328),
    ("gemma-3-1b:q4_k_m", 804_856_096),
    ("gemma-3-1b:q8_0", 1_068_104_224),
    ("gemma-3-1b:f16", 2_005_371_424),
    ("gemma-3-4b:q4_0", 2_362_173_632),
    ("gemma-3-4b:q4_k_m", 2_488_555_712),
    ("gemma-3-4b:q8_0", 4_129_024_192),
    ("gemma-3-4b:f16", 7_766_272_192),
];

#[allow(clippy::print_stdout, reason = "the table is for people to read, with --nocapture")]
fn sizes_are_known() {
    let found: Vec<(String, u64)> = Recipe::all()
        .map(|recipe| (recipe.to_string(), SyntheticSource::new(&recipe).len().unwrap()))
        .collect();
    for (name, bytes) in &found {
        println!("{name:<22} {bytes:>12} {:>7.1} MiB", *bytes as f64 / 1024.0 / 1024.0);
    }
    let found: Vec<(&str, u64)> = found.iter().map(|(name, bytes)| (name.as_str(), *bytes)).collect();
    assert_eq!(found, SIZES);
}

fn headers_are_accepted() {
    for recipe in Recipe::all() {
        let mut source = SyntheticSource::new(&recipe);
        let header = header(&mut source);
        let config = Config::from_metadata(&header.metadata).unwrap();
        check_tensors(&header, &config).unwrap();
        assert_eq!(config.name, format!("{recipe} synthetic"));
        let ends = header.tensors.iter().map(|t| t.offset + t.bytes);
        assert_eq!(ends.max().map(|end| end.next_multiple_of(32)), source.len(), "{recipe}");
        let is_4b = recipe.to_string().starts_with("gemma-3-4b");
        assert_eq!(config.rotary.divisor, if is_4b { 8.0 } else { 1.0 }, "{recipe}");
    }
}

fn any_reading_gives_the_same_bytes() {
    for recipe in Recipe::all().filter(|r| r.to_string().starts_with("gemma-3-270m")) {
        let mut source = SyntheticSource::new(&recipe);
        let header = header(&mut source);
        // From inside the header to inside the embedding; over the end of the embedding and the first layer's tensors.
        let embedding = header.tensor("token_embd.weight").unwrap();
        let n_bytes = 200_000;
        let end = source.len().unwrap();
        for start in
            [header.data_start - 1000, embedding.offset + embedding.bytes - 9000, end - n_bytes as u64]
        {
            let whole = read(&mut source, start, n_bytes);
            let (mut at, mut piece, mut len) = (0, 0, 1);
            while at < n_bytes {
                let found = read(&mut source, start + at as u64, len);
                assert!(found == whole[at..at + len], "{recipe} at {start} + {at}, {len} bytes");
                at += len;
                piece += 1;
                // Awkward lengths of all orders of magnitude.
                len = (1 + piece * 37 % 101 * (piece % 7) * (piece % 5) * 11).min(n_bytes - at);
            }
        }
    }
}

fn ranges_beyond_the_end_are_truncated() {
    let mut source = source("gemma-3-270m:q4_0");
    let end = source.len().unwrap();
    assert!(read(&mut source, end, 0).is_empty());
    for (offset, n_bytes) in [(end - 1, 2), (end + 1, 0), (u64::MAX, 1)] {
        let error = block_on(source.read(offset, &mut vec![0; n_bytes], &Cancel::default())).unwrap_err();
        assert!(matches!(error, Error::Truncated { has, .. } if has == end), "{error:?}");
    }
    let cancel = Cancel::default();
    cancel.cancel();
    let error = block_on(source.read(0, &mut [0], &cancel)).unwrap_err();
    assert!(matches!(error, Error::Aborted), "{error:?}");
}

/// A seed stands for the same weights on every machine and in every version.
fn bytes_are_pinned() {
    let mut source = source("gemma-2b:q4_k_m");
    let header = header(&mut source);
    let mut sum = |name: &str| {
        let bytes = read(&mut source, header.tensor(name).unwrap().offset, 4096);
        // FNV-1a
        bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
            (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        })
    };
    let names = ["token_embd.weight", "blk.2.ffn_down.weight", "output_norm.weight"];
    assert_eq!(
        names.map(&mut sum),
        [5_126_257_545_566_293_957, 2_281_794_231_851_260_690, 7_088_291_468_404_940_512]
    );
}

fn seeds_and_tensors_differ() {
    let (mut one, mut two) = (source("gemma-3-270m:q8_0"), source("synthetic:gemma-3-270m:q8_0:2"));
    assert_eq!((one.name(), two.name()), ("synthetic:gemma-3-270m:q8_0", "synthetic:gemma-3-270m:q8_0:2"));
    // The name in the header is longer by the seed, but tensors lie at the same distance from its end.
    let (h1, h2) = (header(&mut one), header(&mut two));
    let mut seen = Vec::new();
    for (a, b) in h1.tensors.iter().zip(&h2.tensors) {
        seen.push(read(&mut one, a.offset, 256));
        seen.push(read(&mut two, b.offset, 256));
    }
    let n_read = seen.len();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), n_read);
    assert_eq!(read(&mut one, 100, 5000), read(&mut source("gemma-3-270m:q8_0"), 100, 5000));
}

fn unknown_names_are_refused() {
    for name in
        ["", "gemma-2b", "gemma-2b:", "gemma-2b:q9", "llama:q4_0", "gemma-2b:q4_0:x", "gemma-2b:q4_0:1:2"]
    {
        let error = Recipe::parse(name).unwrap_err().to_string();
        assert!(error.contains("gemma-3-270m") && error.contains("q4_k_m"), "{name}: {error}");
    }
    for recipe in Recipe::all() {
        let name = recipe.to_string();
        assert_eq!(Recipe::parse(&name).unwrap().to_string(), name);
        assert_eq!(Recipe::parse(&format!("{PREFIX}{name}:7")).unwrap().seed, 7);
    }
}

/// Mean and standard deviation.
fn moments(values: &[f32]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().map(|x| f64::from(*x)).sum::<f64>() / n;
    let square = values.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / n;
    (mean, square.sqrt())
}

/// The first weights of a tensor.
fn sample(source: &mut SyntheticSource, tensor: &TensorInfo) -> Vec<f32> {
    let n_weights: u64 = tensor.shape.iter().product();
    let n_bytes = tensor.format.bytes_of(n_weights.min(1 << 14));
    let mut weights = Vec::new();
    tensor.format.decode(&read(source, tensor.offset, n_bytes as usize), &mut weights);
    weights
}

fn weights_are_sane() {
    for recipe in Recipe::all() {
        let mut source = SyntheticSource::new(&recipe);
        let header = header(&mut source);
        // The first layers have every role and, in Q4_K_M, both formats.
        for tensor in header.tensors.iter().take(40) {
            let what = format!("{recipe} {} {:?}", tensor.name, tensor.format);
            let weights = sample(&mut source, tensor);
            assert!(weights.iter().all(|w| w.is_finite()), "{what}");
            let (mean, std) = moments(&weights);
            if tensor.shape.len() == 1 {
                assert!(
                    (1.0..5.0).contains(&mean) && std > 0.05 * mean && std < 0.2 * mean,
                    "{what}: {mean} {std}"
                );
                continue;
            }
            let unit = std * (tensor.shape[0] as f64).sqrt();
            let gains = if tensor.name.contains("output") || tensor.name.contains("down") {
                [1.0, 4.0]
            } else {
                [1.0, 1.4]
            };
            assert!(unit > 0.95 * gains[0] && unit < 1.05 * gains[1], "{what}: {unit}");
            assert!(mean.abs() < 0.03 * std, "{what}: mean {mean}, deviation {std}");
        }
    }
}

fn vocabulary_spells_text() {
    for (name, ends) in [("gemma-2b:q4_0", [1, 107]), ("gemma-3-270m:q4_0", [1, 106])] {
        let header = header(&mut source(name));
        let tokenizer = Tokenizer::from_gguf(&header.metadata).unwrap();
        assert_eq!((tokenizer.bos(), tokenizer.adds_bos()), (Some(2), true), "{name}");
        assert_eq!(tokenizer.end_tokens(), ends, "{name}");
        for text in [
            "The quick brown fox jumps over 13 lazy dogs.",
            "  Two spaces,\ttab\n\nand <b>lines</b>; äöü, Привет, \u{4f60}\u{597d}, \u{1f600}!",
        ] {
            let ids = tokenizer.encode(text, Special::AsText).unwrap();
            assert_eq!(tokenizer.decode(&ids), text, "{name}");
            let n_chars = text.chars().count();
            assert!(ids.len() < n_chars, "{name}: {} ids for {n_chars} characters", ids.len());
        }
        let turn = tokenizer.encode("<end_of_turn>", Special::Parse).unwrap();
        assert_eq!(turn, [ends[1]], "{name}");
        // Words are of the length of real ones.
        let ids = tokenizer.encode("the quick brown fox jumps over the lazy dog", Special::AsText).unwrap();
        assert!((9..=18).contains(&ids.len()), "{name}: {ids:?}");
    }
}
