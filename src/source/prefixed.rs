//! Source whose first bytes are in memory already.

use super::ByteSource;
use crate::cancel::Cancel;
use crate::error::Result;

/// A source that serves its first bytes from memory and the rest from another source, which it never asks for
/// the first ones again.
#[derive(Debug)]
pub struct Prefixed<S> {
    prefix: Vec<u8>,
    rest: S,
}

impl<S: ByteSource> Prefixed<S> {
    /// Wraps `rest`, whose first bytes are `prefix`.
    pub fn new(prefix: Vec<u8>, rest: S) -> Self {
        Self { prefix, rest }
    }
}

impl<S: ByteSource> ByteSource for Prefixed<S> {
    fn len(&self) -> Option<u64> {
        self.rest.len()
    }

    fn name(&self) -> &str {
        self.rest.name()
    }

    async fn read(&mut self, offset: u64, into: &mut [u8], cancel: &Cancel) -> Result<()> {
        cancel.check()?;
        let prefix =
            usize::try_from(offset).ok().and_then(|offset| self.prefix.get(offset..)).unwrap_or_default();
        let (ahead, behind) = into.split_at_mut(prefix.len().min(into.len()));
        ahead.copy_from_slice(&prefix[..ahead.len()]);
        if behind.is_empty() {
            return Ok(());
        }
        self.rest.read(offset + ahead.len() as u64, behind, cancel).await
    }
}

#[cfg(test)]
mod tests {
    use super::Prefixed;
    use crate::source::ByteSource;
    use crate::{Cancel, Result};

    /// Byte i of the file is i; nobody may read the first four.
    struct Rest;

    impl ByteSource for Rest {
        fn len(&self) -> Option<u64> {
            Some(10)
        }

        fn name(&self) -> &str {
            "rest"
        }

        async fn read(&mut self, offset: u64, into: &mut [u8], _: &Cancel) -> Result<()> {
            assert!(offset >= 4 && !into.is_empty(), "{offset}");
            for (i, byte) in into.iter_mut().enumerate() {
                *byte = offset as u8 + i as u8;
            }
            Ok(())
        }
    }

    #[test]
    fn every_range_is_joined() {
        let mut source = Prefixed::new(vec![0, 1, 2, 3], Rest);
        assert_eq!((source.len(), source.name()), (Some(10), "rest"));
        for start in 0..10u8 {
            for end in start..=10 {
                let mut into = vec![0xff; usize::from(end - start)];
                pollster::block_on(source.read(u64::from(start), &mut into, &Cancel::default())).unwrap();
                assert_eq!(into, (start..end).collect::<Vec<_>>());
            }
        }
    }
}
