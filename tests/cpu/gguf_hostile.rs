//! The header parser against files that are cut, lie or contradict themselves. Every one must end in a typed error that
//! names the thing, without a panic and without memory for data that the file only claims to hold.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

use crate::support::gguf_writer::{GgufWriter, Kv};
use crate::support::suite::{Test, test_fn};
use gemma_web::Error;
use gemma_web::gguf::{Header, Parsed, Value, caps, parse};

pub(crate) fn tests() -> Vec<Test> {
    vec![
        test_fn(an_honest_file_is_read_whole),
        test_fn(every_shorter_prefix_asks_for_more_and_never_for_too_much),
        test_fn(tensor_data_beyond_the_end_is_truncation_that_names_the_tensor),
        test_fn(every_flipped_bit_ends_in_an_answer),
        test_fn(other_files_are_told_from_gguf),
        test_fn(other_versions_and_byte_orders_are_refused),
        test_fn(lying_counts_are_refused_before_memory_is_spent),
        test_fn(lying_lengths_are_refused_before_memory_is_spent),
        test_fn(a_header_above_the_cap_is_refused),
        test_fn(strange_values_are_refused),
        test_fn(text_that_is_not_utf8_is_replaced_in_values_and_refused_in_names),
        test_fn(impossible_alignments_are_refused),
        test_fn(impossible_tensors_are_refused),
        test_fn(unknown_tensor_types_are_named),
        test_fn(tensors_must_be_aligned_apart_and_inside_the_file),
    ]
}

const F32: u32 = 0;
const Q8_0: u32 = 8;
const Q4_K: u32 = 12;

/// One of everything.
fn small() -> GgufWriter {
    GgufWriter::new()
        .key("general.architecture", Kv::Str("gemma".to_owned()))
        .key("a.u8", Kv::U8(200))
        .key("a.i32", Kv::I32(-5))
        .key("a.u64", Kv::U64(1 << 40))
        .key("a.f32", Kv::F32(0.5))
        .key("a.bool", Kv::Bool(true))
        .key("a.strings", Kv::Strings(vec!["one".to_owned(), String::new(), "\u{2581}three".to_owned()]))
        .key("a.f32s", Kv::F32s(vec![1.0, -2.0]))
        .key("a.i32s", Kv::I32s(vec![1, -2, 3]))
        .tensor("norm.weight", &[3], F32)
        .tensor("matrix.weight", &[64, 2], Q8_0)
        .tensor("deep.weight", &[256, 1, 2, 1], Q4_K)
}

fn done(writer: &GgufWriter) -> Header {
    let file = writer.file();
    match parse(&file, Some(file.len() as u64)).unwrap() {
        Parsed::Done(header) => header,
        Parsed::NeedMore { at_least } => panic!("{at_least} bytes wanted of {}", file.len()),
    }
}

fn refused(writer: &GgufWriter) -> Error {
    let file = writer.file();
    parse(&file, Some(file.len() as u64)).expect_err("a file that must be refused")
}

/// Checks that the file is malformed and that the message holds each of `words`.
#[track_caller]
fn malformed(writer: &GgufWriter, words: &[&str]) {
    let error = refused(writer);
    let message = error.to_string();
    assert!(matches!(error, Error::Malformed { .. }), "{message}");
    for word in words {
        assert!(message.contains(word), "{message:?} lacks {word:?}");
    }
}

/// An array header, to be followed by any bytes.
fn array(element: u32, len: u64, bytes: &[u8]) -> Kv {
    Kv::Raw(9, [&element.to_le_bytes()[..], &len.to_le_bytes(), bytes].concat())
}

fn an_honest_file_is_read_whole() {
    for version in [2, 3] {
        let writer = GgufWriter { version, ..small() };
        let header = done(&writer);
        assert_eq!((header.version, header.alignment), (version, 32));
        assert_eq!(header.data_start, (writer.header().len() as u64).next_multiple_of(32));
        let data = &header.metadata;
        assert_eq!(data.str("general.architecture").unwrap(), "gemma");
        assert_eq!((data.u32("a.u8").unwrap(), data.f32("a.f32").unwrap()), (200, 0.5));
        assert_eq!(data.get("a.u64"), Some(&Value::Unsigned(1 << 40)));
        assert_eq!(data.get("a.i32"), Some(&Value::Signed(-5)));
        assert_eq!(data.opt_bool("a.bool").unwrap(), Some(true));
        assert_eq!(
            data.strings("a.strings").unwrap().iter().collect::<Vec<_>>(),
            ["one", "", "\u{2581}three"]
        );
        assert_eq!(data.strings("a.strings").unwrap().get(3), None);
        assert_eq!(data.f32s("a.f32s").unwrap(), [1.0, -2.0]);
        assert_eq!(data.i32s("a.i32s").unwrap(), [1, -2, 3]);
        assert_eq!(data.iter().len(), 9);
        let matrix = header.tensor("matrix.weight").unwrap();
        assert_eq!((matrix.shape.as_slice(), matrix.format.name), (&[64, 2][..], "Q8_0"));
        assert_eq!((matrix.offset, matrix.bytes), (header.data_start + 32, 4 * 34));
        assert_eq!(header.tensor("deep.weight").unwrap().bytes, 2 * 144);
        assert_eq!(header.tensor("absent"), None);
    }
}

fn every_shorter_prefix_asks_for_more_and_never_for_too_much() {
    let (header, file) = (small().header(), small().file());
    for len in 0..header.len() {
        // Twice: the length of the file is known, or not.
        for file_len in [None, Some(file.len() as u64)] {
            match parse(&file[..len], file_len).unwrap() {
                Parsed::NeedMore { at_least } => {
                    assert!(
                        len < at_least as usize && at_least as usize <= header.len(),
                        "{len}: {at_least}"
                    );
                }
                Parsed::Done(_) => panic!("done after {len} of {} bytes", header.len()),
            }
        }
        // And once as a file that ends there.
        let error = parse(&file[..len], Some(len as u64)).unwrap_err();
        assert!(
            matches!(error, Error::Truncated { has, needs, .. } if has == len as u64 && needs > has),
            "{error}"
        );
    }
    assert!(matches!(parse(&file[..header.len()], None).unwrap(), Parsed::Done(_)));
}

fn tensor_data_beyond_the_end_is_truncation_that_names_the_tensor() {
    let file = small().file();
    for cut in [1, 100, 320] {
        let error = parse(&file[..file.len() - cut], Some((file.len() - cut) as u64)).unwrap_err();
        let expected = if cut < 320 { "deep.weight" } else { "matrix.weight" };
        assert!(matches!(&error, Error::Truncated { what, .. } if what.contains(expected)), "{error}");
    }
}

fn every_flipped_bit_ends_in_an_answer() {
    let file = small().file();
    for at in 0..small().header().len() {
        for bit in 0..8 {
            let mut flipped = file.clone();
            flipped[at] ^= 1 << bit;
            for file_len in [None, Some(file.len() as u64)] {
                drop(parse(&flipped, file_len));
            }
        }
    }
}

fn other_files_are_told_from_gguf() {
    for start in [&b"<!DOCTYPE html>"[..], b"PK\x03\x04", b"<", b"GGML\x01\0\0\0", b"GGU_"] {
        let error = parse(start, Some(start.len() as u64)).unwrap_err();
        assert!(
            matches!(&error, Error::NotGguf { found } if start.starts_with(found) && found.len() <= 4),
            "{error}"
        );
    }
}

fn other_versions_and_byte_orders_are_refused() {
    for version in [0, 1, 4, u32::MAX] {
        let error = refused(&GgufWriter { version, ..small() });
        assert!(matches!(error, Error::UnsupportedVersion { version: found } if found == version), "{error}");
    }
    for version in [2u32, 3] {
        let error = refused(&GgufWriter { version: version.swap_bytes(), ..small() });
        assert!(error.to_string().contains("big-endian"), "{error}");
    }
}

fn lying_counts_are_refused_before_memory_is_spent() {
    for lie in [caps::TENSORS + 1, u64::MAX] {
        malformed(&GgufWriter { n_tensors: Some(lie), ..small() }, &["number of tensors", "cap of 16384"]);
    }
    for lie in [caps::KEYS + 1, u64::MAX] {
        malformed(&GgufWriter { n_keys: Some(lie), ..small() }, &["metadata keys", "cap of 4096"]);
    }
    // Under the cap, but more than there are.
    let error = refused(&GgufWriter { n_tensors: Some(caps::TENSORS), n_keys: Some(0), ..GgufWriter::new() });
    assert!(matches!(error, Error::Truncated { .. }), "{error}");
    let error = refused(&GgufWriter { n_keys: Some(caps::KEYS), ..GgufWriter::new() });
    assert!(matches!(error, Error::Truncated { .. }), "{error}");
}

fn lying_lengths_are_refused_before_memory_is_spent() {
    for element in [0, 6, 7, 8, 10] {
        for lie in [caps::ARRAY_LEN + 1, u64::MAX, u64::MAX / 8] {
            malformed(&GgufWriter::new().key("liar", array(element, lie, &[])), &["liar", "cap of 4194304"]);
        }
        let error = refused(&GgufWriter::new().key("liar", array(element, caps::ARRAY_LEN, &[])));
        assert!(matches!(&error, Error::Truncated { what, .. } if what == "liar"), "{error}");
    }
    for lie in [caps::STRING_BYTES + 1, u64::MAX] {
        let text = Kv::Raw(8, lie.to_le_bytes().to_vec());
        malformed(&GgufWriter::new().key("liar", text), &["liar", "cap of 4194304"]);
        malformed(
            &GgufWriter::new().key("liar", array(8, 1, &lie.to_le_bytes())),
            &["liar", "cap of 4194304"],
        );
    }
    malformed(&GgufWriter::new().key(&"k".repeat(1025), Kv::U8(1)), &["metadata key 0 of 1", "cap of 1024"]);
    malformed(
        &GgufWriter::new().tensor(&"t".repeat(257), &[1], F32),
        &["name of tensor 0 of 1", "cap of 256"],
    );
}

fn a_header_above_the_cap_is_refused() {
    // Honest arrays of the largest length, one after the other: the cap on the whole header ends them.
    let mut writer = GgufWriter::new();
    let strings = caps::ARRAY_LEN * 4;
    for i in 0..=caps::HEADER_BYTES / strings {
        let key = array(
            6,
            caps::ARRAY_LEN,
            &vec![0; if i * strings + strings < caps::HEADER_BYTES { strings as usize } else { 0 }],
        );
        writer = writer.key(&format!("array {i}"), key);
    }
    let error = parse(&writer.file(), None).unwrap_err();
    assert!(matches!(&error, Error::Malformed { why, .. } if why.contains("the cap is 67108864")), "{error}");
}

fn strange_values_are_refused() {
    malformed(&GgufWriter::new().key("k", Kv::Raw(13, vec![0; 8])), &["k", "value type 13"]);
    malformed(&GgufWriter::new().key("k", Kv::Raw(u32::MAX, vec![])), &["k", "value type 4294967295"]);
    malformed(&GgufWriter::new().key("k", array(13, 1, &[0; 8])), &["k", "element type 13"]);
    malformed(&GgufWriter::new().key("k", array(9, 1, &[0; 64])), &["k", "array of arrays"]);
    malformed(&GgufWriter::new().key("k", Kv::Raw(7, vec![2])), &["k", "boolean 2"]);
    malformed(&GgufWriter::new().key("k", array(7, 3, &[0, 1, 255])), &["k", "boolean 255"]);
    malformed(&small().key("a.u8", Kv::U8(1)), &["a.u8", "twice"]);
}

fn text_that_is_not_utf8_is_replaced_in_values_and_refused_in_names() {
    let bytes = [&2u64.to_le_bytes()[..], b"\xff\xfe", &1u64.to_le_bytes(), b"x"].concat();
    let header = done(&GgufWriter::new().key("tokens", array(8, 2, &bytes)));
    let tokens = header.metadata.strings("tokens").unwrap();
    assert_eq!(tokens.iter().collect::<Vec<_>>(), ["\u{fffd}\u{fffd}", "x"]);
    let mut file = GgufWriter::new().key("kk", Kv::U8(1)).file();
    let at = file.windows(2).position(|pair| pair == b"kk").unwrap();
    file[at] = 0xff;
    assert!(matches!(parse(&file, None), Err(Error::Malformed { why, .. }) if why.contains("UTF-8")));
}

fn impossible_alignments_are_refused() {
    for alignment in [0, 1, 4, 24, 33, 1 << 17, u32::MAX] {
        let error = refused(&small().key("general.alignment", Kv::U32(alignment)));
        assert!(matches!(&error, Error::BadKey { found, .. } if *found == alignment.to_string()), "{error}");
    }
    let error = refused(&small().key("general.alignment", Kv::Str("32".to_owned())));
    assert!(matches!(error, Error::BadKey { .. }), "{error}");
    for alignment in [8, 64, 4096] {
        let writer = GgufWriter { alignment, ..small() }.key("general.alignment", Kv::U32(alignment as u32));
        let header = done(&writer);
        assert_eq!((header.alignment, header.data_start % alignment as u64), (alignment as u64, 0));
    }
}

fn impossible_tensors_are_refused() {
    let with = |shape: &[u64], ggml_type| GgufWriter::new().tensor_with("t", shape, ggml_type, vec![0; 64]);
    malformed(&with(&[], F32), &["\"t\"", "0 dimensions"]);
    malformed(&with(&[1; 5], F32), &["\"t\"", "5 dimensions"]);
    malformed(&with(&[4, 0], F32), &["\"t\"", "[4, 0]"]);
    malformed(&with(&[1 << 21, 1 << 21], F32), &["\"t\"", "cap of 1099511627776"]);
    malformed(&with(&[u64::MAX, 2], F32), &["\"t\"", "cap of 1099511627776"]);
    malformed(&with(&[1 << 32, 1 << 32, 1, 1], F32), &["\"t\"", "cap of 1099511627776"]);
    malformed(&with(&[33], Q8_0), &["\"t\"", "rows of 33", "32 weights of a Q8_0 block"]);
    // 256 weights, but in rows of 128.
    malformed(&with(&[128, 2], Q4_K), &["\"t\"", "rows of 128", "256 weights of a Q4_K block"]);
    malformed(&small().tensor("norm.weight", &[1], F32), &["norm.weight", "twice"]);
}

fn unknown_tensor_types_are_named() {
    for (ggml_type, name) in
        [(18, "IQ3_XXS"), (9, "Q8_1"), (4, "ggml type 4"), (u32::MAX, "ggml type 4294967295")]
    {
        let error =
            refused(&GgufWriter::new().tensor_with("blk.0.attn_q.weight", &[256], ggml_type, vec![0; 256]));
        let message = error.to_string();
        assert!(matches!(error, Error::UnsupportedTensorType { .. }), "{message}");
        assert!(
            message.contains(name) && message.contains("blk.0.attn_q.weight") && message.contains("Q4_K"),
            "{message}"
        );
    }
}

fn tensors_must_be_aligned_apart_and_inside_the_file() {
    malformed(&small().tensor("t", &[8], F32).at(16), &["\"t\"", "offset 16", "alignment 32"]);
    malformed(&small().tensor("t", &[8], F32).at(u64::MAX - 31), &["\"t\"", "beyond any file"]);
    let error = refused(&small().tensor("t", &[8], F32).at(1 << 40));
    assert!(matches!(&error, Error::Truncated { what, .. } if what.contains("\"t\"")), "{error}");
    malformed(&small().tensor("t", &[8], F32).at(0), &["overlaps", "norm.weight", "\"t\""]);
    malformed(&small().tensor("t", &[8], F32).at(160), &["overlaps", "matrix.weight", "\"t\""]);
    // Gaps and any order are fine.
    let header = done(
        &GgufWriter::new()
            .tensor("late", &[8], F32)
            .at(64)
            .tensor("early", &[8], F32)
            .at(0)
            .tensor("pad", &[8], F32)
            .at(128)
            .tensor_with("end", &[8], F32, vec![0; 256])
            .at(192),
    );
    assert_eq!(header.tensor("late").unwrap().offset, header.data_start + 64);
}
