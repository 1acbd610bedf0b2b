//! SHA-256 of a whole file, computed chunk by chunk.

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// A running checksum.
#[derive(Clone, Debug)]
pub(super) struct Checksum {
    expected: [u8; 32],
    hasher: Sha256,
    /// Number of the next chunk.
    pub(super) next: u64,
}

impl Checksum {
    pub(super) fn new(expected: [u8; 32]) -> Self {
        Self { expected, hasher: Sha256::new(), next: 0 }
    }

    /// The same checksum before the first chunk.
    pub(super) fn restarted(&self) -> Self {
        Self::new(self.expected)
    }

    /// Adds the bytes of a chunk if it is the next one.
    pub(super) fn add(&mut self, ix: u64, bytes: &[u8]) {
        if ix == self.next {
            self.hasher.update(bytes);
            self.next += 1;
        }
    }

    /// The checksum, if it is the expected one.
    ///
    /// # Errors
    /// [`Error::ChecksumMismatch`].
    pub(super) fn check(self, what: &str) -> Result<[u8; 32]> {
        let found: [u8; 32] = self.hasher.finalize().into();
        if found == self.expected {
            return Ok(found);
        }
        let (expected, found) = (hex(&self.expected), hex(&found));
        Err(Error::ChecksumMismatch { what: what.to_owned(), expected, found })
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Parses a SHA-256 of 64 hex digits.
///
/// # Errors
/// [`Error::InvalidOption`].
pub fn parse_sha256(text: &str) -> Result<[u8; 32]> {
    let refused = || Error::invalid_option("sha256", format!("\"{text}\""), "64 hex digits");
    let digits: Option<Vec<u32>> = text.chars().map(|c| c.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len() == 64).ok_or_else(refused)?;
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect();
    bytes.try_into().map_err(|_| refused())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_of_the_standard() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let mut sum = Checksum::new(parse_sha256(&abc.to_uppercase()).unwrap());
        sum.add(0, b"ab");
        sum.add(0, b"ab");
        sum.add(2, b"x");
        sum.add(1, b"c");
        assert_eq!(hex(&sum.clone().check("abc").unwrap()), abc);
        sum.add(2, b"d");
        assert!(
            matches!(sum.check("abcd"), Err(Error::ChecksumMismatch { expected, .. }) if expected == abc)
        );
    }

    #[test]
    fn what_is_no_sum_is_refused() {
        for text in ["", "0123", &"g".repeat(64), &"0".repeat(65), &"\u{e9}".repeat(32)] {
            assert!(matches!(parse_sha256(text), Err(Error::InvalidOption { .. })), "{text}");
        }
    }
}
