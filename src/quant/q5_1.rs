//! `Q5_1`: 32 weights in 24 bytes (6 bits each), `w = d q + m`.
//!
//! ```text
//! byte 0   2   4        8                  24
//!      | d | m | high   | quants           |
//!      f16 f16   u32      byte i: low four bits of weight i in the low nibble, of weight 16 + i in the high one
//!                bit i: fifth bit of weight i
//! ```
//!
//! ggml: `block_q5_1`, `dequantize_row_q5_1`.

use super::format::{Format, Plane, f16_at};
use super::q5_0::five_bits;

/// 5-bit weights, one scale and one minimum per 32.
pub static Q5_1: Format = Format {
    name: "Q5_1",
    ggml_type: 7,
    block_len: 32,
    block_bytes: 24,
    planes: &[
        Plane { name: "scales", bytes: 0..4 },
        Plane { name: "high", bytes: 4..8 },
        Plane { name: "quants", bytes: 8..24 },
    ],
    wgsl: include_str!("../../shaders/formats/q5_1.wgsl"),
    decode_block,
};
const _: () = assert!(Q5_1.is_sound() && Q5_1.block_bytes == 2 * 2 + 4 + 32 / 2);

fn decode_block(block: &[u8], weights: &mut [f32]) {
    let (d, m) = (f16_at(block, 0), f16_at(block, 2));
    for (weight, q) in weights.iter_mut().zip(five_bits(&block[4..24])) {
        *weight = d * q + m;
    }
}

#[cfg(test)]
mod tests {
    use super::Q5_1;
    use crate::quant::format::tests::{decode_with, f16};

    #[test]
    fn the_minimum_is_added_to_five_bits() {
        let high = ((1u32 << 7) | (1 << 31)).to_le_bytes();
        let scales = [f16(0.5), f16(-1.0)].concat();
        let weights = decode_with(&Q5_1, &[(0, &scales), (4, &high), (8, &[0xf8]), (23, &[0x1a])]);
        assert_eq!((weights[0], weights[16], weights[7]), (3.0, 6.5, 7.0));
        assert_eq!((weights[15], weights[31]), (4.0, 7.5));
        assert_eq!(weights[1], -1.0);
    }
}
