//! The tokenizer against SentencePiece and llama.cpp: every golden string on the two small vocabularies inside the
//! tiny models, and on the real ones where `GEMMA_WEB_VOCAB_DIR` names a folder with `gemma2-vocab.gguf.gz` and
//! `gemma3-vocab.gguf.gz`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed assumption fails the test"
)]

mod common;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Instant;

use gemma_web::gguf::{self, Metadata, Parsed};
use gemma_web::tokenizer::{Special, Tokenizer};
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;

use common::trial::needing;

const MODES: [Special; 3] = [Special::AsText, Special::Markers, Special::Parse];

fn main() {
    let args = Arguments::from_args();
    let mut trials = Vec::new();
    for (name, model) in [
        ("tiny-A", "tiny-gemma1-q4_0.gguf"),
        ("tiny-B", "tiny-gemma3-q4_0.gguf"),
    ] {
        trials.push(test(format!("{name}: every golden string"), move || {
            check_strings(&tokenizer(&tiny(model)), name, "llama");
        }));
        trials.push(test(format!("{name}: written as in 2024-02"), move || {
            let raw = RawVocab::of(&tiny(model));
            check_strings(&tokenizer(&raw.as_in_2024_02().to_gguf()), name, "llama");
        }));
        trials.push(test(format!("{name}: streams of random ids"), move || {
            check_streams(&tokenizer(&tiny(model)))
        }));
    }
    trials.push(test(
        "long texts take time in proportion".into(),
        long_text_is_not_quadratic,
    ));
    trials.push(test("special ids".into(), special_ids));
    for (name, file) in [
        ("gemma1-2", "gemma2-vocab.gguf.gz"),
        ("gemma3", "gemma3-vocab.gguf.gz"),
    ] {
        let real = |what: &str, run: fn(&'static str, Vec<u8>)| {
            needing(
                &format!("{name}: {what}"),
                "GEMMA_WEB_VOCAB_DIR",
                vocab_file(file),
                move |path: PathBuf| {
                    run(name, gunzip(&path));
                    Ok(())
                },
            )
        };
        trials.push(real("every golden string", |name, bytes| {
            let key = if name == "gemma3" { "llama" } else { "llama_modern" };
            check_strings(&tokenizer(&bytes), name, key);
        }));
        trials.push(real("a whole text", |name, bytes| {
            check_text(&tokenizer(&bytes), name)
        }));
        trials.push(real("streams of random ids", |_, bytes| {
            check_streams(&tokenizer(&bytes))
        }));
        if name == "gemma1-2" {
            trials.push(real("written as in 2024-02", |name, bytes| {
                let mut raw = RawVocab::of(&bytes);
                for entry in golden("gemma1-2024-02-overrides")["entries"].as_array().unwrap() {
                    let id = entry[0].as_u64().unwrap() as usize;
                    raw.pieces[id] = entry[1].as_str().unwrap().to_owned();
                    raw.scores[id] = 0.0;
                    raw.types[id] = entry[3].as_i64().unwrap() as i32;
                }
                check_strings(&tokenizer(&raw.to_gguf()), name, "llama_modern");
            }));
        }
    }
    libtest_mimic::run(&args, trials).exit();
}

fn test(name: String, run: impl FnOnce() + Send + 'static) -> Trial {
    Trial::test(name, move || {
        run();
        Ok::<(), Failed>(())
    })
}

/// All strings in all modes. The goldens hold SentencePiece's ids, and llama.cpp's where they differ.
fn check_strings(tokenizer: &Tokenizer, name: &str, llama: &str) {
    let golden = golden(name);
    let mut wrong = Vec::new();
    for case in golden["cases"].as_array().unwrap() {
        let text = case["text"].as_str().unwrap();
        let spm = ids(&case["ids"]);
        // llama.cpp makes no runs of literal U+2581, and takes `</s>` for an end token; SentencePiece is matched.
        let llama_is_odd = text.contains('\u{2581}');
        let of_llama = |key: &str| {
            let ids = case
                .get(format!("{llama}_{key}"))
                .filter(|_| !llama_is_odd)
                .map(ids);
            ids.unwrap_or_else(|| spm.clone())
        };
        let plain = if text.contains("</s>") {
            spm.clone()
        } else {
            of_llama("plain")
        };
        let has_plain = name == "gemma3" || name == "gemma1-2" || !names_a_marker(text);
        for (mode, expected) in MODES.into_iter().zip([plain, spm.clone(), of_llama("special")]) {
            let found = tokenizer.encode(text, mode).unwrap();
            if found != expected && (mode != Special::AsText || has_plain) {
                wrong.push(format!(
                    "{text:?} {mode:?}: expected {expected:?}, found {found:?}"
                ));
            }
        }
        let plain = tokenizer.encode(text, Special::AsText).unwrap();
        let decoded = case.get("spm_decode").and_then(Value::as_str).map(str::to_owned);
        let decoded = decoded.unwrap_or_else(|| text.replace('\u{2581}', " "));
        if tokenizer.decode(&plain) != decoded {
            wrong.push(format!("{text:?} decodes to {:?}", tokenizer.decode(&plain)));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// The small vocabularies' goldens have no ids for text that spells a marker out; that it is text shows in decoding.
fn names_a_marker(text: &str) -> bool {
    [
        "<start_of_",
        "<end_of_",
        "<mask>",
        "<unused",
        "<2mass>",
        "[@BOS@]",
    ]
    .iter()
    .any(|marker| text.contains(marker))
}

/// A chapter of a book, and the prompts of the real model.
fn check_text(tokenizer: &Tokenizer, name: &str) {
    let golden = golden(&format!("ppl-text-{name}"));
    let text = fs::read_to_string(data("tokenizer/ppl-text.txt")).unwrap();
    let mut found = tokenizer.encode(&text, Special::AsText).unwrap();
    assert_eq!(tokenizer.decode(&found), text);
    let expected = ids(&golden["ids"]);
    if name == "gemma3" {
        found.insert(0, 2);
        found.truncate(expected.len());
    }
    assert_eq!(found, expected);
    for prompt in golden["prompts"].as_array().into_iter().flatten() {
        let text = prompt["text"].as_str().unwrap();
        assert_eq!(
            tokenizer.encode(text, Special::Markers).unwrap(),
            ids(&prompt["ids"])[1..],
            "{text:?}"
        );
    }
}

/// Whatever the ids are, the pieces of a stream join to the decoded whole, and none holds half a character.
fn check_streams(tokenizer: &Tokenizer) {
    let first_byte = tokenizer.id_of("<0x00>").unwrap();
    let mut random = Random(1);
    for round in 0..400 {
        // Mostly bytes, and of them mostly those that begin and continue characters.
        let ids: Vec<u32> = (0..round % 40 + 1)
            .map(|_| match random.below(8) {
                0 => random.below(tokenizer.n_vocab() as u32 + 2),
                1 => first_byte + random.below(256),
                2..4 => first_byte + 0xC0 + random.below(0x38),
                _ => first_byte + 0x80 + random.below(0x40),
            })
            .collect();
        let mut stream = tokenizer.stream();
        let mut joined = String::new();
        for &id in &ids {
            let before = joined.len();
            joined.push_str(&stream.push(id));
            assert!(
                !joined[before..].is_empty() || !has_text(tokenizer, id),
                "{ids:?}: nothing came of {id}"
            );
        }
        joined.push_str(&stream.finish());
        assert_eq!(joined, tokenizer.decode(&ids), "{ids:?}");
        assert_eq!(joined, slow_decode(tokenizer, first_byte, &ids), "{ids:?}");
        assert_eq!(stream.finish(), "");
    }
    let text = "naïve 日本語 🏳️‍🌈 ꙮ 𒀀𒀁 \u{10ffff}";
    let mut stream = tokenizer.stream();
    let ids = tokenizer.encode(text, Special::AsText).unwrap();
    let pieces: Vec<String> = ids.iter().map(|&id| stream.push(id)).collect();
    assert!(
        pieces.iter().all(|piece| !piece.contains('\u{fffd}')),
        "{pieces:?}"
    );
    assert_eq!(pieces.concat(), text);
    assert_eq!(stream.finish(), "");
}

/// Whether an id has text by itself: neither a byte nor special.
fn has_text(tokenizer: &Tokenizer, id: u32) -> bool {
    let Some(piece) = tokenizer.piece(id) else {
        return false;
    };
    let spelled = tokenizer
        .encode(&piece.replace('\u{2581}', " "), Special::AsText)
        .unwrap();
    spelled == [id]
}

/// What SentencePiece does, run by run: a byte that starts no whole character is U+FFFD.
fn slow_decode(tokenizer: &Tokenizer, first_byte: u32, ids: &[u32]) -> String {
    let mut out = String::new();
    let mut rest = ids;
    while let Some((&id, tail)) = rest.split_first() {
        let Some(byte) = id.checked_sub(first_byte).filter(|byte| *byte < 256) else {
            out.push_str(&tokenizer.decode(&[id]));
            rest = tail;
            continue;
        };
        let bytes: Vec<u8> = rest
            .iter()
            .map_while(|id| id.checked_sub(first_byte)?.try_into().ok())
            .take(4)
            .collect();
        let whole = (1..=bytes.len()).find_map(|n| Some((n, std::str::from_utf8(&bytes[..n]).ok()?)));
        let (n, text) = whole.unwrap_or((1, "\u{fffd}"));
        assert!(n > 1 || byte < 0x80 || text == "\u{fffd}");
        out.push_str(text);
        rest = &rest[n..];
    }
    out
}

fn long_text_is_not_quadratic() {
    let tokenizer = tokenizer(&tiny("tiny-gemma3-q4_0.gguf"));
    let time = |text: &str| {
        let start = Instant::now();
        let ids = tokenizer.encode(text, Special::AsText).unwrap();
        assert_eq!(tokenizer.decode(&ids), text);
        start.elapsed().as_secs_f64()
    };
    for unit in ["a", "the word ", " ", "\n", "<", "字", "<start_of_turn"] {
        let (short, long) = (
            unit.repeat(12_500 / unit.len()),
            unit.repeat(200_000 / unit.len()),
        );
        let short_s = (0..3).map(|_| time(&short)).fold(f64::MAX, f64::min);
        let long_s = (0..3).map(|_| time(&long)).fold(f64::MAX, f64::min);
        // 16 times the text; quadratic work would take 256 times as long.
        assert!(
            long_s < 80.0 * short_s.max(1e-3),
            "{unit:?}: {short_s} s, then {long_s} s for 16 times as much"
        );
    }
}

fn special_ids() {
    for (model, turns) in [
        ("tiny-gemma1-q4_0.gguf", [106, 107]),
        ("tiny-gemma3-q4_0.gguf", [105, 106]),
    ] {
        let tokenizer = tokenizer(&tiny(model));
        assert_eq!(tokenizer.bos(), Some(2));
        assert!(tokenizer.adds_bos());
        assert_eq!(tokenizer.id_of("<start_of_turn>"), Some(turns[0]));
        let mut ends = tokenizer.end_tokens().to_vec();
        ends.sort_unstable();
        assert_eq!(ends, [1, turns[1]]);
        assert_eq!(tokenizer.n_vocab(), 1024);
        assert_eq!(tokenizer.id_of("no such piece"), None);
        assert_eq!(tokenizer.piece(1024), None);
        assert_eq!(tokenizer.decode(&[2, turns[0], turns[1], 1, 4096]), "");
        for id in 0..1024 {
            let piece = tokenizer.piece(id).unwrap();
            assert_eq!(tokenizer.id_of(piece), Some(id), "{piece:?}");
        }
    }
}

/// A vocabulary that can be altered and written out again.
struct RawVocab {
    pieces: Vec<String>,
    scores: Vec<f32>,
    types: Vec<i32>,
}

impl RawVocab {
    fn of(gguf: &[u8]) -> Self {
        let metadata = metadata(gguf);
        Self {
            pieces: metadata
                .strings("tokenizer.ggml.tokens")
                .unwrap()
                .iter()
                .map(str::to_owned)
                .collect(),
            scores: metadata.f32s("tokenizer.ggml.scores").unwrap().to_vec(),
            types: metadata.i32s("tokenizer.ggml.token_type").unwrap(),
        }
    }

    /// As the first converter wrote it: every user-defined symbol a NORMAL piece with score 0.
    fn as_in_2024_02(mut self) -> Self {
        for (id, kind) in self
            .types
            .iter_mut()
            .enumerate()
            .filter(|(_, kind)| matches!(kind, 3 | 4))
        {
            *kind = match id {
                0..3 => 3,
                3 => 2,
                _ => 1,
            };
            self.scores[id] = 0.0;
            self.pieces[id] = self.pieces[id].replace(' ', "\u{2581}");
        }
        self
    }

    fn to_gguf(&self) -> Vec<u8> {
        fn string(out: &mut Vec<u8>, text: &str) {
            out.extend((text.len() as u64).to_le_bytes());
            out.extend(text.as_bytes());
        }
        fn array(out: &mut Vec<u8>, key: &str, element_type: u32, len: usize) {
            string(out, key);
            out.extend(9_u32.to_le_bytes());
            out.extend(element_type.to_le_bytes());
            out.extend((len as u64).to_le_bytes());
        }
        let mut out = b"GGUF".to_vec();
        out.extend(3_u32.to_le_bytes());
        out.extend(0_u64.to_le_bytes());
        out.extend(4_u64.to_le_bytes());
        string(&mut out, "tokenizer.ggml.model");
        out.extend(8_u32.to_le_bytes());
        string(&mut out, "llama");
        array(&mut out, "tokenizer.ggml.tokens", 8, self.pieces.len());
        self.pieces.iter().for_each(|piece| string(&mut out, piece));
        array(&mut out, "tokenizer.ggml.scores", 6, self.scores.len());
        out.extend(self.scores.iter().flat_map(|score| score.to_le_bytes()));
        array(&mut out, "tokenizer.ggml.token_type", 5, self.types.len());
        out.extend(self.types.iter().flat_map(|kind| kind.to_le_bytes()));
        out
    }
}

/// Enough randomness for test input.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u32) -> u32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % u64::from(n)) as u32
    }
}

fn tokenizer(gguf: &[u8]) -> Tokenizer {
    Tokenizer::from_gguf(&metadata(gguf)).unwrap()
}

fn metadata(gguf: &[u8]) -> Metadata {
    match gguf::parse(gguf, None).unwrap() {
        Parsed::Done(header) => header.metadata,
        Parsed::NeedMore { at_least } => {
            panic!("the header needs {at_least} bytes, the file has {}", gguf.len())
        }
    }
}

fn data(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(path)
}

fn tiny(file: &str) -> Vec<u8> {
    fs::read(data(&format!("tiny/{file}"))).unwrap()
}

fn golden(name: &str) -> Value {
    serde_json::from_slice(&fs::read(data(&format!("tokenizer/{name}.json"))).unwrap()).unwrap()
}

fn ids(value: &Value) -> Vec<u32> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|id| id.as_u64().unwrap() as u32)
        .collect()
}

fn vocab_file(name: &str) -> Option<PathBuf> {
    std::env::var_os("GEMMA_WEB_VOCAB_DIR").map(|folder| Path::new(&folder).join(name))
}

fn gunzip(path: &Path) -> Vec<u8> {
    let file = fs::File::open(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(file)
        .read_to_end(&mut bytes)
        .unwrap();
    bytes
}
