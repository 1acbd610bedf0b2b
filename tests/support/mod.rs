//! Helpers shared by the integration tests.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of these")]
#![allow(clippy::panic, clippy::unwrap_used, reason = "a failed assumption fails the test")]

pub mod chat_model;
pub mod compare;
pub mod goldens;
pub mod gpu;
pub mod kernel_bench;
pub mod npy;
pub mod tolerances;
pub mod trial;
pub mod vocab;
