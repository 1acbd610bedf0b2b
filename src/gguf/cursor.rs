//! Bounds-checked little-endian cursor over the first bytes of a file.

use crate::error::Error;

/// Reason why a read stopped.
#[derive(Debug)]
pub(super) enum Stop {
    /// The prefix ends first; the read needs at least this many bytes.
    NeedMore(u64),
    /// The file is not readable.
    Bad(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Bad(error)
    }
}

/// Result of a read.
pub(super) type Read<T> = Result<T, Stop>;

/// The cursor. It never reads beyond the prefix, and never returns more than it has read.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    prefix: &'a [u8],
    file_len: Option<u64>,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(prefix: &'a [u8], file_len: Option<u64>) -> Self {
        Self { prefix, file_len, at: 0 }
    }

    /// Offset of the next byte.
    pub(super) fn at(&self) -> u64 {
        self.at as u64
    }

    /// The bytes of the prefix from the cursor on.
    pub(super) fn rest(&self) -> &'a [u8] {
        &self.prefix[self.at..]
    }

    /// Checks that the prefix has `len` more bytes; [`Stop::NeedMore`] if not. `what` names the value in
    /// errors.
    pub(super) fn ensure(&self, len: u64, what: &str) -> Read<()> {
        let needs = self.at().saturating_add(len);
        if needs <= self.prefix.len() as u64 {
            return Ok(());
        }
        match self.file_len {
            Some(has) if needs > has => Err(Error::Truncated { what: what.to_owned(), needs, has }.into()),
            _ if needs > super::caps::HEADER_BYTES => {
                let why =
                    format!("the header would reach byte {needs}, the cap is {}", super::caps::HEADER_BYTES);
                Err(self.malformed(what, why))
            }
            _ => Err(Stop::NeedMore(needs)),
        }
    }

    /// The next `len` bytes.
    pub(super) fn bytes(&mut self, len: u64, what: &str) -> Read<&'a [u8]> {
        self.ensure(len, what)?;
        // `ensure` has checked that `len` fits in the prefix, so in usize.
        let end = self.at + len as usize;
        let bytes = &self.prefix[self.at..end];
        self.at = end;
        Ok(bytes)
    }

    /// The next `N` bytes as an array, for `from_le_bytes`.
    pub(super) fn array<const N: usize>(&mut self, what: &str) -> Read<[u8; N]> {
        let bytes = self.bytes(N as u64, what)?;
        bytes.try_into().map_err(|_| Error::Internal { what: format!("{what}: {N} bytes asked") }.into())
    }

    pub(super) fn u32(&mut self, what: &str) -> Read<u32> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self, what: &str) -> Read<u64> {
        self.array(what).map(u64::from_le_bytes)
    }

    /// A count or length of at most `cap`.
    pub(super) fn count(&mut self, what: &str, cap: u64) -> Read<u64> {
        let at = self.at();
        let count = self.u64(what)?;
        if count > cap {
            let why = format!("{count} is above the cap of {cap}");
            return Err(Error::Malformed { what: what.to_owned(), at, why }.into());
        }
        Ok(count)
    }

    /// The bytes of a string: a length of at most `cap`, then that many bytes.
    pub(super) fn string_bytes(&mut self, what: &str, cap: u64) -> Read<&'a [u8]> {
        let len = self.count(what, cap)?;
        self.bytes(len, what)
    }

    /// A string that must be UTF-8.
    pub(super) fn string(&mut self, what: &str, cap: u64) -> Read<&'a str> {
        let at = self.at();
        let bytes = self.string_bytes(what, cap)?;
        core::str::from_utf8(bytes).map_err(|why| {
            Error::Malformed { what: what.to_owned(), at, why: format!("not UTF-8: {why}") }.into()
        })
    }

    /// [`Error::Malformed`] at the cursor.
    pub(super) fn malformed(&self, what: &str, why: String) -> Stop {
        Error::Malformed { what: what.to_owned(), at: self.at(), why }.into()
    }
}
