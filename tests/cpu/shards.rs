//! Models in several files: the same header and the same bytes as the whole, or an error that says which file is wrong.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use crate::support::gguf_split::{header, split};
use crate::support::gguf_writer::{GgufWriter, Kv};
use crate::support::suite::{Test, test_fn};
use gemma_web::gguf::read_header;
use gemma_web::source::concat::Concat;
use gemma_web::source::{ByteSource, ModelSource};
use gemma_web::{Cancel, Error, Result};
use pollster::block_on;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        test_fn(shards_have_the_tensors_of_the_whole),
        test_fn(other_files_than_the_shards_are_refused),
        test_fn(a_model_split_into_one_is_whole),
    ]
}

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tiny/tiny-gemma3-q4_k_m.gguf");

/// A file in memory.
struct Memory(Vec<u8>);

impl ByteSource for Memory {
    fn len(&self) -> Option<u64> {
        Some(self.0.len() as u64)
    }

    fn name(&self) -> &str {
        "model-00001-of-00003.gguf"
    }

    async fn read(&mut self, offset: u64, into: &mut [u8], _: &Cancel) -> Result<()> {
        let (needs, has) = (offset + into.len() as u64, self.0.len() as u64);
        let bytes = self.0.get(offset as usize..needs as usize);
        into.copy_from_slice(bytes.ok_or(Error::Truncated { what: "memory".to_owned(), needs, has })?);
        Ok(())
    }
}

impl ModelSource for Memory {}

fn joined(shards: &[GgufWriter]) -> Concat<Memory> {
    Concat::new(shards.iter().map(|shard| Memory(shard.file())).collect()).unwrap()
}

fn refused(shards: &[GgufWriter]) -> Error {
    let found = block_on(read_header(&mut joined(shards), &Cancel::default()));
    found.map(|(header, _)| header.tensors.len()).unwrap_err()
}

fn model() -> Vec<u8> {
    std::fs::read(MODEL).unwrap()
}

fn shards_have_the_tensors_of_the_whole() {
    let file = model();
    let whole = header(&file);
    // `--no-tensor-first-split` leaves the first without any.
    for counts in [&[3, 10][..], &[0], &[1, 1, 1, 1]] {
        let shards = split(&file, counts);
        let mut source = joined(&shards);
        let (found, prefix) = block_on(read_header(&mut source, &Cancel::default())).unwrap();
        assert!(shards[0].file().starts_with(&prefix));
        assert_eq!(found.tensors.len(), whole.tensors.len());
        for (key, value) in whole.metadata.iter() {
            assert_eq!(found.metadata.get(key), Some(value), "{key}");
        }
        for tensor in &whole.tensors {
            let moved = found.tensor(&tensor.name).unwrap();
            assert_eq!((&moved.shape, moved.format.name), (&tensor.shape, tensor.format.name));
            let mut bytes = vec![0; moved.bytes as usize];
            block_on(source.read(moved.offset, &mut bytes, &Cancel::default())).unwrap();
            assert!(bytes == file[tensor.offset as usize..][..bytes.len()], "{}", tensor.name);
        }
    }
}

fn other_files_than_the_shards_are_refused() {
    let file = model();
    let shards = split(&file, &[3, 10]);
    let [first, second, third] = &shards[..] else { panic!("three") };
    let pick = |shards: &[&GgufWriter]| refused(&shards.iter().copied().cloned().collect::<Vec<_>>());
    let whole = split(&file, &[]).remove(0);
    let foreign = second.clone().without("split.tensors.count").key("split.tensors.count", Kv::I32(7));
    let other_kind = second.clone().key("general.architecture", Kv::Str("llama".to_owned()));
    let mut poorer = second.clone();
    poorer.tensors.pop();
    let cases = [
        (pick(&[second, first, third]), "file 1 of 3 is shard 2 of 3, expected shard 1 of 3"),
        (pick(&[first, third, second]), "file 2 of 3 is shard 3 of 3, expected shard 2 of 3"),
        (pick(&[first, second]), "file 1 of 2 is shard 1 of 3, expected shard 1 of 2"),
        (pick(&[second]), "model-00001-of-00003.gguf is shard 2 of 3, expected a whole model"),
        (pick(&[first, second, &whole]), "file 3 of 3 is a whole model, expected shard 3 of 3"),
        (pick(&[first, &foreign, third]), "split.tensors.count is the number 7"),
        (pick(&[first, &other_kind, third]), "general.architecture is the string \"llama\""),
        (pick(&[first, &poorer, third]), "expected of a model of"),
    ];
    for (error, words) in cases {
        assert!(matches!(error, Error::WrongShard { .. }), "{words}: {error:?}");
        assert!(error.to_string().contains(words), "{words}: {error}");
    }
    let mut twice = second.clone();
    twice.tensors[0].name = first.tensors[0].name.clone();
    let error = pick(&[first, &twice, third]);
    assert!(matches!(&error, Error::Malformed { why, .. } if why.contains("two shards")), "{error:?}");
}

fn a_model_split_into_one_is_whole() {
    let file = split(&model(), &[]).remove(0);
    assert!(block_on(read_header(&mut joined(&[file]), &Cancel::default())).is_ok());
}
