//! Readers of untrusted bytes, on thousands of files made from seeds. Each runs for `GEMMA_WEB_FUZZ_SECONDS` (1);
//! `GEMMA_WEB_FUZZ_FROM` starts at a later number. A finding names the number of its file. The same functions run under libFuzzer, see
//! tests/fuzz/README.md.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]
#![allow(clippy::print_stderr, reason = "how much was tried belongs to the result")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::support::fuzz_targets;
use crate::support::gguf_writer::{GgufWriter, Kv};
use crate::support::mutate::mutated;
use crate::support::small_model::{model, vocabulary_file};
use crate::support::suite::{Test, test_fn};

pub(crate) fn tests() -> Vec<Test> {
    vec![
        test_fn(gguf),
        test_fn(metadata),
        test_fn(vocabulary),
        test_fn(repack),
        test_fn(manifest),
        test_fn(seeds_are_as_written_here),
    ]
}

/// Longest time for one file. Machines are busy and debug builds slow: the test looks for endless loops.
const SLOW: Duration = Duration::from_secs(3);

fn number_of(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/fuzz").join(target)
}

/// Seeds of a target, in the order of their names.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(folder(target)).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{target} has no seeds");
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

fn fuzz(target: &str, run: fn(&[u8])) {
    let seeds = seeds(target);
    seeds.iter().for_each(|seed| run(seed));
    let first = number_of("GEMMA_WEB_FUZZ_FROM").unwrap_or(0);
    let budget = Duration::from_secs(number_of("GEMMA_WEB_FUZZ_SECONDS").unwrap_or(1));
    let begin = Instant::now();
    let mut number = first;
    while begin.elapsed() < budget {
        let bytes = mutated(&seeds, number);
        let started = Instant::now();
        if catch_unwind(AssertUnwindSafe(|| run(&bytes))).is_err() {
            panic!("{target}: file {number} of these seeds is a finding: GEMMA_WEB_FUZZ_FROM={number}");
        }
        let took = started.elapsed();
        assert!(took < SLOW, "{target}: file {number} took {took:?}");
        number += 1;
    }
    eprintln!("{target}: {} files in {:.0?}, all answered", number - first, begin.elapsed());
}

fn gguf() {
    fuzz("gguf", fuzz_targets::gguf);
}

fn metadata() {
    fuzz("metadata", fuzz_targets::metadata);
}

fn vocabulary() {
    fuzz("vocabulary", fuzz_targets::vocabulary);
}

fn repack() {
    fuzz("repack", fuzz_targets::repack);
}

fn manifest() {
    fuzz("manifest", fuzz_targets::manifest);
}

/// The stored seeds are the ones made here; `GEMMA_WEB_FUZZ_SEEDS=1` writes them again.
fn seeds_are_as_written_here() {
    for (target, name, bytes) in all_seeds() {
        let path = folder(target).join(name);
        if number_of("GEMMA_WEB_FUZZ_SEEDS").is_some() {
            std::fs::create_dir_all(folder(target)).unwrap();
            std::fs::write(&path, &bytes).unwrap();
        }
        assert!(std::fs::read(&path).ok() == Some(bytes), "{} is not what it should be", path.display());
    }
}

fn all_seeds() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let container = GgufWriter::new()
        .key("general.architecture", Kv::Str("gemma".to_owned()))
        .key("a.u8", Kv::U8(200))
        .key("a.u64", Kv::U64(1 << 40))
        .key("a.bool", Kv::Bool(true))
        .key("a.strings", Kv::Strings(vec!["one".to_owned(), String::new(), "\u{2581}three".to_owned()]))
        .key("a.f32s", Kv::F32s(vec![1.0, -2.0]))
        .key("a.i32s", Kv::I32s(vec![1, -2, 3]))
        .tensor("norm.weight", &[3], 0)
        .tensor("matrix.weight", &[64, 2], 8)
        .tensor("deep.weight", &[256, 1, 2, 1], 12);
    let aligned = GgufWriter { alignment: 64, ..GgufWriter::new() }
        .key("general.alignment", Kv::U32(64))
        .tensor("a", &[32], 0)
        .tensor("b", &[32, 3], 2);
    let mut seeds = vec![
        ("gguf", "one-of-everything", container.file()),
        ("gguf", "version-2", GgufWriter { version: 2, ..container.clone() }.file()),
        ("gguf", "aligned", aligned.file()),
    ];
    for architecture in ["gemma", "gemma2", "gemma3"] {
        seeds.push(("metadata", architecture, without_data(model(architecture)).file()));
    }
    seeds.push(("vocabulary", "whole-file", vocabulary_file().file()));
    seeds.push(("vocabulary", "short", SHORT.concat()));
    seeds.push(("vocabulary", "short-with-bytes", [&SHORT.concat()[..], b"x"].concat()));
    for (name, choice) in [("few", 3u8), ("some", 7), ("others", 11), ("last", 14)] {
        let noise = (0..600u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8);
        seeds.push(("repack", name, std::iter::once(choice).chain(noise).collect()));
    }
    seeds.push(("manifest", "three-chunks", manifest_of(r#"{"url":"https://x.org/m.gguf","size":8388609,"etag":"\"a\"","lastModified":null,"chunkBytes":4194304}"#)));
    seeds.push((
        "manifest",
        "no-chunk",
        manifest_of(r#"{"url":"","size":0,"etag":null,"lastModified":null,"chunkBytes":4194304}"#),
    ));
    seeds
}

/// Pieces, each followed by 0, its type and its score plus 100.
const SHORT: [&[u8]; 12] = [
    b"<pad>\x003d",
    b"<eos>\x003d",
    b"<bos>\x003d",
    b"<unk>\x002d",
    b"\n\n\x004d",
    b"a\x001_",
    b"b\x001^",
    b"ab\x001]",
    b"aba\x001\\",
    b"<b>\x004d",
    b"\xe2\x96\x81\x001Z",
    b"<start_of_turn>\x003d",
];

/// Every tensor has its offset but no bytes: only the header is read.
fn without_data(mut writer: GgufWriter) -> GgufWriter {
    let mut offset = 0;
    for tensor in &mut writer.tensors {
        let bytes = std::mem::take(&mut tensor.data).len() as u64;
        tensor.offset = Some(offset);
        offset += bytes.next_multiple_of(32);
    }
    writer
}

/// A manifest whose checksums the fuzz target makes right.
fn manifest_of(json: &str) -> Vec<u8> {
    let mut bytes =
        [b"GEMMAWEB", &1u32.to_le_bytes()[..], &(json.len() as u32).to_le_bytes(), json.as_bytes()].concat();
    bytes.resize(bytes.len() + 40, 1);
    bytes
}
