//! Splits a GGUF file into shards, as `llama-gguf-split` does: the metadata in the first, tensors in all, and three keys in each.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "a helper: each test file uses a part of it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use gemma_web::gguf::{Array, Header, Parsed, Value, parse};

use super::gguf_writer::{GgufWriter, Kv};

pub fn header(file: &[u8]) -> Header {
    match parse(file, Some(file.len() as u64)).unwrap() {
        Parsed::Done(header) => header,
        more @ Parsed::NeedMore { .. } => panic!("{more:?}"),
    }
}

fn kv(value: &Value) -> Kv {
    match value {
        Value::Unsigned(v) => u32::try_from(*v).map_or(Kv::U64(*v), Kv::U32),
        Value::Signed(v) => Kv::I32(i32::try_from(*v).unwrap()),
        Value::F32(v) => Kv::F32(*v),
        Value::Bool(v) => Kv::Bool(*v),
        Value::String(v) => Kv::Str(v.clone()),
        Value::Array(Array::Strings(v)) => Kv::Strings(v.iter().map(str::to_owned).collect()),
        Value::Array(Array::F32(v)) => Kv::F32s(v.clone()),
        Value::Array(Array::I32(v)) => Kv::I32s(v.clone()),
        other => panic!("{other:?} has no writer"),
    }
}

/// Shards with these numbers of tensors, and the rest in a last one.
pub fn split(file: &[u8], n_tensors: &[usize]) -> Vec<GgufWriter> {
    let whole = header(file);
    let mut tensors = whole.tensors.iter();
    let n_shards = n_tensors.len() + 1;
    let counts = n_tensors.iter().copied().chain([usize::MAX]);
    let shards = counts.zip(0..).map(|(count, no)| {
        let mut shard = GgufWriter::new();
        if no == 0 {
            shard.keys =
                whole.metadata.iter().map(|(key, value)| (key.as_bytes().to_vec(), kv(value))).collect();
        }
        // The types of llama.cpp: two numbers of 16 bits, and one of 32 with a sign.
        let u16 = |n: usize| Kv::Raw(2, (n as u16).to_le_bytes().to_vec());
        shard = shard
            .key("split.no", u16(no))
            .key("split.count", u16(n_shards))
            .key("split.tensors.count", Kv::I32(whole.tensors.len() as i32));
        for tensor in tensors.by_ref().take(count) {
            let data = &file[tensor.offset as usize..(tensor.offset + tensor.bytes) as usize];
            shard = shard.tensor_with(&tensor.name, &tensor.shape, tensor.format.ggml_type, data.to_vec());
        }
        shard
    });
    shards.collect()
}
