//! `Q4_1`: 32 weights in 20 bytes (5 bits each), `w = d q + m`.
//!
//! ```text
//! byte 0   2   4                           20
//!      | d | m | quants                    |
//!      f16 f16   byte i: weight i in the low nibble, weight 16 + i in the high one
//! ```
//!
//! ggml: `block_q4_1`, `dequantize_row_q4_1`.

use super::format::{Format, Plane, f16_at};

/// 4-bit weights, one scale and one minimum per 32.
pub static Q4_1: Format = Format {
    name: "Q4_1",
    ggml_type: 3,
    block_len: 32,
    block_bytes: 20,
    planes: &[Plane { name: "scales", bytes: 0..4 }, Plane { name: "quants", bytes: 4..20 }],
    wgsl: include_str!("../../shaders/formats/q4_1.wgsl"),
    decode_block,
};
const _: () = assert!(Q4_1.is_sound() && Q4_1.block_bytes == 2 * 2 + 32 / 2);

fn decode_block(block: &[u8], weights: &mut [f32]) {
    let (d, m) = (f16_at(block, 0), f16_at(block, 2));
    for (i, &q) in block[4..20].iter().enumerate() {
        weights[i] = d * f32::from(q & 15) + m;
        weights[i + 16] = d * f32::from(q >> 4) + m;
    }
}

#[cfg(test)]
mod tests {
    use super::Q4_1;
    use crate::quant::format::tests::{decode_with, f16};

    #[test]
    fn the_minimum_is_added() {
        let weights = decode_with(&Q4_1, &[(0, &f16(0.5)), (2, &f16(-1.0)), (4, &[0xf8]), (19, &[0x1a])]);
        assert_eq!((weights[0], weights[16]), (3.0, 6.5));
        assert_eq!((weights[15], weights[31]), (4.0, -0.5));
        assert_eq!(weights[1], -1.0);
    }
}
