#![no_main]

#[path = "../../tests/common/fuzz_targets.rs"]
mod fuzz_targets;
#[path = "../../tests/common/gguf_writer.rs"]
mod gguf_writer;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_targets::repack(bytes));
