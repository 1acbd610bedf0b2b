//! Tests that need no GPU: readers, downloads, tokenizer, formats, shaders as text, and the architecture.

mod architecture;
mod chat_golden;
mod download;
mod fuzz;
mod gguf_files;
mod gguf_hostile;
mod golden_comparison;
mod hostile_corpus;
mod memory_plan;
mod quant_golden;
mod shaders;
mod shards;
#[path = "../support/mod.rs"]
mod support;
mod synthetic;
mod tokenizer;
mod tokenizer_golden;

fn main() {
    // Tests that measure the process stand first, so that few others wait for them.
    support::suite::run([
        ("hostile_corpus", hostile_corpus::tests()),
        ("tokenizer", tokenizer::tests()),
        ("tokenizer_golden", tokenizer_golden::tests()),
        ("fuzz", fuzz::tests()),
        ("architecture", architecture::tests()),
        ("chat_golden", chat_golden::tests()),
        ("download", download::tests()),
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
