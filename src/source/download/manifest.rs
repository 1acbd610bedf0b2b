//! Manifest of a stored file: the identity of the file, and the hashes of the stored chunks.
//!
//! ```text
//! 0        8        12       16                  16+n    24+n         16320   16352  16360    16384     16408
//! | magic  | version | n     | n bytes of JSON   | check | … zeros …  | SHA-256 | check | …   | chunk 0 | chunk 1 | …
//! ```
//!
//! Integers are little endian, checks are XXH3-64. The record of a chunk is its XXH3-128 and a check, which
//! also covers the number of the chunk and the header's check: a record of another chunk or of another file
//! counts as none. The header is written once, and each record in place after the data of its chunk: a write
//! that breaks off loses a chunk or the whole entry, but never stores a wrong one. The bytes are not trusted:
//! anybody may have damaged them.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::chunk_table::CHUNK_BYTES;
use super::response::{Identity, MAX_SIZE};
use crate::error::{Error, Result};
use crate::source::store::{ManifestFile, read_full};

const MAGIC: [u8; 8] = *b"GEMMAWEB";
const VERSION: u32 = 1;
/// Offset of the JSON.
const JSON_AT: usize = 16;
/// Offset of the verified checksum of the whole file.
const SHA_AT: usize = RECORDS_AT - 64;
const SHA_BYTES: usize = 32 + 8;
/// Offset of the records.
const RECORDS_AT: usize = 16 << 10;
/// Hash and check.
const RECORD_BYTES: usize = 16 + 8;
/// Bytes of the longest manifest.
const MAX_BYTES: u64 = RECORDS_AT as u64 + MAX_SIZE / CHUNK_BYTES * RECORD_BYTES as u64;
/// Bytes of one read.
const READ_BYTES: usize = 64 << 10;

/// Identity of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Header {
    /// URL without the query.
    pub(super) url: String,
    pub(super) size: u64,
    pub(super) etag: Option<String>,
    pub(super) last_modified: Option<String>,
    pub(super) chunk_bytes: u64,
}

impl Header {
    pub(super) fn new(url: &str, size: u64, identity: &Identity) -> Self {
        Self {
            url: url.to_owned(),
            size,
            etag: identity.etag.clone(),
            last_modified: identity.last_modified.clone(),
            chunk_bytes: CHUNK_BYTES,
        }
    }

    pub(super) fn identity(&self) -> Identity {
        let Self { size, etag, last_modified, .. } = self.clone();
        Identity { size: Some(size), etag, last_modified }
    }

    fn n_chunks(&self) -> u64 {
        self.size.div_ceil(CHUNK_BYTES)
    }
}

/// A valid manifest.
#[derive(Debug)]
pub(super) struct Manifest {
    pub(super) header: Header,
    /// Seed of the records' checks: the check of the header.
    pub(super) key: u64,
    /// The verified SHA-256 of the whole file.
    pub(super) sha256: Option<[u8; 32]>,
    /// Hash of each chunk, if it has a valid record.
    pub(super) hashes: Vec<Option<u128>>,
}

/// Reads a manifest; `None` if the file holds none that is valid for this version.
///
/// # Errors
/// [`Error::Storage`].
pub(super) fn read<F: ManifestFile>(file: &mut F) -> Result<Option<Manifest>> {
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < MAX_BYTES {
        let len = bytes.len();
        bytes.resize(len + READ_BYTES, 0);
        let n = read_full(len as u64, &mut bytes[len..], |offset, into| file.read_at(offset, into))?;
        bytes.truncate(len + n);
        if n < READ_BYTES {
            break;
        }
    }
    Ok(parse(&bytes))
}

/// The manifest in the bytes of its file; `None` if it is not valid for this version. Records beyond the end
/// are missing.
pub(super) fn parse(bytes: &[u8]) -> Option<Manifest> {
    let (head, records) = bytes.split_at_checked(RECORDS_AT)?;
    let (header, key) = parse_header(head)?;
    let sha256 = checked(&head[SHA_AT..SHA_AT + SHA_BYTES], key).and_then(|sha| sha.try_into().ok());
    let mut hashes = vec![None; header.n_chunks() as usize];
    for ((hash, record), ix) in hashes.iter_mut().zip(records.chunks_exact(RECORD_BYTES)).zip(0..) {
        let bytes = checked(record, key.wrapping_add(ix)).and_then(|bytes| bytes.try_into().ok());
        *hash = bytes.map(u128::from_le_bytes);
    }
    Some(Manifest { sha256, hashes, header, key })
}

/// The header in the first bytes of a manifest, and its check.
fn parse_header(head: &[u8]) -> Option<(Header, u64)> {
    let word = |at: usize| Some(u32::from_le_bytes(head.get(at..at + 4)?.try_into().ok()?));
    if head.get(..MAGIC.len())? != MAGIC || word(8)? != VERSION {
        return None;
    }
    let end = JSON_AT.checked_add(word(12)? as usize).filter(|end| *end <= SHA_AT - 8)?;
    let check = u64::from_le_bytes(head.get(end..end + 8)?.try_into().ok()?);
    if xxh3_64(head.get(..end)?) != check {
        return None;
    }
    let header: Header = serde_json::from_slice(head.get(JSON_AT..end)?).ok()?;
    // These numbers size the table of chunks. The check proves nothing: anybody can compute it.
    (header.size <= MAX_SIZE && header.chunk_bytes == CHUNK_BYTES).then_some((header, check))
}

/// Replaces the file by a manifest without chunks. Returns the key for its records.
///
/// # Errors
/// [`Error::Storage`], also if the header is too long.
pub(super) fn start<F: ManifestFile>(file: &mut F, header: &Header) -> Result<u64> {
    let failed = |why: String| Error::Storage { what: "writing a manifest".to_owned(), why };
    let json = serde_json::to_vec(header).map_err(|e| failed(e.to_string()))?;
    let mut head = [&MAGIC[..], &VERSION.to_le_bytes(), &(json.len() as u32).to_le_bytes(), &json].concat();
    let key = xxh3_64(&head);
    head.extend(key.to_le_bytes());
    if head.len() > SHA_AT {
        return Err(failed(format!("the address and the headers have {} bytes", head.len())));
    }
    head.resize(RECORDS_AT, 0);
    file.clear()?;
    file.write_at(0, &head)?;
    Ok(key)
}

/// Writes the record of a chunk whose data are written.
///
/// # Errors
/// [`Error::Storage`].
pub(super) fn record<F: ManifestFile>(file: &mut F, key: u64, ix: u64, hash: u128) -> Result<()> {
    file.write_at(record_at(ix), &with_check(&hash.to_le_bytes(), key.wrapping_add(ix)))
}

/// Erases the record of a chunk.
///
/// # Errors
/// [`Error::Storage`].
pub(super) fn erase<F: ManifestFile>(file: &mut F, ix: u64) -> Result<()> {
    file.write_at(record_at(ix), &[0; RECORD_BYTES])
}

/// Writes the verified checksum of the whole file.
///
/// # Errors
/// [`Error::Storage`].
pub(super) fn record_sha256<F: ManifestFile>(file: &mut F, key: u64, sha256: &[u8; 32]) -> Result<()> {
    file.write_at(SHA_AT as u64, &with_check(sha256, key))
}

fn record_at(ix: u64) -> u64 {
    RECORDS_AT as u64 + ix * RECORD_BYTES as u64
}

fn with_check(bytes: &[u8], seed: u64) -> Vec<u8> {
    [bytes, &xxh3_64_with_seed(bytes, seed).to_le_bytes()].concat()
}

/// The bytes before their check, if they match it.
fn checked(bytes: &[u8], seed: u64) -> Option<&[u8]> {
    let (bytes, check) = bytes.split_last_chunk::<8>()?;
    (xxh3_64_with_seed(bytes, seed) == u64::from_le_bytes(*check)).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file in memory.
    #[derive(Clone, Debug, Default)]
    struct Memory(Vec<u8>);

    impl ManifestFile for Memory {
        fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<usize> {
            let rest = self.0.get(offset as usize..).unwrap_or_default();
            // Never more than 1000 at once, as a file may.
            let n = rest.len().min(into.len()).min(1000);
            into[..n].copy_from_slice(&rest[..n]);
            Ok(n)
        }

        fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
            let end = offset as usize + bytes.len();
            self.0.resize(self.0.len().max(end), 0);
            self.0[offset as usize..end].copy_from_slice(bytes);
            Ok(())
        }

        fn clear(&mut self) -> Result<()> {
            self.0.clear();
            Ok(())
        }

        fn flush(&mut self) -> Result<()> {
            Ok(())
        }
    }

    fn header() -> Header {
        let identity = Identity { size: None, etag: Some("\"a\"".to_owned()), last_modified: None };
        Header::new("https://x.org/m.gguf", 3 * CHUNK_BYTES + 1, &identity)
    }

    fn written() -> (Memory, u64) {
        let mut file = Memory(vec![7; 100_000]);
        let key = start(&mut file, &header()).unwrap();
        record(&mut file, key, 0, 10).unwrap();
        record(&mut file, key, 2, 12).unwrap();
        record_sha256(&mut file, key, &[9; 32]).unwrap();
        (file, key)
    }

    #[test]
    fn what_is_written_is_read() {
        let (mut file, key) = written();
        let manifest = read(&mut file).unwrap().unwrap();
        assert_eq!((manifest.header, manifest.key, manifest.sha256), (header(), key, Some([9; 32])));
        assert_eq!(manifest.hashes, [Some(10), None, Some(12), None]);
        erase(&mut file, 0).unwrap();
        assert_eq!(read(&mut file).unwrap().unwrap().hashes, [None, None, Some(12), None]);
    }

    #[test]
    fn any_flipped_byte_costs_a_record_or_all_but_never_lies() {
        let (file, _) = written();
        let used = JSON_AT..JSON_AT + 300;
        for at in (0..used.end).chain(SHA_AT..file.0.len()) {
            for flip in [1, 0x80, 0xff] {
                let mut file = file.clone();
                file.0[at] ^= flip;
                let Some(manifest) = read(&mut file).unwrap() else {
                    assert!(at < used.end, "{at}");
                    continue;
                };
                assert_eq!(manifest.header, header(), "{at}");
                assert!([None, Some([9; 32])].contains(&manifest.sha256), "{at}");
                for (found, right) in manifest.hashes.iter().zip([Some(10), None, Some(12), None]) {
                    assert!(found.is_none() || *found == right, "{at}: {found:?}");
                }
            }
        }
    }

    #[test]
    fn any_length_is_read() {
        let (file, _) = written();
        for len in (0..400).chain(SHA_AT - 5..file.0.len()) {
            let mut cut = Memory(file.0[..len].to_vec());
            let whole = read(&mut cut).unwrap();
            assert_eq!(whole.is_some(), len >= RECORDS_AT, "{len}");
        }
    }

    #[test]
    fn garbage_and_lies_are_no_manifest() {
        let mut random = 1u64;
        for len in [0, 1, 16, 1000, 40_000] {
            let mut file = Memory(
                (0..len)
                    .map(|_| {
                        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        (random >> 56) as u8
                    })
                    .collect(),
            );
            assert!(read(&mut file).unwrap().is_none());
            file.write_at(0, &[&MAGIC[..], &1u32.to_le_bytes(), &u32::MAX.to_le_bytes()].concat()).unwrap();
            assert!(read(&mut file).unwrap().is_none());
        }
        // Somebody who computes the check too gets no further than the cap.
        for lie in [Header { size: u64::MAX, ..header() }, Header { chunk_bytes: 1, ..header() }] {
            let mut file = Memory::default();
            start(&mut file, &lie).unwrap();
            assert!(read(&mut file).unwrap().is_none(), "{lie:?}");
        }
        let long = Header { url: "x".repeat(20_000), ..header() };
        assert!(matches!(start(&mut Memory::default(), &long), Err(Error::Storage { .. })));
    }

    #[test]
    fn a_record_of_another_file_is_none() {
        let (mut file, _) = written();
        let other = Header { etag: None, ..header() };
        let records = file.0[RECORDS_AT..].to_vec();
        start(&mut file, &other).unwrap();
        file.write_at(RECORDS_AT as u64, &records).unwrap();
        assert_eq!(read(&mut file).unwrap().unwrap().hashes, [None; 4]);
    }
}
