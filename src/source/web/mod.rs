//! Bytes of a browser: JS objects, `fetch`, and the origin's private file system.

pub mod http;
pub mod js;
pub mod opfs;
mod opfs_error;
mod opfs_writer;
pub mod yielding;
