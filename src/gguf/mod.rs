//! The GGUF container, versions 2 and 3: `magic, version, counts | metadata | tensor table | padding | tensor data`.
//!
//! A header is read from a growing prefix of the file: [`parse`] says how many bytes it needs next, [`read_header`] gets
//! them. The bytes are not trusted. Every count, length and offset is checked against a cap and against the bytes that are
//! really there before anything is allocated for it.
//!
//! Format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>.

mod describe;
mod header;
mod metadata;
mod read;
mod reader;
mod shards;
mod tensors;
mod value;

pub use header::{Header, Parsed, parse};
pub use metadata::Metadata;
pub use read::read_header;
pub use tensors::TensorInfo;
pub use value::{Array, StringArray, Value};

/// Bounds on what a header may hold. A file beyond one is refused before memory is spent on it.
pub mod caps {
    /// Bytes of the whole header. The largest Gemma header (262144 tokens and their scores) has 6.5 MB; merges triple it.
    pub const HEADER_BYTES: u64 = 64 << 20;
    /// Metadata keys. Gemma files have about 40.
    pub const KEYS: u64 = 1 << 12;
    /// Tensors. The largest Gemma has 808 (62 layers of 13, and 2); multi-modal files some hundred more.
    pub const TENSORS: u64 = 1 << 14;
    /// Bytes of a metadata key. The format allows 65535; the longest real ones have about 60.
    pub const KEY_BYTES: u64 = 1 << 10;
    /// Bytes of a tensor's name. The format says 64; ggml's own limit, where it is built with more room, is higher.
    pub const NAME_BYTES: u64 = 1 << 8;
    /// Bytes of one string value. Chat templates, the longest, have some ten thousand.
    pub const STRING_BYTES: u64 = 4 << 20;
    /// Elements of one array. Vocabularies have 262144, lists of merges twice that.
    pub const ARRAY_LEN: u64 = 1 << 22;
    /// Weights of a tensor: a million million, so that their bytes are far from overflowing.
    pub const WEIGHTS: u64 = 1 << 40;
    /// Dimensions of a tensor, as in ggml.
    pub const DIMS: u32 = 4;
    /// Bytes that tensor data may be aligned to. 32 is usual; a memory page the most that was seen.
    pub const ALIGNMENT: u64 = 1 << 16;
}
