//! Helpers of the integration tests.
#![allow(
    dead_code,
    reason = "every test file is a crate of its own and uses some of these"
)]
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test stops at the first surprise"
)]

pub(crate) mod compare;
pub(crate) mod goldens;
pub(crate) mod npy;
pub(crate) mod tolerances;
