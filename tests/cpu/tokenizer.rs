//! The tokenizer beyond its goldens: streaming, time, special ids, and vocabularies that are broken or odd.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed assumption fails the test"
)]

use std::time::Instant;

use crate::support::suite::{Test, test_fn};
use gemma_web::Error;
use gemma_web::tokenizer::{Special, Tokenizer};

use crate::support::vocab::{RawVocab, metadata, tiny, tokenizer};

pub(crate) fn tests() -> Vec<Test> {
    vec![
        test_fn(streams_join_to_the_decoded_whole),
        test_fn(long_text_is_not_quadratic).alone(),
        test_fn(special_ids),
        test_fn(refusals),
        test_fn(odd_vocabularies),
    ]
}

/// For any ids, the pieces of a stream join to the decoded whole, and none holds half a character.
fn streams_join_to_the_decoded_whole() {
    for model in ["tiny-gemma1-q4_0.gguf", "tiny-gemma3-q4_0.gguf"] {
        check_streams(&tokenizer(&tiny(model)));
    }
}

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
    assert!(pieces.iter().all(|piece| !piece.contains('\u{fffd}')), "{pieces:?}");
    assert_eq!(pieces.concat(), text);
    assert_eq!(stream.finish(), "");
}

/// Whether an id has text by itself: neither a byte nor special.
fn has_text(tokenizer: &Tokenizer, id: u32) -> bool {
    let Some(piece) = tokenizer.piece(id) else {
        return false;
    };
    let spelled = tokenizer.encode(&piece.replace('\u{2581}', " "), Special::AsText).unwrap();
    spelled == [id]
}

/// Bytes as SentencePiece decodes them, run by run: a byte that starts no whole character is U+FFFD.
fn slow_decode(tokenizer: &Tokenizer, first_byte: u32, ids: &[u32]) -> String {
    let mut out = String::new();
    let mut rest = ids;
    while let Some((&id, tail)) = rest.split_first() {
        let Some(byte) = id.checked_sub(first_byte).filter(|byte| *byte < 256) else {
            out.push_str(&tokenizer.decode(&[id]));
            rest = tail;
            continue;
        };
        let bytes: Vec<u8> =
            rest.iter().map_while(|id| id.checked_sub(first_byte)?.try_into().ok()).take(4).collect();
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
        let (short, long) = (unit.repeat(12_500 / unit.len()), unit.repeat(200_000 / unit.len()));
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
    for (model, turns) in [("tiny-gemma1-q4_0.gguf", [106, 107]), ("tiny-gemma3-q4_0.gguf", [105, 106])] {
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

fn refusals() {
    let good = RawVocab::of(&tiny("tiny-gemma1-q4_0.gguf"));
    let refused = |change: fn(&mut RawVocab)| {
        let mut raw = good.clone();
        change(&mut raw);
        Tokenizer::from_gguf(&metadata(&raw.to_gguf())).expect_err("a broken vocabulary")
    };
    let error = refused(|raw| raw.model = "gpt2");
    assert!(matches!(&error, Error::Unsupported { found, .. } if found.contains("gpt2")), "{error}");
    let changes: [fn(&mut RawVocab); 3] =
        [|raw| raw.scores.truncate(1000), |raw| raw.types.truncate(1000), |raw| raw.pieces.truncate(1000)];
    for change in changes {
        let error = refused(change);
        assert!(error.to_string().contains("1000"), "{error}");
        assert!(matches!(error, Error::BadKey { .. }), "{error}");
    }
    let error = refused(|raw| (raw.pieces, raw.scores, raw.types) = Default::default());
    assert!(matches!(error, Error::BadKey { .. }), "{error}");
    let error = refused(|raw| raw.types.iter_mut().for_each(|kind| *kind = 1));
    assert!(matches!(&error, Error::BadKey { found, .. } if found.contains("0 byte tokens")), "{error}");
}

/// Scores decide, and a vocabulary need not be a good one.
fn odd_vocabularies() {
    let make = |pieces: &[(&str, f32, i32)]| {
        let raw = RawVocab {
            model: "llama",
            pieces: pieces.iter().map(|piece| piece.0.to_owned()).collect(),
            scores: pieces.iter().map(|piece| piece.1).collect(),
            types: pieces.iter().map(|piece| piece.2).collect(),
        };
        tokenizer(&raw.to_gguf())
    };
    let unk = ("<unk>", 0.0, 2);
    let encode = |tokenizer: &Tokenizer, text: &str| tokenizer.encode(text, Special::Parse).unwrap();
    let abc =
        |ab, bc| make(&[unk, ("a", -9.0, 1), ("b", -9.0, 1), ("c", -9.0, 1), ("ab", ab, 1), ("bc", bc, 1)]);
    assert_eq!(encode(&abc(-1.0, -2.0), "abc"), [4, 3]);
    assert_eq!(encode(&abc(-2.0, -1.0), "abc"), [1, 5]);
    assert_eq!(encode(&abc(f32::NAN, f32::NEG_INFINITY), "abc").len(), 2);
    // Without byte pieces, a run of characters without pieces is one unknown token, shown as SentencePiece shows it.
    let tokenizer = abc(-1.0, -2.0);
    assert_eq!(encode(&tokenizer, "axyb"), [1, 0, 2]);
    assert_eq!(tokenizer.decode(&[1, 0, 2]), "a \u{2047} b");
    assert_eq!((tokenizer.bos(), tokenizer.end_tokens()), (None, &[][..]));
    // Pieces twice, empty ones, symbols that contain each other, one that could only be reached by merging a symbol.
    let tokenizer = make(&[
        unk,
        ("", -1.0, 1),
        ("", -1000.0, 4),
        ("a", -2.0, 1),
        ("a", -1.0, 1),
        ("<i>", -1000.0, 4),
        ("<i><i>", -1000.0, 4),
        ("a<i>", -1.0, 1),
    ]);
    assert_eq!(encode(&tokenizer, "a<i><i><i>a"), [3, 6, 5, 3]);
    assert!(encode(&tokenizer, "").is_empty());
}

/// Enough randomness for test input.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % u64::from(n)) as u32
    }
}
