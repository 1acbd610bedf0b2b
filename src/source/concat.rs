//! Concatenation of several files: the shards of a model.

use super::{ByteSource, ModelSource};
use crate::cancel::Cancel;
use crate::error::{Error, Result};

/// Files one after the other. This joins only the bytes; [`crate::gguf::read_header`] joins the headers.
#[derive(Debug)]
pub struct Concat<S> {
    /// At least one file, each with its offset.
    files: Vec<(u64, S)>,
    len: Option<u64>,
}

impl<S: ByteSource> Concat<S> {
    /// Joins files in this order. A single file stays as it is.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] for no file, [`Error::Unsupported`] if the length of any file but the last is
    /// unknown.
    pub fn new(files: Vec<S>) -> Result<Self> {
        if files.is_empty() {
            return Err(Error::invalid_option("source", "an empty list", "at least one file"));
        }
        let mut end = Some(0);
        let mut placed = Vec::with_capacity(files.len());
        for file in files {
            let Some(start) = end else {
                return Err(Error::Unsupported {
                    what: "the length of each shard".to_owned(),
                    found: format!("no length is known of the file before {}", file.name()),
                });
            };
            end = file.len().map(|len| start + len);
            placed.push((start, file));
        }
        Ok(Self { files: placed, len: end })
    }
}

impl<S: ByteSource> ByteSource for Concat<S> {
    fn len(&self) -> Option<u64> {
        self.len
    }

    fn name(&self) -> &str {
        self.files.first().map_or("", |(_, file)| file.name())
    }

    async fn read(&mut self, offset: u64, into: &mut [u8], cancel: &Cancel) -> Result<()> {
        cancel.check()?;
        let mut rest = into;
        let mut at = offset;
        let first = self.files.partition_point(|(start, _)| *start <= offset).saturating_sub(1);
        for ix in first..self.files.len() {
            // The last file gets the whole rest, so that it reports a range beyond its end.
            let end = self.files.get(ix + 1).map_or(u64::MAX, |(start, _)| *start);
            let (start, file) = &mut self.files[ix];
            let n = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX).min(rest.len());
            let (here, behind) = rest.split_at_mut(n);
            if !here.is_empty() {
                file.read(at - *start, here, cancel).await?;
            }
            at += n as u64;
            rest = behind;
            if rest.is_empty() {
                break;
            }
        }
        Ok(())
    }
}

impl<S: ModelSource> ModelSource for Concat<S> {
    fn file_starts(&self) -> Vec<u64> {
        self.files.iter().map(|(start, _)| *start).collect()
    }

    async fn finish(&mut self, cancel: &Cancel) -> Result<()> {
        for (_, file) in &mut self.files {
            file.finish(cancel).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Concat;
    use crate::source::{ByteSource, ModelSource};
    use crate::{Cancel, Error, Result};

    /// Byte i is `first` + i.
    struct Counting {
        first: u8,
        len: Option<u64>,
    }

    impl ByteSource for Counting {
        fn len(&self) -> Option<u64> {
            self.len
        }

        fn name(&self) -> &str {
            "counting"
        }

        async fn read(&mut self, offset: u64, into: &mut [u8], _: &Cancel) -> Result<()> {
            let (needs, has) = (offset + into.len() as u64, self.len.unwrap_or(5));
            if needs > has {
                return Err(Error::Truncated { what: "counting".to_owned(), needs, has });
            }
            for (byte, i) in into.iter_mut().zip(offset..) {
                *byte = self.first + i as u8;
            }
            Ok(())
        }
    }

    impl ModelSource for Counting {}

    fn read(source: &mut Concat<Counting>, start: u64, end: u64) -> Result<Vec<u8>> {
        let mut into = vec![0xff; (end - start) as usize];
        pollster::block_on(source.read(start, &mut into, &Cancel::default()))?;
        Ok(into)
    }

    #[test]
    fn every_range_is_joined() {
        for last in [Some(5), None] {
            let of = |first, len| Counting { first, len };
            let files = vec![of(0, Some(3)), of(3, Some(0)), of(3, Some(4)), of(7, last)];
            let mut joined = Concat::new(files).unwrap();
            assert_eq!((joined.len(), joined.file_starts()), (last.map(|_| 12), vec![0, 3, 3, 7]));
            for start in 0..12 {
                for end in start..=12 {
                    let bytes: Vec<u8> = (start as u8..end as u8).collect();
                    assert_eq!(read(&mut joined, start, end).unwrap(), bytes);
                }
                assert!(matches!(read(&mut joined, start, 13), Err(Error::Truncated { .. })));
            }
        }
    }

    #[test]
    fn the_length_of_all_but_the_last_is_needed() {
        let of = |len| Counting { first: 0, len };
        assert!(matches!(Concat::new(vec![of(None), of(Some(1))]), Err(Error::Unsupported { .. })));
        assert!(matches!(Concat::<Counting>::new(vec![]), Err(Error::InvalidOption { .. })));
        assert_eq!(Concat::new(vec![of(None)]).unwrap().len(), None);
    }
}
