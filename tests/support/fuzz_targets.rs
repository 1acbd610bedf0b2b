//! Readers of hostile bytes, one function each. A panic, or a broken promise, is a finding. `tests/cpu/fuzz.rs` calls them
//! with changed seeds, and the targets of `tests/fuzz/` do under libFuzzer.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "a helper: each target uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a finding is a panic")]

use gemma_web::gguf::{Array, Header, Metadata, Parsed, Value, caps, parse};
use gemma_web::gpu::Limits;
use gemma_web::model::gpu::memory;
use gemma_web::model::{Config, ModelOptions};
use gemma_web::quant::FORMATS;
use gemma_web::source::download::{CHUNK_BYTES, describe, verify};
use gemma_web::source::store::{ManifestFile, Store, Writing};
use gemma_web::tokenizer::{Special, Tokenizer};
use gemma_web::{Cancel, Error, Result};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::gguf_writer::{GgufWriter, Kv};

/// The container: accepted tensors lie inside the file, aligned and apart, whether its length is known or not.
pub fn gguf(bytes: &[u8]) {
    let len = bytes.len() as u64;
    for file_len in [Some(len), None] {
        match parse(bytes, file_len) {
            Ok(Parsed::Done(header)) => is_sound(&header, file_len),
            Ok(Parsed::NeedMore { at_least }) => {
                assert!(at_least > len && at_least <= caps::HEADER_BYTES, "{at_least} of {len}");
                assert!(file_len.is_none_or(|len| at_least <= len), "{at_least} beyond the end at {len}");
            }
            Err(error) => is_typed(&error),
        }
    }
}

fn is_sound(header: &Header, file_len: Option<u64>) {
    let mut places = Vec::new();
    for tensor in &header.tensors {
        let n_weights: u64 = tensor.shape.iter().product();
        assert!(n_weights > 0 && tensor.bytes == tensor.format.bytes_of(n_weights), "{tensor:?}");
        assert!(tensor.offset >= header.data_start, "{tensor:?}");
        assert!((tensor.offset - header.data_start).is_multiple_of(header.alignment), "{tensor:?}");
        assert!(file_len.is_none_or(|len| tensor.offset + tensor.bytes <= len), "{tensor:?}");
        places.push((tensor.offset, tensor.offset + tensor.bytes));
    }
    places.sort_unstable();
    assert!(places.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{places:?}");
    for (key, value) in header.metadata.iter() {
        assert!(key.len() as u64 <= caps::KEY_BYTES && value.describe().len() < 1000, "{key}");
        if let Value::Array(Array::Strings(strings)) = value {
            assert_eq!(strings.iter().count(), strings.len(), "{key}");
        }
    }
}

/// Metadata: every getter on every key, the hyper-parameters, and the plan of the memory that the model would take.
pub fn metadata(bytes: &[u8]) {
    let Ok(Parsed::Done(header)) = parse(bytes, None) else { return };
    let data = &header.metadata;
    for (key, _) in data.iter() {
        let failed = [
            data.opt_u32(key).err(),
            data.opt_f32(key).err(),
            data.opt_str(key).err(),
            data.opt_bool(key).err(),
            data.opt_strings(key).err(),
            data.opt_f32s(key).err(),
            data.opt_i32s(key).err(),
            data.opt_bools(key).err(),
        ];
        failed.iter().flatten().for_each(is_typed);
    }
    match Config::from_metadata(data) {
        Ok(config) => {
            assert!(config.query_scale.is_finite() && config.query_scale > 0.0, "{config:?}");
            assert!(config.head_dim > 0 && config.n_heads.is_multiple_of(config.n_kv_heads), "{config:?}");
            (0..4).for_each(|i| assert!(config.window_of(i).is_none_or(|window| window > 0), "{config:?}"));
        }
        Err(error) => is_typed(&error),
    }
    match memory::plan(&header, &ModelOptions::default(), &Limits::default()) {
        Ok(plan) => assert_eq!(plan.total, plan.weights + plan.kv + plan.scratch, "{plan:?}"),
        Err(error) => is_typed(&error),
    }
}

/// A vocabulary in short: pieces end with a byte 0, behind which stand the type and the score of the token.
pub fn vocabulary(bytes: &[u8]) {
    if let Ok(Parsed::Done(header)) = parse(bytes, None) {
        tokenizes(&header.metadata);
        return;
    }
    let (mut pieces, mut scores, mut types) = (Vec::new(), Vec::new(), Vec::new());
    let mut rest = bytes;
    while let Some(end) = rest.iter().position(|byte| *byte == 0) {
        let [kind, score, ..] = rest[end + 1..] else { break };
        pieces.push(String::from_utf8_lossy(&rest[..end]).into_owned());
        types.push(i32::from(kind.wrapping_sub(b'0')));
        scores.push(match score {
            255 => f32::NAN,
            254 => f32::NEG_INFINITY,
            score => f32::from(score) - 100.0,
        });
        rest = &rest[end + 3..];
    }
    // A vocabulary without byte pieces has to declare an unknown token; half of them get all byte pieces.
    if bytes.len().is_multiple_of(2) {
        for byte in 0..=255u8 {
            pieces.push(format!("<0x{byte:02X}>"));
            types.push(6);
            scores.push(-1000.0);
        }
    }
    let writer = GgufWriter::new()
        .key("tokenizer.ggml.model", Kv::Str("llama".to_owned()))
        .key("tokenizer.ggml.tokens", Kv::Strings(pieces))
        .key("tokenizer.ggml.scores", Kv::F32s(scores))
        .key("tokenizer.ggml.token_type", Kv::I32s(types))
        .key("tokenizer.ggml.bos_token_id", Kv::U32(bytes.len() as u32));
    match parse(&writer.file(), None) {
        Ok(Parsed::Done(header)) => tokenizes(&header.metadata),
        Ok(Parsed::NeedMore { .. }) => panic!("a whole file"),
        Err(error) => is_typed(&error),
    }
}

const TEXTS: [&str; 4] = [
    "a",
    "Alice was  beginning\n\n to get <b>tired</b>",
    "<bos><start_of_turn>ab\u{2581}\u{10ffff}é",
    "aaaa\0\u{fdd0}<",
];

fn tokenizes(metadata: &Metadata) {
    let tokenizer = match Tokenizer::from_gguf(metadata) {
        Ok(tokenizer) => tokenizer,
        Err(error) => return is_typed(&error),
    };
    let n_vocab = tokenizer.n_vocab();
    for text in TEXTS {
        let mut all = Vec::new();
        for special in [Special::AsText, Special::Markers, Special::Parse] {
            all.push(tokenizer.encode(text, special).unwrap());
        }
        all.push(tokenizer.encode_rendered(text).unwrap());
        for ids in all {
            assert!(ids.iter().all(|id| (*id as usize) < n_vocab), "{ids:?} of {n_vocab}");
            let mut stream = tokenizer.stream();
            let pieces: String = ids.iter().map(|id| stream.push(*id)).collect();
            assert_eq!(pieces + &stream.finish(), tokenizer.decode(&ids), "{ids:?}");
        }
    }
    let known = tokenizer.bos().into_iter().chain(tokenizer.end_tokens().iter().copied());
    known.for_each(|id| assert!((id as usize) < n_vocab, "{id} of {n_vocab}"));
    tokenizer.decode(&[0, 1, 5, u32::MAX, n_vocab as u32]);
}

/// Repacking: the planes of any blocks hold each of their bytes once, and decoding gives as many weights as it should.
pub fn repack(bytes: &[u8]) {
    let Some((choice, blocks)) = bytes.split_first() else { return };
    let format = FORMATS[usize::from(*choice) % FORMATS.len()];
    let n_blocks = blocks.len() / format.block_bytes;
    let blocks = &blocks[..n_blocks * format.block_bytes];
    let mut again = vec![0; blocks.len()];
    for (ix, plane) in format.planes.iter().enumerate() {
        let mut out = Vec::new();
        format.repack(ix, blocks, &mut out);
        let n_weights = (n_blocks * format.block_len) as u64;
        assert_eq!(out.len() as u64, format.plane_bytes(ix, n_weights), "{format:?}");
        let len = plane.bytes.len();
        for (block, part) in again.chunks_exact_mut(format.block_bytes).zip(out.chunks_exact(len)) {
            block[plane.bytes.clone()].copy_from_slice(part);
        }
    }
    assert!(again == blocks, "{format:?}");
    let mut weights = Vec::new();
    format.decode(blocks, &mut weights);
    assert_eq!(weights.len(), n_blocks * format.block_len, "{format:?}");
}

/// The manifest of a download: the description of the entry stays within the caps, and its verification ends.
pub fn manifest(bytes: &[u8]) {
    // As it is, and with its checksums made right, as an attacker would.
    for bytes in [bytes.to_vec(), with_right_checks(bytes)] {
        let mut store = InMemory { manifest: Bytes(bytes), data: Bytes(vec![7; 1000]) };
        if let Some(entry) = describe(&mut store).unwrap() {
            assert!(entry.size <= 1 << 40 && entry.stored <= entry.size, "{entry:?}");
        }
        let report = pollster::block_on(verify(&mut store, &Cancel::default())).unwrap();
        assert!(report.damaged.len() as u64 <= report.chunks, "{report:?}");
        let again = pollster::block_on(verify(&mut store, &Cancel::default())).unwrap();
        assert!(again.damaged.is_empty(), "{again:?}");
    }
}

/// The head's check, that of the SHA-256, and those of the first records.
fn with_right_checks(bytes: &[u8]) -> Vec<u8> {
    const RECORDS_AT: usize = 16 << 10;
    let mut bytes = bytes.to_vec();
    let Some(len) = bytes.get(12..16).map(|len| u32::from_le_bytes(len.try_into().unwrap()) as usize) else {
        return bytes;
    };
    if len > RECORDS_AT - 100 || bytes.len() < 16 + len + 8 {
        return bytes;
    }
    bytes.resize(bytes.len().max(RECORDS_AT), 0);
    let key = xxh3_64(&bytes[..16 + len]);
    bytes[16 + len..16 + len + 8].copy_from_slice(&key.to_le_bytes());
    let check = xxh3_64_with_seed(&bytes[RECORDS_AT - 64..RECORDS_AT - 32], key);
    bytes[RECORDS_AT - 32..RECORDS_AT - 24].copy_from_slice(&check.to_le_bytes());
    for (record, ix) in bytes[RECORDS_AT..].chunks_exact_mut(24).zip(0..100) {
        let check = xxh3_64_with_seed(&record[..16], key.wrapping_add(ix));
        record[16..].copy_from_slice(&check.to_le_bytes());
    }
    bytes
}

/// An error that the file is to blame for, with a message that can be shown.
pub fn is_typed(error: &Error) {
    let message = error.to_string();
    assert!(!matches!(error, Error::Internal { .. }), "{message}");
    assert!((10..20_000).contains(&message.len()), "{} bytes: {message:.200}", message.len());
}

struct Bytes(Vec<u8>);

impl ManifestFile for Bytes {
    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<usize> {
        let rest = self.0.get(offset as usize..).unwrap_or_default();
        let n = rest.len().min(into.len());
        into[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        let end = offset as usize + bytes.len();
        assert!(end < 4 * CHUNK_BYTES as usize, "written at {offset}");
        self.0.resize(self.0.len().max(end), 0);
        self.0[offset as usize..end].copy_from_slice(bytes);
        Ok(())
    }

    fn clear(&mut self) -> Result<()> {
        self.0.clear();
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

struct InMemory {
    manifest: Bytes,
    data: Bytes,
}

impl Store for InMemory {
    type Manifest = Bytes;

    fn manifest(&mut self) -> &mut Bytes {
        &mut self.manifest
    }

    fn len(&self) -> Result<u64> {
        Ok(self.data.0.len() as u64)
    }

    async fn read(&mut self, offset: u64, into: &mut [u8]) -> Result<usize> {
        self.data.read_at(offset, into)
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<Option<Writing>> {
        self.data.write_at(offset, bytes).map(|()| None)
    }

    fn clear(&mut self) -> Result<()> {
        self.data.clear()
    }

    fn flush(&mut self) -> Result<()> {
        self.data.flush()
    }

    async fn reserve(&mut self, _: u64) -> Result<()> {
        Ok(())
    }
}
