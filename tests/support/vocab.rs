//! Vocabularies for tests: those of the tiny models, and altered ones.

use std::fs;
use std::path::{Path, PathBuf};

use gemma_web::gguf::{self, Metadata, Parsed};
use gemma_web::tokenizer::Tokenizer;

pub fn tokenizer(gguf: &[u8]) -> Tokenizer {
    Tokenizer::from_gguf(&metadata(gguf)).unwrap()
}

pub fn metadata(gguf: &[u8]) -> Metadata {
    match gguf::parse(gguf, None).unwrap() {
        Parsed::Done(header) => header.metadata,
        Parsed::NeedMore { at_least } => {
            panic!("the header needs {at_least} bytes, the file has {}", gguf.len())
        }
    }
}

pub fn data(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(path)
}

pub fn tiny(file: &str) -> Vec<u8> {
    fs::read(data(&format!("tiny/{file}"))).unwrap()
}

/// A vocabulary that can be altered and written out again.
#[derive(Clone)]
pub struct RawVocab {
    pub model: &'static str,
    pub pieces: Vec<String>,
    pub scores: Vec<f32>,
    pub types: Vec<i32>,
}

impl RawVocab {
    pub fn of(gguf: &[u8]) -> Self {
        let metadata = metadata(gguf);
        Self {
            model: "llama",
            pieces: metadata.strings("tokenizer.ggml.tokens").unwrap().iter().map(str::to_owned).collect(),
            scores: metadata.f32s("tokenizer.ggml.scores").unwrap().to_vec(),
            types: metadata.i32s("tokenizer.ggml.token_type").unwrap(),
        }
    }

    /// As the first converter wrote it: every user-defined symbol a NORMAL piece with score 0.
    pub fn written_as_in_2024_02(mut self) -> Self {
        for (id, kind) in self.types.iter_mut().enumerate().filter(|(_, kind)| matches!(kind, 3 | 4)) {
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

    pub fn to_gguf(&self) -> Vec<u8> {
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
        string(&mut out, self.model);
        array(&mut out, "tokenizer.ggml.tokens", 8, self.pieces.len());
        self.pieces.iter().for_each(|piece| string(&mut out, piece));
        array(&mut out, "tokenizer.ggml.scores", 6, self.scores.len());
        out.extend(self.scores.iter().flat_map(|score| score.to_le_bytes()));
        array(&mut out, "tokenizer.ggml.token_type", 5, self.types.len());
        out.extend(self.types.iter().flat_map(|kind| kind.to_le_bytes()));
        out
    }
}
