//! Download of one remote file in chunks: requested by ranges, checked, stored, and requested again after a
//! failure.
//!
//! [`RemoteSource`] is the file. Its `schedule` holds the pending `request`s, which retry by the rules of
//! `retry` and accept no `response` that does not match; `concurrency` decides how many requests are useful.
//! Its `chunks` are in memory and in a `chunk_store`, which writes a `manifest`. Everything runs inside
//! `read`: a download that nobody reads stands still.
//!
//! Three promises hold whatever servers and disks do. Bytes of two versions of a file are never mixed: every
//! response must describe the same version as the first, and a chunk that arrives again must be the same. A
//! chunk counts as stored only with a hash that its bytes match whenever they are read. And a download that
//! ends, however it ends, leaves a store that the next one resumes; only if the server sends neither `ETag`
//! nor `Last-Modified` it can't, because it can't recognise the file.

mod checksum;
mod chunk_store;
mod chunk_table;
mod chunks;
mod concurrency;
mod manifest;
mod options;
mod progress;
mod remote;
mod request;
mod response;
mod retry;
mod schedule;
mod verify;

pub use checksum::parse_sha256;
pub use chunk_table::CHUNK_BYTES;
pub use options::DownloadOptions;
pub use progress::{DownloadProgress, Transfer, Waiting};
pub use remote::RemoteSource;
pub use verify::{CacheEntry, VerifyReport, describe, describe_manifest, verify};
