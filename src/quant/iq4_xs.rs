//! `IQ4_XS`: 256 weights in 136 bytes (4.25 bits each), `w = d (scale - 32) levels[q]` with the levels of
//! `IQ4_NL`.
//!
//! ```text
//! byte 0   2      4            8                             136
//!      | d | high | low        | quants                      |
//!      f16   u16    nibble s     8 x 16 bytes; byte i of sub-block s: weight 32 s + i in the low nibble, of weight
//!                                32 s + 16 + i in the high one
//! high, low: two upper bits and four lower bits of eight six-bit scales, from the lowest bits up
//! ```
//!
//! ggml: `block_iq4_xs`, `dequantize_row_iq4_xs`.

use super::format::{Format, Plane, f16_at};
use super::iq4_nl::levels32;

/// 4-bit weights on uneven levels, a six-bit scale per 32.
pub static IQ4_XS: Format = Format {
    name: "IQ4_XS",
    ggml_type: 23,
    block_len: 256,
    block_bytes: 136,
    planes: &[Plane { name: "header", bytes: 0..8 }, Plane { name: "quants", bytes: 8..136 }],
    wgsl: include_str!("../../shaders/formats/iq4_xs.wgsl"),
    decode_block,
};
const _: () = assert!(IQ4_XS.is_sound() && IQ4_XS.block_bytes == 2 + 2 + 256 / 64 + 256 / 2);

fn decode_block(block: &[u8], weights: &mut [f32]) {
    let d = f16_at(block, 0);
    let high = u16::from_le_bytes([block[2], block[3]]);
    let sub_blocks = block[8..136].chunks_exact(16).zip(weights.chunks_exact_mut(32));
    for (sub, (quants, weights)) in sub_blocks.enumerate() {
        let four = (block[4 + sub / 2] >> (sub % 2 * 4)) & 15;
        let two = (high >> (sub * 2)) & 3;
        let scale = f32::from(u16::from(four) | (two << 4)) - 32.0;
        levels32(d * scale, quants, weights);
    }
}

#[cfg(test)]
mod tests {
    use super::IQ4_XS;
    use crate::quant::format::tests::{decode_with, f16};

    #[test]
    fn six_bits_of_scale_lie_in_two_places() {
        // Sub-block 5: scale 0b10_0111 = 39, so d (39 - 32) = 3.5; its quants are the bytes 88..104.
        let high = (0b10u16 << 10).to_le_bytes();
        let parts: [(usize, &[u8]); 4] = [(0, &f16(0.5)), (2, &high), (6, &[0x70]), (88, &[0x9f])];
        let weights = decode_with(&IQ4_XS, &parts);
        assert_eq!((weights[160], weights[176]), (395.5, 45.5));
        assert_eq!((weights[161], weights[159]), (-444.5, 2032.0));
    }
}
