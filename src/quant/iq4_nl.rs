//! `IQ4_NL`: 32 weights in 18 bytes (4.5 bits each), `w = d levels[q]`: sixteen levels, denser around zero.
//!
//! ```text
//! byte 0   2                              18
//!      | d | quants                       |
//!      f16   byte i: weight i in the low nibble, weight 16 + i in the high one
//! ```
//!
//! ggml: `block_iq4_nl`, `kvalues_iq4nl`, `dequantize_row_iq4_nl`.

use super::format::{Format, Plane, f16_at};

/// 4-bit weights on uneven levels, one scale per 32.
pub static IQ4_NL: Format = Format {
    name: "IQ4_NL",
    ggml_type: 20,
    block_len: 32,
    block_bytes: 18,
    planes: &[Plane { name: "scales", bytes: 0..2 }, Plane { name: "quants", bytes: 2..18 }],
    wgsl: include_str!("../../shaders/formats/iq4_nl.wgsl"),
    decode_block,
};
const _: () = assert!(IQ4_NL.is_sound() && IQ4_NL.block_bytes == 2 + 32 / 2);

/// Levels of the sixteen values of a nibble. `levels16` in `shaders/lib/bytes.wgsl` has the same bytes, four
/// to a word.
const LEVELS: [i8; 16] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

fn decode_block(block: &[u8], weights: &mut [f32]) {
    levels32(f16_at(block, 0), &block[2..18], weights);
}

/// 32 weights of an `IQ4_NL` block or an `IQ4_XS` sub-block from their sixteen bytes of quants.
pub(super) fn levels32(d: f32, quants: &[u8], weights: &mut [f32]) {
    let (first, last) = weights.split_at_mut(16);
    for ((first, last), q) in first.iter_mut().zip(last).zip(quants) {
        *first = d * f32::from(LEVELS[usize::from(q & 15)]);
        *last = d * f32::from(LEVELS[usize::from(q >> 4)]);
    }
}

#[cfg(test)]
mod tests {
    use super::IQ4_NL;
    use crate::quant::format::tests::{decode_with, f16};

    #[test]
    fn low_nibbles_come_first_and_pick_a_level() {
        let weights = decode_with(&IQ4_NL, &[(0, &f16(0.5)), (2, &[0xf8]), (17, &[0x1a])]);
        assert_eq!((weights[0], weights[16]), (0.5, 56.5));
        assert_eq!((weights[15], weights[31]), (12.5, -52.0));
        assert_eq!(weights[1], -63.5);
    }
}
