//! Description of a block format: a layout, its planes, a decoder and a WGSL fragment.

use core::fmt;
use core::ops::Range;
use core::slice::ChunksExact;

/// One aligned plane: this byte range of every block, concatenated over all blocks of the matrix in row-major
/// order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plane {
    /// Name of the plane and of its WGSL variable.
    pub name: &'static str,
    /// Byte range of the plane in each block.
    pub bytes: Range<usize>,
}

/// A block format of ggml. Two formats are equal if their ggml type numbers are.
pub struct Format {
    /// The name as ggml writes it, for instance `Q4_K`.
    pub name: &'static str,
    /// The number of the type in a GGUF tensor table.
    pub ggml_type: u32,
    /// Weights in a block.
    pub block_len: usize,
    /// Bytes of a block in the file.
    pub block_bytes: usize,
    /// Planes on the GPU in binding order: at most [`MAX_PLANES`], and together the whole block.
    pub planes: &'static [Plane],
    /// The WGSL fragment: the planes' bindings in group 1, `fn weights16(group: u32) -> mat4x4<f32>` and, if
    /// [`Format::has_codes`], `fn codes16(group: u32) -> Codes16`.
    pub wgsl: &'static str,
    /// Decodes one block: `block_bytes` bytes in, `block_len` weights out, bit-equal to gguf-py's
    /// `dequantize`.
    pub decode_block: fn(&[u8], &mut [f32]),
}

/// Maximum number of planes of a format: WebGPU guarantees 8 storage buffers per stage, and kernels need the
/// other half.
pub const MAX_PLANES: usize = 4;

impl Format {
    /// Bytes of `n_weights` weights in the file. Whole blocks: callers check that rows are a multiple of
    /// `block_len`.
    #[must_use]
    pub fn bytes_of(&self, n_weights: u64) -> u64 {
        n_weights / self.block_len as u64 * self.block_bytes as u64
    }

    /// Bytes of plane number `plane` for `n_weights` weights, without padding; 0 if there is no such plane.
    #[must_use]
    pub fn plane_bytes(&self, plane: usize, n_weights: u64) -> u64 {
        let per_block = self.planes.get(plane).map_or(0, |plane| plane.bytes.len());
        n_weights / self.block_len as u64 * per_block as u64
    }

    /// Whether sixteen weights are integer codes with a scale and an offset, as products with int8
    /// activations need them.
    #[must_use]
    pub fn has_codes(&self) -> bool {
        self.block_len > 1
    }

    /// Appends to `out` the bytes of plane number `plane` of `blocks` (whole blocks as in the file).
    pub fn repack(&self, plane: usize, blocks: &[u8], out: &mut Vec<u8>) {
        let Some(plane) = self.planes.get(plane) else {
            return;
        };
        let n_bytes = blocks.len() / self.block_bytes * self.block_bytes;
        debug_assert!(n_bytes == blocks.len(), "{}: part of a block", self.name);
        if plane.bytes.len() == self.block_bytes {
            out.extend_from_slice(&blocks[..n_bytes]);
            return;
        }
        let blocks = blocks.chunks_exact(self.block_bytes);
        out.reserve(blocks.len() * plane.bytes.len());
        let start = plane.bytes.start;
        // Most planes are a few bytes of each block: the compiler turns copies of a known length into moves
        // instead of calls.
        match plane.bytes.len() {
            2 => gather::<2>(blocks, start, out),
            4 => gather::<4>(blocks, start, out),
            8 => gather::<8>(blocks, start, out),
            12 => gather::<12>(blocks, start, out),
            16 => gather::<16>(blocks, start, out),
            32 => gather::<32>(blocks, start, out),
            64 => gather::<64>(blocks, start, out),
            128 => gather::<128>(blocks, start, out),
            _ => blocks.for_each(|block| out.extend_from_slice(&block[plane.bytes.clone()])),
        }
    }

    /// Appends to `out` the weights of `blocks` (whole blocks as in the file).
    pub fn decode(&self, blocks: &[u8], out: &mut Vec<f32>) {
        let blocks = blocks.chunks_exact(self.block_bytes);
        debug_assert!(blocks.remainder().is_empty(), "{}: part of a block", self.name);
        let start = out.len();
        out.resize(start + blocks.len() * self.block_len, 0.0);
        for (block, weights) in blocks.zip(out[start..].chunks_exact_mut(self.block_len)) {
            (self.decode_block)(block, weights);
        }
    }

    /// Whether the planes are few enough and cover the block without gap or overlap, for the assertion beside
    /// each layout.
    pub(super) const fn is_sound(&self) -> bool {
        let mut end = 0;
        let mut plane = 0;
        while plane < self.planes.len() {
            if self.planes[plane].bytes.start != end || self.planes[plane].bytes.end <= end {
                return false;
            }
            end = self.planes[plane].bytes.end;
            plane += 1;
        }
        end == self.block_bytes && self.planes.len() <= MAX_PLANES
    }
}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Format {
    fn eq(&self, other: &Self) -> bool {
        self.ggml_type == other.ggml_type
    }
}

impl Eq for Format {}

/// Appends `LEN` bytes of each block, from `start` on.
fn gather<const LEN: usize>(blocks: ChunksExact<'_, u8>, start: usize, out: &mut Vec<u8>) {
    let at = out.len();
    out.resize(at + blocks.len() * LEN, 0);
    for (block, to) in blocks.zip(out[at..].as_chunks_mut::<LEN>().0) {
        if let Some(bytes) = block[start..].first_chunk() {
            *to = *bytes;
        }
    }
}

/// The little-endian f16 at byte `at` of a block.
pub(super) fn f16_at(block: &[u8], at: usize) -> f32 {
    half::f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

#[cfg(test)]
pub(super) mod tests {
    use super::Format;

    /// Decodes one block of zeros with the given bytes in it.
    pub(in crate::quant) fn decode_with(format: &Format, bytes: &[(usize, &[u8])]) -> Vec<f32> {
        let mut block = vec![0; format.block_bytes];
        for (at, bytes) in bytes {
            block[*at..at + bytes.len()].copy_from_slice(bytes);
        }
        let mut weights = Vec::new();
        format.decode(&block, &mut weights);
        weights
    }

    /// The bytes of an f16 in a block.
    pub(in crate::quant) fn f16(value: f32) -> [u8; 2] {
        half::f16::from_f32(value).to_le_bytes()
    }
}
