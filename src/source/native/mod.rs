//! Files, HTTP and the cache folder of an operating system.

pub mod file;
pub mod http;
pub mod store;
