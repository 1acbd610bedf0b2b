//! Helpers shared by the integration tests.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of these")]

pub mod trial;
pub mod vocab;
