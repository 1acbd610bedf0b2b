//! Errors, one enum. Each variant carries the found and the needed values; its message ends with a remedy.
//!
//! For JS and `--json` a variant becomes `{ "code": "missing_tensor", … }` with its fields in camelCase. The
//! code is stable, the message is not.

use serde::Serialize;

/// Result of every fallible function of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Errors, grouped by who can act on them.
#[derive(Debug, Clone, thiserror::Error, Serialize)]
#[serde(tag = "code", rename_all = "snake_case", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Error {
    // The file: choose another one, or download it again.
    /// The first four bytes are not `GGUF`.
    #[error("not a GGUF file: it starts with {found:02x?}, not with \"GGUF\"; give a .gguf file")]
    NotGguf {
        /// The first bytes of the file.
        found: Vec<u8>,
    },
    /// A GGUF version this crate does not read.
    #[error("GGUF version {version} is not supported (2 and 3 are); convert the file with a newer llama.cpp")]
    UnsupportedVersion {
        /// The version field as read.
        version: u32,
    },
    /// The file ends too early.
    #[error("the file is truncated: {what} needs {needs} bytes, the file has {has}; download it again")]
    Truncated {
        /// The thing that was being read.
        what: String,
        /// Bytes the file must have for it.
        needs: u64,
        /// Bytes the file has.
        has: u64,
    },
    /// The file contradicts itself or exceeds a cap.
    #[error("malformed GGUF: {what} at byte {at}: {why}; download the file again or choose another")]
    Malformed {
        /// The thing that was being read.
        what: String,
        /// Offset in the file.
        at: u64,
        /// The measured value and the bound it breaks.
        why: String,
    },
    /// A saved session that contradicts itself, or was changed.
    #[serde(rename = "malformed")]
    #[error("the saved session is damaged: {what} at byte {at}: {why}; go back to another copy of it")]
    MalformedSession {
        /// The thing that was being read.
        what: String,
        /// Offset in the saved bytes.
        at: u64,
        /// The measured value and the bound it breaks.
        why: String,
    },
    /// A saved session of another model, or of the same model with other options.
    #[error(
        "the saved session doesn't fit this model: its {what} is {saved}, here it is {here}; load the model that saved it, with the same options"
    )]
    SessionMismatch {
        /// The difference.
        what: String,
        /// Its value in the saved session.
        saved: String,
        /// Its value in the loaded model.
        here: String,
    },
    /// A required metadata key is absent.
    #[error(
        "the GGUF metadata has no key \"{key}\" ({expected}); the file was not made by a current converter, choose another"
    )]
    MissingKey {
        /// The key.
        key: String,
        /// The type that was expected.
        expected: &'static str,
    },
    /// A metadata key has another type or an impossible value.
    #[error("the GGUF metadata key \"{key}\" is {found}, expected {expected}; choose another file")]
    BadKey {
        /// The key.
        key: String,
        /// The expected type or value.
        expected: String,
        /// The value in the file.
        found: String,
    },
    /// Not a Gemma.
    #[error("architecture \"{found}\" is not supported; choose a GGUF file of gemma, gemma2 or gemma3")]
    UnsupportedArchitecture {
        /// `general.architecture` as read.
        found: String,
    },
    /// A tensor is stored in a type this crate does not decode.
    #[error(
        "tensor \"{tensor}\" is stored as {found}, which is not supported; choose a file quantised as one of {supported}"
    )]
    UnsupportedTensorType {
        /// The tensor's name.
        tensor: String,
        /// The type's name, or its number if it has none.
        found: String,
        /// The names of the types that are supported.
        supported: String,
    },
    /// A tensor the architecture needs is absent.
    #[error("tensor \"{tensor}\" is missing; the file is incomplete or of another model, choose another")]
    MissingTensor {
        /// The tensor's name.
        tensor: String,
    },
    /// A tensor has another shape than the hyper-parameters say.
    #[error(
        "tensor \"{tensor}\" has shape {found:?}, expected {expected:?} (innermost first); choose another file"
    )]
    WrongShape {
        /// The tensor's name.
        tensor: String,
        /// Shape by the hyper-parameters, innermost first.
        expected: Vec<u64>,
        /// Shape in the file, innermost first.
        found: Vec<u64>,
    },
    /// The model asks for something that is not implemented.
    #[error("the model needs {what}, which is not supported: {found}; choose another model")]
    Unsupported {
        /// The feature.
        what: String,
        /// The value that asks for it.
        found: String,
    },
    // The network and the disk: try again, or correct the address.
    /// The server answered with an error status.
    #[error("the server answered {status} for {url}; check the address and your access to it")]
    Http {
        /// The requested address.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// The request failed, or its body broke off.
    #[error("the download of {url} failed: {why}; check the connection and try again")]
    Network {
        /// The requested address.
        url: String,
        /// The platform's words.
        why: String,
    },
    /// A reply does not match its request.
    #[error(
        "the reply for {url} is wrong: {what} is {found}, expected {expected}; the server or a proxy before it is at fault, try another"
    )]
    BadReply {
        /// The requested address, without its query.
        url: String,
        /// The part of the reply.
        what: String,
        /// The expected value.
        expected: String,
        /// The value received.
        found: String,
    },
    /// The file on the server is no longer the one whose beginning was downloaded.
    #[error("{url} changed on the server during the download: it was {was} and is {is}; load it again")]
    FileChanged {
        /// The address, without its query.
        url: String,
        /// Size, `ETag` and date of the file before.
        was: String,
        /// Size, `ETag` and date of the file now.
        is: String,
    },
    /// The bytes are not those of the checksum.
    #[error("{what} has the checksum {found}, expected {expected}; check both, and download it again")]
    ChecksumMismatch {
        /// The file.
        what: String,
        /// The expected SHA-256, in hex.
        expected: String,
        /// The SHA-256 of the bytes found, in hex.
        found: String,
    },
    /// A file is not the shard that belongs in its place.
    #[error("{file} is {found}, expected {expected}; give all shards in order, or the name of the first")]
    WrongShard {
        /// The name of the file.
        file: String,
        /// The shard that belongs there.
        expected: String,
        /// The file found there.
        found: String,
    },
    /// There is no room for the file.
    #[error(
        "the model needs {needed} bytes of storage, {available} are available; free some, or load without the cache"
    )]
    QuotaExceeded {
        /// Bytes that are still to be stored.
        needed: u64,
        /// Bytes that may be stored.
        available: u64,
    },
    /// The cache can't be read or written.
    #[error("the cache failed: {what}: {why}; load without it, or delete the model from it")]
    Storage {
        /// The operation and the file.
        what: String,
        /// The platform's words.
        why: String,
    },
    /// Another tab or process has the cache entry open.
    #[error("another tab or process has cache entry {id} open; wait for it, or load without the cache")]
    CacheBusy {
        /// The entry.
        id: String,
    },
    /// Reading a local file failed.
    #[error("cannot read {path}: {why}; check the path and your access to it")]
    Io {
        /// The path.
        path: String,
        /// The system's words.
        why: String,
    },
    // The device: another browser, driver or model.
    /// There is no WebGPU, no GPU adapter, or no device from it.
    #[error(
        "{why}; in a browser, use a current one and turn hardware acceleration on; natively, install a Vulkan, Metal or D3D12 driver"
    )]
    NoWebgpu {
        /// The missing thing, and the adapters found.
        why: String,
    },
    /// A limit of the adapter is too low even after splitting.
    #[error("{what} needs {needs}, the adapter offers {offers}; choose a smaller model or context")]
    LimitTooLow {
        /// The buffer or dispatch.
        what: String,
        /// Needed.
        needs: u64,
        /// Offered.
        offers: u64,
    },
    /// The device ran out of memory.
    #[error(
        "out of GPU memory: {what} asked for {asked} bytes with {held} bytes held; choose a smaller context or a smaller quantisation"
    )]
    OutOfMemory {
        /// The buffer.
        what: String,
        /// Bytes requested.
        asked: u64,
        /// Bytes already held.
        held: u64,
    },
    /// The device is gone.
    #[error("the device was lost: {why}; load the model again")]
    DeviceLost {
        /// The platform's words.
        why: String,
    },
    /// A shader was refused, or a GPU command was invalid.
    #[error("the GPU refused {what}: {why}; please report this with the name of the adapter")]
    Gpu {
        /// The kernel or buffer.
        what: String,
        /// The platform's words.
        why: String,
    },
    /// A kernel and all its variants compute wrong results.
    #[error("{kernel} ({variant}) is off by {error} on {adapter}; update browser and driver, or change GPU")]
    SelfTestFailed {
        /// The kernel.
        kernel: String,
        /// Its first variant.
        variant: String,
        /// Name and driver of the adapter.
        adapter: String,
        /// Largest distance from the right results, as a fraction of the largest; null if it is not finite.
        error: f32,
    },
    /// Results that are not finite: an overflow, a damaged weight, or a fault of the GPU.
    #[error("{what} at position {position} are not finite; check the file, or try tuning f32/1 and kv f32")]
    NumericError {
        /// The computation.
        what: String,
        /// Context position of the token that it is for.
        position: usize,
    },
    /// Different results for the same input, or results that are not finite.
    #[error(
        "the results are not right: {what}: {why}; the speed of wrong results is not measured: please report this with the name of the adapter"
    )]
    Inconsistent {
        /// The computation.
        what: String,
        /// The measured values.
        why: String,
    },
    // The request: correct the call.
    /// An option has a wrong type or is out of range.
    #[error("option \"{option}\" is {found}, expected {expected}")]
    InvalidOption {
        /// The option's name as the caller writes it.
        option: String,
        /// The value given.
        found: String,
        /// The range or type that is allowed.
        expected: String,
    },
    /// The tokens don't fit in the context.
    #[error(
        "the context is full: {needs} tokens are needed, the context holds {context}; shorten the prompt or load with a larger context length"
    )]
    ContextFull {
        /// Tokens needed.
        needs: usize,
        /// Tokens that fit.
        context: usize,
    },
    /// A conversation that the chat template refuses.
    #[error("message {index}: {why}")]
    InvalidMessage {
        /// Index of the message.
        index: usize,
        /// The fault and its remedy.
        why: String,
    },
    /// The caller aborted the operation.
    #[error("the operation was aborted")]
    Aborted,
    /// Something that should never happen did.
    #[error("internal error: {what}; please report it")]
    Internal {
        /// The event.
        what: String,
    },
}

impl Error {
    /// An [`Error::InvalidOption`].
    pub fn invalid_option(option: &str, found: impl ToString, expected: impl Into<String>) -> Self {
        Self::InvalidOption { option: option.to_owned(), found: found.to_string(), expected: expected.into() }
    }
}
