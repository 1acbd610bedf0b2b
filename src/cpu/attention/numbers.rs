//! The types of cached numbers.

use crate::cpu::lanes::{Lanes, ROWS};

/// The type of the numbers in memory.
pub(super) trait Numbers {
    /// Eight numbers.
    type Chunk;
    /// Whether they take less than an f32.
    const SMALL: bool;
    fn chunks(bytes: &[u8]) -> &[Self::Chunk];
    fn load<L: Lanes>(lanes: L, chunk: &Self::Chunk) -> L::F32;
}

pub(super) struct Halves;
impl Numbers for Halves {
    type Chunk = [u8; 2 * ROWS];
    const SMALL: bool = true;
    #[inline(always)]
    fn chunks(bytes: &[u8]) -> &[Self::Chunk] {
        bytes.as_chunks().0
    }
    #[inline(always)]
    fn load<L: Lanes>(lanes: L, chunk: &Self::Chunk) -> L::F32 {
        lanes.load_f16(chunk)
    }
}

pub(super) struct Floats;
impl Numbers for Floats {
    type Chunk = [u8; 4 * ROWS];
    const SMALL: bool = false;
    #[inline(always)]
    fn chunks(bytes: &[u8]) -> &[Self::Chunk] {
        bytes.as_chunks().0
    }
    #[inline(always)]
    fn load<L: Lanes>(lanes: L, chunk: &Self::Chunk) -> L::F32 {
        lanes.load(&bytemuck::pod_read_unaligned(chunk))
    }
}
