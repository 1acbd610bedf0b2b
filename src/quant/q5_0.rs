//! `Q5_0`: 32 weights in 22 bytes (5.5 bits each), `w = d (q - 16)`.
//!
//! ```text
//! byte 0   2        6                      22
//!      | d | high   | quants               |
//!      f16   u32      byte i: low four bits of weight i in the low nibble, of weight 16 + i in the high one
//!            bit i: fifth bit of weight i
//! ```
//!
//! ggml: `block_q5_0`, `dequantize_row_q5_0`.

use super::format::{Format, Plane, f16_at};

/// 5-bit weights, one scale per 32.
pub static Q5_0: Format = Format {
    name: "Q5_0",
    ggml_type: 6,
    block_len: 32,
    block_bytes: 22,
    planes: &[
        Plane { name: "scales", bytes: 0..2 },
        Plane { name: "high", bytes: 2..6 },
        Plane { name: "quants", bytes: 6..22 },
    ],
    wgsl: include_str!("../../shaders/formats/q5_0.wgsl"),
    decode_block,
};
const _: () = assert!(Q5_0.is_sound() && Q5_0.block_bytes == 2 + 4 + 32 / 2);

fn decode_block(block: &[u8], weights: &mut [f32]) {
    let d = f16_at(block, 0);
    for (weight, q) in weights.iter_mut().zip(five_bits(&block[2..22])) {
        *weight = d * (q - 16.0);
    }
}

/// The 32 five-bit numbers of a `Q5_0` or `Q5_1` block: `bytes` are the four bytes of `high` and the sixteen
/// of `quants`.
pub(super) fn five_bits(bytes: &[u8]) -> impl Iterator<Item = f32> + '_ {
    (0..32).map(|i| {
        let four = (bytes[4 + i % 16] >> (i / 16 * 4)) & 15;
        let fifth = (bytes[i / 8] >> (i % 8)) & 1;
        f32::from(four | (fifth << 4))
    })
}

#[cfg(test)]
mod tests {
    use super::Q5_0;
    use crate::quant::format::tests::{decode_with, f16};

    #[test]
    fn bit_i_of_high_belongs_to_weight_i() {
        let high = ((1u32 << 0) | (1 << 15) | (1 << 16)).to_le_bytes();
        let weights = decode_with(&Q5_0, &[(0, &f16(0.5)), (2, &high), (6, &[0xf8]), (21, &[0x1a])]);
        assert_eq!((weights[0], weights[16]), (4.0, 7.5));
        assert_eq!((weights[15], weights[31]), (5.0, -7.5));
        assert_eq!(weights[1], -8.0);
    }
}
