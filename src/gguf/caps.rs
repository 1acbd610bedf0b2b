//! Caps of a header. The parser refuses a file that exceeds one before it spends memory on it.

/// Bytes of the whole header. The largest Gemma header (262144 tokens and their scores) has 6.5 MB; merges
/// triple it.
pub const HEADER_BYTES: u64 = 64 << 20;
/// Metadata keys. Gemma files have about 40.
pub const KEYS: u64 = 1 << 12;
/// Tensors. The largest Gemma has 808 (62 layers of 13, and 2); multi-modal files a few hundred more.
pub const TENSORS: u64 = 1 << 14;
/// Bytes of a metadata key. The format allows 65535; the longest real ones have about 60.
pub const KEY_BYTES: u64 = 1 << 10;
/// Bytes of a tensor's name. The format says 64; ggml's own limit, in builds with more room, is higher.
pub const NAME_BYTES: u64 = 1 << 8;
/// Bytes of one string value. Chat templates, the longest, have about ten thousand.
pub const STRING_BYTES: u64 = 4 << 20;
/// Elements of one array. Vocabularies have 262144, lists of merges twice that.
pub const ARRAY_LEN: u64 = 1 << 22;
/// Weights of a tensor: a million million, so that their bytes cannot overflow.
pub const WEIGHTS: u64 = 1 << 40;
/// Dimensions of a tensor, as in ggml.
pub const DIMS: u32 = 4;
/// Alignment of tensor data in bytes. 32 is usual; the largest alignment seen is a memory page.
pub const ALIGNMENT: u64 = 1 << 16;
