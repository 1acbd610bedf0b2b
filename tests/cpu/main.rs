//! Tests that need no GPU: readers, downloads, tokenizer, formats, shaders as text, the architecture, and models on the CPU.

use gemma_web::engine::DeviceChoice;

mod architecture;
mod chat_golden;
#[path = "../engine/context_limit.rs"]
mod context_limit;
#[path = "../engine/context_overflow.rs"]
mod context_overflow;
mod download;
#[path = "../engine/embed_and_score.rs"]
mod embed_and_score;
mod fuzz;
mod gguf_files;
mod gguf_hostile;
mod golden_comparison;
mod hostile_corpus;
#[path = "../engine/hostile_sessions.rs"]
mod hostile_sessions;
mod memory_plan;
#[path = "../engine/options.rs"]
mod options;
mod quant_golden;
#[path = "../engine/real_model.rs"]
mod real_model;
#[path = "../engine/saved_sessions.rs"]
mod saved_sessions;
#[path = "../engine/sessions.rs"]
mod sessions;
mod shaders;
mod shards;
#[path = "../support/mod.rs"]
mod support;
mod synthetic;
#[path = "../engine/tiny_models.rs"]
mod tiny_models;
mod tokenizer;
mod tokenizer_golden;

/// The device that the models of these tests run on.
const DEVICE: DeviceChoice = DeviceChoice::Cpu;

fn main() {
    // Tests that measure the process stand first, so that few others wait for them.
    support::suite::run([
        ("hostile_corpus", hostile_corpus::tests()),
        ("tokenizer", tokenizer::tests()),
        ("tokenizer_golden", tokenizer_golden::tests()),
        ("real_model", real_model::tests()),
        ("fuzz", fuzz::tests()),
        ("tiny_models", tiny_models::tests()),
        ("architecture", architecture::tests()),
        ("chat_golden", chat_golden::tests()),
        ("download", download::tests()),
        ("embed_and_score", embed_and_score::tests()),
        ("context_limit", context_limit::tests()),
        ("context_overflow", context_overflow::tests()),
        ("options", options::tests()),
        ("hostile_sessions", hostile_sessions::tests()),
        ("saved_sessions", saved_sessions::tests()),
        ("sessions", sessions::tests()),
        ("gguf_files", gguf_files::tests()),
        ("gguf_hostile", gguf_hostile::tests()),
        ("golden_comparison", golden_comparison::tests()),
        ("memory_plan", memory_plan::tests()),
        ("quant_golden", quant_golden::tests()),
        ("shaders", shaders::tests()),
        ("shards", shards::tests()),
        ("synthetic", synthetic::tests()),
    ])
}
