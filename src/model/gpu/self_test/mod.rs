//! Self-test of a load: it runs every kernel that a model uses, in its variant, on a small input, and
//! compares the result with the CPU twin. All kernels together take one submission and one read-back. Other
//! variants replace wrong kernels.

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
