//! Self-test of a load: every kernel that a model takes, in its variant, runs on a small input and is
//! compared with its CPU twin. All of them take one submission and one read-back. Other variants replace
//! those that are wrong.

mod cases;
mod decode;
mod fixture;
mod inputs;
mod numbers;
mod prefill;
mod replace;
mod run;
pub mod tested;
pub mod variants;

pub use tested::{Effort, Replaced, SelfTest, Tested};
pub use variants::Variants;
