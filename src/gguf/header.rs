//! Parser of a header from the first bytes of a file.

use super::caps;
use super::cursor::{Cursor, Read, Stop};
use super::metadata::{Metadata, read_metadata};
use super::tensors::{TensorInfo, place, read_tensors};
use crate::error::{Error, Result};

const MAGIC: [u8; 4] = *b"GGUF";
const VERSIONS: core::ops::RangeInclusive<u32> = 2..=3;
const DEFAULT_ALIGNMENT: u32 = 32;
/// Smallest alignment: the format requires a multiple of 8.
const MIN_ALIGNMENT: u64 = 8;

/// The part of a file before the tensor data.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    /// The version of the container, 2 or 3.
    pub version: u32,
    /// Keys and values.
    pub metadata: Metadata,
    /// The tensors in the order of the table, which may differ from that of the data.
    pub tensors: Vec<TensorInfo>,
    /// Alignment of tensor offsets, counted from `data_start`.
    pub alignment: u64,
    /// Offset of the tensor data in the file.
    pub data_start: u64,
}

impl Header {
    /// The tensor with this name.
    #[must_use]
    pub fn tensor(&self, name: &str) -> Option<&TensorInfo> {
        self.tensors.iter().find(|tensor| tensor.name == name)
    }
}

/// Result of [`parse`].
#[derive(Debug, Clone, PartialEq)]
pub enum Parsed {
    /// The whole header.
    Done(Header),
    /// The prefix ends inside the header.
    NeedMore {
        /// Minimum length of a prefix that is worth another try.
        at_least: u64,
    },
}

/// Parses the header of a file from its first bytes. `file_len` is the length of the file, if known: an error
/// reports at once anything that would lie beyond it.
///
/// # Errors
/// [`Error::NotGguf`], [`Error::UnsupportedVersion`], [`Error::Truncated`], [`Error::Malformed`],
/// [`Error::UnsupportedTensorType`], [`Error::BadKey`] for an impossible alignment, and
/// [`Error::Unsupported`] for big-endian files.
pub fn parse(prefix: &[u8], file_len: Option<u64>) -> Result<Parsed> {
    match read(&mut Cursor::new(prefix, file_len), file_len) {
        Ok(header) => Ok(Parsed::Done(header)),
        Err(Stop::NeedMore(at_least)) => Ok(Parsed::NeedMore { at_least }),
        Err(Stop::Bad(error)) => Err(error),
    }
}

fn read(cursor: &mut Cursor<'_>, file_len: Option<u64>) -> Read<Header> {
    let version = read_version(cursor)?;
    let n_tensors = cursor.count("the number of tensors", caps::TENSORS)?;
    let n_keys = cursor.count("the number of metadata keys", caps::KEYS)?;
    let metadata = read_metadata(cursor, n_keys)?;
    let alignment = alignment_of(&metadata)?;
    let mut tensors = read_tensors(cursor, n_tensors)?;
    let data_start = cursor.at().next_multiple_of(alignment);
    place(&mut tensors, alignment, data_start, file_len)?;
    Ok(Header { version, metadata, tensors, alignment, data_start })
}

fn read_version(cursor: &mut Cursor<'_>) -> Read<u32> {
    // The bytes so far decide: an error page may be shorter than a magic number.
    let start = cursor.rest();
    let start = &start[..start.len().min(MAGIC.len())];
    if !MAGIC.starts_with(start) {
        return Err(Error::NotGguf { found: start.to_vec() }.into());
    }
    cursor.bytes(MAGIC.len() as u64, "the magic number")?;
    let version = cursor.u32("the version")?;
    if VERSIONS.contains(&version.swap_bytes()) {
        let found =
            format!("its version field is {}, {} with its bytes swapped", version, version.swap_bytes());
        return Err(Error::Unsupported { what: "big-endian GGUF".to_owned(), found }.into());
    }
    if !VERSIONS.contains(&version) {
        return Err(Error::UnsupportedVersion { version }.into());
    }
    Ok(version)
}

fn alignment_of(metadata: &Metadata) -> Result<u64> {
    const KEY: &str = "general.alignment";
    let alignment = u64::from(metadata.opt_u32(KEY)?.unwrap_or(DEFAULT_ALIGNMENT));
    if alignment.is_power_of_two() && (MIN_ALIGNMENT..=caps::ALIGNMENT).contains(&alignment) {
        return Ok(alignment);
    }
    Err(Error::BadKey {
        key: KEY.to_owned(),
        expected: format!("a power of two from {MIN_ALIGNMENT} to {}", caps::ALIGNMENT),
        found: alignment.to_string(),
    })
}
