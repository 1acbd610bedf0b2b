//! The smallest models that are whole: one block, ten tokens, weights of zeros.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "a helper: each test file uses a part of it")]

use super::gguf_writer::{GgufWriter, Kv};

pub fn vocabulary_file() -> GgufWriter {
    let pieces = ["<pad>", "<eos>", "<bos>", "<unk>", "a", "b", "ab", "abab", "\u{2581}a", "<end_of_turn>"];
    GgufWriter::new()
        .key("tokenizer.ggml.model", Kv::Str("llama".to_owned()))
        .key("tokenizer.ggml.tokens", Kv::Strings(pieces.map(str::to_owned).to_vec()))
        .key("tokenizer.ggml.scores", Kv::F32s((0..10).map(|i| -(i as f32)).collect()))
        .key("tokenizer.ggml.token_type", Kv::I32s(vec![3, 3, 3, 2, 1, 1, 1, 1, 1, 3]))
        .key("tokenizer.ggml.bos_token_id", Kv::U32(2))
        .key("tokenizer.ggml.eos_token_id", Kv::U32(1))
        .key("tokenizer.ggml.add_bos_token", Kv::Bool(true))
}

/// Of an architecture, with its data.
pub fn model(architecture: &str) -> GgufWriter {
    let mut writer = vocabulary_file().key("general.architecture", Kv::Str(architecture.to_owned()));
    for (key, value) in [
        ("block_count", 1),
        ("embedding_length", 32),
        ("attention.head_count", 2),
        ("attention.head_count_kv", 1),
        ("attention.key_length", 16),
        ("feed_forward_length", 32),
        ("context_length", 64),
        ("attention.sliding_window", 16),
    ] {
        writer = writer.key(&format!("{architecture}.{key}"), Kv::U32(value));
    }
    writer = writer.key(&format!("{architecture}.attention.layer_norm_rms_epsilon"), Kv::F32(1e-6));
    writer = writer.key(&format!("{architecture}.rope.freq_base"), Kv::F32(10_000.0));
    let mut tensors: Vec<(&str, &[u64])> = vec![
        ("token_embd", &[32, 10]),
        ("output_norm", &[32]),
        ("blk.0.attn_norm", &[32]),
        ("blk.0.attn_q", &[32, 32]),
        ("blk.0.attn_k", &[32, 16]),
        ("blk.0.attn_v", &[32, 16]),
        ("blk.0.attn_output", &[32, 32]),
        ("blk.0.ffn_norm", &[32]),
        ("blk.0.ffn_gate", &[32, 32]),
        ("blk.0.ffn_up", &[32, 32]),
        ("blk.0.ffn_down", &[32, 32]),
    ];
    if architecture != "gemma" {
        tensors.extend([("blk.0.post_attention_norm", &[32][..]), ("blk.0.post_ffw_norm", &[32])]);
    }
    if architecture == "gemma3" {
        tensors.extend([("blk.0.attn_q_norm", &[16][..]), ("blk.0.attn_k_norm", &[16])]);
    }
    for (name, shape) in tensors {
        writer = writer.tensor(&format!("{name}.weight"), shape, if shape.len() == 2 { 8 } else { 0 });
    }
    writer
}
