//! GGUF header of a synthetic file.

use super::recipe::Recipe;
use super::shapes::{Shape, Tensor};
use super::vocabulary::{self, Kind};

/// Alignment of tensor data: the format's default.
pub(super) const ALIGNMENT: u64 = 32;

/// Score of pieces that no merge produces.
const NO_SCORE: f32 = -1000.0;

/// The header with its padding: the tensor data start at its end.
pub(super) fn write(recipe: &Recipe, tensors: &[Tensor]) -> Vec<u8> {
    let mut keys = Writer::default();
    general(&mut keys, recipe);
    hyper_parameters(&mut keys, recipe.shape);
    tokenizer(&mut keys, recipe.shape);
    let mut out = Writer::default();
    out.bytes.extend(b"GGUF");
    out.bytes.extend(3u32.to_le_bytes());
    out.u64(tensors.len() as u64);
    out.u64(keys.n_keys);
    out.bytes.append(&mut keys.bytes);
    let mut offset = 0u64;
    for tensor in tensors {
        out.text(&tensor.name);
        out.bytes.extend((tensor.shape.len() as u32).to_le_bytes());
        tensor.shape.iter().for_each(|len| out.u64(*len));
        out.bytes.extend(tensor.format.ggml_type.to_le_bytes());
        out.u64(offset);
        offset = (offset + tensor.bytes()).next_multiple_of(ALIGNMENT);
    }
    let len = out.bytes.len().next_multiple_of(ALIGNMENT as usize);
    out.bytes.resize(len, 0);
    out.bytes
}

fn general(keys: &mut Writer, recipe: &Recipe) {
    keys.string("general.architecture", recipe.shape.architecture);
    keys.string("general.type", "model");
    keys.string("general.name", &format!("{recipe} synthetic"));
    keys.u32("general.file_type", recipe.mixture.file_type());
    keys.u32("general.quantization_version", 2);
}

fn hyper_parameters(keys: &mut Writer, shape: &Shape) {
    let key = |name: &str| format!("{}.{name}", shape.architecture);
    for (name, value) in [
        ("context_length", shape.context_length),
        ("embedding_length", shape.d_model),
        ("block_count", shape.n_layers),
        ("feed_forward_length", shape.d_ff),
        ("attention.head_count", shape.n_heads),
        ("attention.head_count_kv", shape.n_kv_heads),
        ("attention.key_length", shape.head_dim),
        ("attention.value_length", shape.head_dim),
    ] {
        keys.u32(&key(name), value);
    }
    keys.f32(&key("attention.layer_norm_rms_epsilon"), 1e-6);
    if let Some(window) = shape.window {
        keys.u32(&key("attention.sliding_window"), window);
    }
    match shape.architecture {
        "gemma2" => {
            keys.f32(&key("attn_logit_softcapping"), 50.0);
            keys.f32(&key("final_logit_softcapping"), 30.0);
        }
        "gemma3" => keys.f32(&key("rope.freq_base"), 1e6),
        _ => {}
    }
    if let Some(divisor) = shape.rope_divisor {
        keys.string(&key("rope.scaling.type"), "linear");
        keys.f32(&key("rope.scaling.factor"), divisor);
    }
}

fn tokenizer(keys: &mut Writer, shape: &Shape) {
    let sections = vocabulary::sections(shape.is_gemma3());
    let n_vocab = shape.n_vocab();
    keys.string("tokenizer.ggml.model", "llama");
    keys.string("tokenizer.ggml.pre", "default");
    keys.array("tokenizer.ggml.tokens", STRING, n_vocab);
    for section in &sections {
        section.pieces(|piece| keys.text(piece));
    }
    keys.array("tokenizer.ggml.scores", F32, n_vocab);
    let mut rank = 0u32;
    for section in &sections {
        for _ in 0..section.len() {
            let score = match section.kind() {
                Kind::Normal => -(rank as f32),
                Kind::Byte => 0.0,
                Kind::Control | Kind::Symbol => NO_SCORE,
            };
            rank += u32::from(section.kind() == Kind::Normal);
            keys.bytes.extend(score.to_le_bytes());
        }
    }
    keys.array("tokenizer.ggml.token_type", I32, n_vocab);
    for section in &sections {
        let kind = section.kind() as i32;
        (0..section.len()).for_each(|_| keys.bytes.extend(kind.to_le_bytes()));
    }
    let end_of_turn = if shape.is_gemma3() { 106 } else { 107 };
    for (name, id) in [("bos", 2), ("eos", 1), ("unknown", 3), ("padding", 0), ("eot", end_of_turn)] {
        keys.u32(&format!("tokenizer.ggml.{name}_token_id"), id);
    }
    keys.flag("tokenizer.ggml.add_bos_token", true);
    keys.flag("tokenizer.ggml.add_eos_token", false);
    keys.flag("tokenizer.ggml.add_space_prefix", false);
}

// Numbers of GGUF's value types.
const U32: u32 = 4;
const I32: u32 = 5;
const F32: u32 = 6;
const BOOL: u32 = 7;
const STRING: u32 = 8;
const ARRAY: u32 = 9;

/// Writer that counts its keys.
#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    n_keys: u64,
}

impl Writer {
    fn u64(&mut self, value: u64) {
        self.bytes.extend(value.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.u64(text.len() as u64);
        self.bytes.extend(text.as_bytes());
    }

    fn key(&mut self, key: &str, value_type: u32) {
        self.n_keys += 1;
        self.text(key);
        self.bytes.extend(value_type.to_le_bytes());
    }

    fn u32(&mut self, key: &str, value: u32) {
        self.key(key, U32);
        self.bytes.extend(value.to_le_bytes());
    }

    fn f32(&mut self, key: &str, value: f32) {
        self.key(key, F32);
        self.bytes.extend(value.to_le_bytes());
    }

    fn flag(&mut self, key: &str, value: bool) {
        self.key(key, BOOL);
        self.bytes.push(u8::from(value));
    }

    fn string(&mut self, key: &str, value: &str) {
        self.key(key, STRING);
        self.text(value);
    }

    /// Writes the head of an array; the caller appends the elements.
    fn array(&mut self, key: &str, element_type: u32, len: u64) {
        self.key(key, ARRAY);
        self.bytes.extend(element_type.to_le_bytes());
        self.u64(len);
    }
}
