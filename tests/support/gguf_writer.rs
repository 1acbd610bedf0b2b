//! Writes GGUF files for tests: honest ones by default, and hostile ones if a test says so.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "a helper: each test file uses a part of it")]
#![allow(clippy::expect_used, reason = "a test")]

use gemma_web::quant::by_ggml_type;

/// A metadata value as it is written.
#[derive(Clone, Debug)]
pub enum Kv {
    U8(u8),
    U32(u32),
    I32(i32),
    U64(u64),
    F32(f32),
    Bool(bool),
    Str(String),
    Strings(Vec<String>),
    F32s(Vec<f32>),
    I32s(Vec<i32>),
    /// A type number and the bytes after it, whatever they say.
    Raw(u32, Vec<u8>),
}

impl Kv {
    fn write(&self, out: &mut Vec<u8>) {
        let array = |out: &mut Vec<u8>, element: u32, len: usize| {
            put_u32(out, 9);
            put_u32(out, element);
            put_u64(out, len as u64);
        };
        let put = |out: &mut Vec<u8>, kind: u32, bytes: &[u8]| {
            put_u32(out, kind);
            out.extend(bytes);
        };
        match self {
            Self::U8(v) => put(out, 0, &v.to_le_bytes()),
            Self::U32(v) => put(out, 4, &v.to_le_bytes()),
            Self::I32(v) => put(out, 5, &v.to_le_bytes()),
            Self::F32(v) => put(out, 6, &v.to_le_bytes()),
            Self::Bool(v) => put(out, 7, &[u8::from(*v)]),
            Self::U64(v) => put(out, 10, &v.to_le_bytes()),
            Self::Str(v) => {
                put_u32(out, 8);
                put_str(out, v.as_bytes());
            }
            Self::Strings(v) => {
                array(out, 8, v.len());
                v.iter().for_each(|text| put_str(out, text.as_bytes()));
            }
            Self::F32s(v) => {
                array(out, 6, v.len());
                v.iter().for_each(|number| out.extend(number.to_le_bytes()));
            }
            Self::I32s(v) => {
                array(out, 5, v.len());
                v.iter().for_each(|number| out.extend(number.to_le_bytes()));
            }
            Self::Raw(kind, bytes) => put(out, *kind, bytes),
        }
    }
}

/// One row of the tensor table and its data.
#[derive(Clone, Debug)]
pub struct Tensor {
    pub name: Vec<u8>,
    pub shape: Vec<u64>,
    pub ggml_type: u32,
    /// Overrides the offset that follows from the order.
    pub offset: Option<u64>,
    pub data: Vec<u8>,
}

/// A file in the making. Public fields override what would be written.
#[derive(Clone, Debug)]
pub struct GgufWriter {
    pub magic: [u8; 4],
    pub version: u32,
    pub n_tensors: Option<u64>,
    pub n_keys: Option<u64>,
    /// Alignment of tensor data; not written into the metadata.
    pub alignment: usize,
    pub keys: Vec<(Vec<u8>, Kv)>,
    pub tensors: Vec<Tensor>,
}

impl Default for GgufWriter {
    fn default() -> Self {
        let (keys, tensors) = (Vec::new(), Vec::new());
        Self { magic: *b"GGUF", version: 3, n_tensors: None, n_keys: None, alignment: 32, keys, tensors }
    }
}

impl GgufWriter {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn key(mut self, key: &str, value: Kv) -> Self {
        self.keys.push((key.as_bytes().to_vec(), value));
        self
    }

    /// Takes a key off, or does nothing.
    pub fn without(mut self, key: &str) -> Self {
        self.keys.retain(|(name, _)| name != key.as_bytes());
        self
    }

    /// A tensor of a type that the crate knows, filled with zeros.
    pub fn tensor(self, name: &str, shape: &[u64], ggml_type: u32) -> Self {
        let n_weights = shape.iter().product();
        let bytes = by_ggml_type(ggml_type).map_or(0, |format| format.bytes_of(n_weights));
        self.tensor_with(name, shape, ggml_type, vec![0; bytes as usize])
    }

    pub fn tensor_with(mut self, name: &str, shape: &[u64], ggml_type: u32, data: Vec<u8>) -> Self {
        let (name, shape) = (name.as_bytes().to_vec(), shape.to_vec());
        self.tensors.push(Tensor { name, shape, ggml_type, offset: None, data });
        self
    }

    /// Lets the last tensor say that it lies elsewhere.
    pub fn at(mut self, offset: u64) -> Self {
        self.tensors.last_mut().expect("a tensor").offset = Some(offset);
        self
    }

    /// Everything in front of the padding.
    pub fn header(&self) -> Vec<u8> {
        let mut out = self.magic.to_vec();
        put_u32(&mut out, self.version);
        put_u64(&mut out, self.n_tensors.unwrap_or(self.tensors.len() as u64));
        put_u64(&mut out, self.n_keys.unwrap_or(self.keys.len() as u64));
        for (key, value) in &self.keys {
            put_str(&mut out, key);
            value.write(&mut out);
        }
        let mut next = 0;
        for tensor in &self.tensors {
            put_str(&mut out, &tensor.name);
            put_u32(&mut out, tensor.shape.len() as u32);
            tensor.shape.iter().for_each(|dim| put_u64(&mut out, *dim));
            put_u32(&mut out, tensor.ggml_type);
            put_u64(&mut out, tensor.offset.unwrap_or(next));
            next += tensor.data.len().next_multiple_of(self.alignment) as u64;
        }
        out
    }

    /// The whole file.
    pub fn file(&self) -> Vec<u8> {
        let mut out = self.header();
        for tensor in &self.tensors {
            out.resize(out.len().next_multiple_of(self.alignment), 0);
            out.extend(&tensor.data);
        }
        out
    }
}

fn put_u32(out: &mut Vec<u8>, value: u32) {
    out.extend(value.to_le_bytes());
}

fn put_u64(out: &mut Vec<u8>, value: u64) {
    out.extend(value.to_le_bytes());
}

fn put_str(out: &mut Vec<u8>, text: &[u8]) {
    put_u64(out, text.len() as u64);
    out.extend(text);
}
