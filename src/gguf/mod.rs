//! The GGUF container, versions 2 and 3:
//! `magic, version, counts | metadata | tensor table | padding | tensor data`.
//!
//! [`parse`] reads a header from a growing prefix of the file and returns how many bytes it needs next;
//! [`read_header`] gets them. The bytes are not trusted: every count, length and offset is checked against a
//! cap and against the bytes that exist before anything is allocated for it.
//!
//! Format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>.

pub mod caps;
mod cursor;
mod describe;
mod header;
mod metadata;
mod read;
mod shards;
mod tensors;
mod value;

pub use header::{Header, Parsed, parse};
pub use metadata::Metadata;
pub use read::read_header;
pub use tensors::TensorInfo;
pub use value::{Array, StringArray, Value};
