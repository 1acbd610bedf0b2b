//! Synthetic models of full size: a GGUF file that is generated from a seed while it is read, without a
//! download.
//!
//! Its header has the hyper-parameters and the vocabulary size of a real Gemma. Its tensors are the blocks
//! that llama.cpp would write, filled with random numbers of a plausible size. Only the header is in memory,
//! and any range has the same bytes whenever it is read, so benchmarks measure the same as on a real file.

mod blocks;
mod header;
mod mixture;
mod recipe;
mod shapes;
mod vocabulary;

use super::{ByteSource, ModelSource};
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use blocks::Generator;

pub use recipe::{PREFIX, Recipe};

/// A tensor of the file: `bytes` bytes at `offset`, and their generator.
#[derive(Debug)]
struct Part {
    offset: u64,
    bytes: u64,
    generator: Generator,
}

/// A GGUF file that is generated while it is read, in any order. Only its header (5 MB) is in memory.
#[derive(Debug)]
pub struct SyntheticSource {
    name: String,
    /// Up to the first tensor, padding included.
    header: Vec<u8>,
    /// In file order; gaps between them are zero.
    parts: Vec<Part>,
    len: u64,
}

impl SyntheticSource {
    /// Lays out the file and generates its header.
    #[must_use]
    pub fn new(recipe: &Recipe) -> Self {
        let tensors = recipe.shape.tensors(recipe.mixture);
        let header = header::write(recipe, &tensors);
        let mut end = header.len() as u64;
        let parts = tensors.iter().zip(0..).map(|(tensor, tensor_ix)| {
            let (offset, bytes) = (end, tensor.bytes());
            end = (offset + bytes).next_multiple_of(header::ALIGNMENT);
            Part { offset, bytes, generator: Generator::new(recipe.seed, tensor_ix, tensor) }
        });
        let parts = parts.collect();
        Self { name: format!("{PREFIX}{recipe}"), header, parts, len: end }
    }

    /// Generates the bytes from `offset` on; the range lies within the file.
    fn fill(&self, offset: u64, into: &mut [u8]) {
        let from_header =
            usize::try_from(offset).ok().and_then(|at| self.header.get(at..)).unwrap_or_default();
        let (head, mut rest) = into.split_at_mut(from_header.len().min(into.len()));
        head.copy_from_slice(&from_header[..head.len()]);
        let mut at = offset + head.len() as u64;
        let first = self.parts.partition_point(|part| part.offset + part.bytes <= at);
        for part in &self.parts[first..] {
            if rest.is_empty() {
                return;
            }
            let (gap, behind) = split(rest, part.offset.saturating_sub(at));
            gap.fill(0);
            at += gap.len() as u64;
            let (weights, behind) = split(behind, (part.offset + part.bytes).saturating_sub(at));
            if !weights.is_empty() {
                part.generator.fill(at - part.offset, weights);
            }
            at += weights.len() as u64;
            rest = behind;
        }
        rest.fill(0);
    }
}

/// The first `n` bytes, or all if there are fewer, and the rest.
fn split(bytes: &mut [u8], n: u64) -> (&mut [u8], &mut [u8]) {
    let n = usize::try_from(n).unwrap_or(usize::MAX).min(bytes.len());
    bytes.split_at_mut(n)
}

impl ByteSource for SyntheticSource {
    fn len(&self) -> Option<u64> {
        Some(self.len)
    }

    fn name(&self) -> &str {
        &self.name
    }

    async fn read(&mut self, offset: u64, into: &mut [u8], cancel: &Cancel) -> Result<()> {
        cancel.check()?;
        let end = offset.saturating_add(into.len() as u64);
        if end > self.len {
            return Err(Error::Truncated { what: self.name.clone(), needs: end, has: self.len });
        }
        self.fill(offset, into);
        Ok(())
    }
}

impl ModelSource for SyntheticSource {}
