//! F32, F16 and BF16: plain little-endian numbers. A block is one weight, and the only plane has the bytes of
//! the file.
//!
//! ```text
//! F32   | 4 bytes: IEEE 754 binary32      |
//! F16   | 2 bytes: IEEE 754 binary16      |
//! BF16  | 2 bytes: upper half of a binary32 |
//! ```
//!
//! The GPU reads sixteen weights at once (64 or 32 bytes), so a part of a matrix starts at a multiple of 16
//! weights.
//!
//! ggml: `GGML_TYPE_F32`, `GGML_TYPE_F16`, `GGML_TYPE_BF16`.

use super::format::{Format, Plane, f16_at};

/// 32-bit floats.
pub static F32: Format = Format {
    name: "F32",
    ggml_type: 0,
    block_len: 1,
    block_bytes: 4,
    planes: &[Plane { name: "values", bytes: 0..4 }],
    wgsl: include_str!("../../shaders/formats/f32.wgsl"),
    decode_block: |block, weights| weights[0] = f32::from_le_bytes([block[0], block[1], block[2], block[3]]),
};
const _: () = assert!(F32.is_sound());

/// 16-bit IEEE floats.
pub static F16: Format = Format {
    name: "F16",
    ggml_type: 1,
    block_len: 1,
    block_bytes: 2,
    planes: &[Plane { name: "values", bytes: 0..2 }],
    wgsl: include_str!("../../shaders/formats/f16.wgsl"),
    decode_block: |block, weights| weights[0] = f16_at(block, 0),
};
const _: () = assert!(F16.is_sound());

/// 16-bit brain floats.
pub static BF16: Format = Format {
    name: "BF16",
    ggml_type: 30,
    block_len: 1,
    block_bytes: 2,
    planes: &[Plane { name: "values", bytes: 0..2 }],
    wgsl: include_str!("../../shaders/formats/bf16.wgsl"),
    decode_block: |block, weights| weights[0] = f32::from_le_bytes([0, 0, block[0], block[1]]),
};
const _: () = assert!(BF16.is_sound());

#[cfg(test)]
mod tests {
    use super::{BF16, F16, F32};
    use crate::quant::format::tests::decode_with;

    #[test]
    fn floats_are_themselves() {
        assert_eq!(decode_with(&F32, &[(0, &(-1.5f32).to_le_bytes())]), [-1.5]);
        assert_eq!(decode_with(&F16, &[(0, &[0x00, 0xc0])]), [-2.0]);
        assert_eq!(decode_with(&F16, &[(0, &[0x01, 0x00])]), [5.960_464_5e-8], "the smallest subnormal f16");
        assert_eq!(decode_with(&BF16, &[(0, &[0x80, 0xbf])]), [-1.0]);
    }
}
