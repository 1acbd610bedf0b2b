//! Helpers of the test crates. Each crate takes all of them and uses a part.
#![allow(dead_code, unreachable_pub, reason = "each test crate uses a part of these")]
#![allow(clippy::panic, clippy::unwrap_used, reason = "a failed assumption fails the test")]

pub mod chat_model;
pub mod compare;
pub mod fuzz_targets;
pub mod gguf_split;
pub mod gguf_writer;
pub mod goldens;
pub mod gpu;
pub mod kernel_bench;
pub mod mutate;
pub mod npy;
pub mod quant_goldens;
pub mod small_model;
pub mod suite;
pub mod tolerances;
pub mod vocab;
