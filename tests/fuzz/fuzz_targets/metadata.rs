#![no_main]

#[path = "../../support/fuzz_targets.rs"]
mod fuzz_targets;
#[path = "../../support/gguf_writer.rs"]
mod gguf_writer;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_targets::metadata(bytes));
