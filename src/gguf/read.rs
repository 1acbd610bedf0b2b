//! Reader of headers: growing prefixes of one file or of all shards.

use super::caps;
use super::header::{Header, Parsed, parse};
use super::shards::join;
use crate::cancel::Cancel;
#[cfg(doc)]
use crate::error::Error;
use crate::error::Result;
use crate::source::{ByteSource, ModelSource};

/// Bytes of the first read: enough for a file without a vocabulary, and few if the file turns out to be
/// something else.
const FIRST_READ: u64 = 64 << 10;

/// Reads the header from a growing prefix. Returns it with the bytes read, which reach beyond it: put them
/// before the source with [`crate::source::prefixed::Prefixed`], so that no byte is fetched twice.
///
/// If the source does not know its length, this reads up to twice the header's bytes, and reports a file that
/// ends before that as truncated. If the source has several files, this reads the header of each and returns
/// the bytes of the first.
///
/// # Errors
/// Those of [`parse`] and of the source; [`Error::WrongShard`] if the files are not all shards of one model,
/// in order.
pub async fn read_header<S: ModelSource>(source: &mut S, cancel: &Cancel) -> Result<(Header, Vec<u8>)> {
    let starts = source.file_starts();
    let ends = starts.iter().skip(1).copied().map(Some).chain([source.len()]);
    let files: Vec<(u64, Option<u64>)> = starts.iter().copied().zip(ends).collect();
    let (mut headers, mut first) = (Vec::new(), Vec::new());
    for (start, end) in files {
        let file_len = end.map(|end| end - start);
        let (header, prefix) = read_one(source, start, file_len, cancel).await?;
        if headers.is_empty() {
            first = prefix;
        }
        headers.push((start, header));
    }
    Ok((join(source.name(), headers)?, first))
}

/// Reads the header of the file that begins at `start`.
async fn read_one<S: ByteSource>(
    source: &mut S,
    start: u64,
    file_len: Option<u64>,
    cancel: &Cancel,
) -> Result<(Header, Vec<u8>)> {
    let mut prefix = Vec::new();
    let mut target = FIRST_READ;
    loop {
        cancel.check()?;
        let len = prefix.len();
        let target_len = target.min(file_len.unwrap_or(u64::MAX)) as usize;
        // At most `caps::HEADER_BYTES`, so it fits in usize everywhere.
        prefix.reserve_exact(target_len.saturating_sub(len));
        prefix.resize(target_len, 0);
        source.read(start + len as u64, &mut prefix[len..], cancel).await?;
        match parse(&prefix, file_len)? {
            Parsed::Done(header) => return Ok((header, prefix)),
            // Doubling bounds the rounds, and `parse` has checked `at_least` against the file's length and
            // the cap.
            Parsed::NeedMore { at_least } => {
                target = (prefix.len() as u64 * 2).min(caps::HEADER_BYTES).max(at_least);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::read_header;
    use crate::source::{ByteSource, ModelSource};
    use crate::{Cancel, Error, Result};

    /// A file in memory that can be read once, front to back.
    struct OnePass {
        file: Vec<u8>,
        at: usize,
        knows_len: bool,
    }

    impl ByteSource for OnePass {
        fn len(&self) -> Option<u64> {
            self.knows_len.then_some(self.file.len() as u64)
        }

        fn name(&self) -> &str {
            "memory"
        }

        async fn read(&mut self, offset: u64, into: &mut [u8], _: &Cancel) -> Result<()> {
            assert_eq!(offset, self.at as u64, "one pass");
            let (has, needs) = (self.file.len() as u64, offset + into.len() as u64);
            let bytes = self.file.get(self.at..self.at + into.len());
            let bytes = bytes.ok_or(Error::Truncated { what: "memory".to_owned(), needs, has })?;
            into.copy_from_slice(bytes);
            self.at += into.len();
            Ok(())
        }
    }

    impl ModelSource for OnePass {}

    /// Version 3 without tensors, one key with `n` strings "token".
    fn vocabulary(n: u64) -> Vec<u8> {
        let mut file = b"GGUF\x03\0\0\0".to_vec();
        for count in [0, 1, 6] {
            file.extend(u64::to_le_bytes(count));
        }
        file.extend(b"tokens");
        file.extend(9u32.to_le_bytes());
        file.extend(8u32.to_le_bytes());
        file.extend(n.to_le_bytes());
        for _ in 0..n {
            file.extend(5u64.to_le_bytes());
            file.extend(b"token");
        }
        file
    }

    fn read(file: Vec<u8>, knows_len: bool, cancel: &Cancel) -> Result<(u64, usize)> {
        let mut source = OnePass { file, at: 0, knows_len };
        let (header, prefix) = pollster::block_on(read_header(&mut source, cancel))?;
        assert_eq!(prefix.len(), source.at);
        Ok((header.metadata.strings("tokens")?.len() as u64, prefix.len()))
    }

    #[test]
    fn a_small_file_is_read_whole_and_a_large_header_in_a_few_steps() {
        let small = vocabulary(3);
        assert_eq!(read(small.clone(), true, &Cancel::default()).unwrap(), (3, small.len()));
        let large = vocabulary(100_000);
        assert_eq!(read(large.clone(), true, &Cancel::default()).unwrap(), (100_000, large.len()));
    }

    #[test]
    fn without_a_length_the_data_behind_the_header_is_read_too() {
        let mut file = vocabulary(100_000);
        file.resize(file.len() * 2, 0);
        let (n, read) = read(file.clone(), false, &Cancel::default()).unwrap();
        assert!(n == 100_000 && read <= file.len(), "{read}");
    }

    #[test]
    fn truncation_and_cancelling_are_reported() {
        let mut file = vocabulary(100_000);
        file.truncate(1_000_000);
        assert!(matches!(
            read(file.clone(), true, &Cancel::default()),
            Err(Error::Truncated { has: 1_000_000, .. })
        ));
        assert!(matches!(read(file, false, &Cancel::default()), Err(Error::Truncated { .. })));
        let cancel = Cancel::default();
        cancel.cancel();
        assert!(matches!(read(vocabulary(1), true, &cancel), Err(Error::Aborted)));
    }
}
