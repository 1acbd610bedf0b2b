//! Several files as one: the shards of a model.

use super::ByteSource;
use crate::cancel::Cancel;
use crate::error::{Error, Result};

/// Files one behind the other. Only the bytes are joined; [`crate::gguf::read_header`] joins the headers.
#[derive(Debug)]
pub struct Joined<S> {
    /// At least one, with the offset where it starts.
    files: Vec<(u64, S)>,
    len: Option<u64>,
}

impl<S: ByteSource> Joined<S> {
    /// Joins files in this order. One file alone stays what it is.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] for no file, [`Error::Unsupported`] where one but the last doesn't know its length.
    pub fn new(files: Vec<S>) -> Result<Self> {
        if files.is_empty() {
            let (option, found) = ("source".to_owned(), "an empty list".to_owned());
            return Err(Error::InvalidOption { option, found, expected: "at least one file".to_owned() });
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

impl<S: ByteSource> ByteSource for Joined<S> {
    fn len(&self) -> Option<u64> {
        self.len
    }

    fn name(&self) -> &str {
        self.files.first().map_or("", |(_, file)| file.name())
    }

    async fn read(&mut self, offset: u64, into: &mut [u8], cancel: &Cancel) -> Result<()> {
        let mut rest = into;
        let mut at = offset;
        let first = self.files.partition_point(|(start, _)| *start <= offset).saturating_sub(1);
        let mut ends: Vec<Option<u64>> =
            self.files.iter().skip(first + 1).map(|(start, _)| Some(*start)).collect();
        ends.push(None);
        for ((start, file), end) in self.files[first..].iter_mut().zip(ends) {
            // The last file takes all that is left, so that it is the one to say that it ends too early.
            let n = end.map_or(rest.len() as u64, |end| (end - at).min(rest.len() as u64));
            let (here, behind) = rest.split_at_mut(n as usize);
            if !here.is_empty() || behind.is_empty() {
                file.read(at - *start, here, cancel).await?;
            }
            at += n;
            rest = behind;
            if rest.is_empty() {
                break;
            }
        }
        Ok(())
    }

    async fn finish(&mut self, cancel: &Cancel) -> Result<()> {
        for (_, file) in &mut self.files {
            file.finish(cancel).await?;
        }
        Ok(())
    }

    fn parts(&self) -> Vec<u64> {
        self.files.iter().map(|(start, _)| *start).collect()
    }
}
