//! `Q4_0`: 32 weights in 18 bytes (4.5 bits each), `w = d (q - 8)`.
//!
//! ```text
//! byte 0   2                               18
//!      | d | quants                        |
//!      f16   byte i: weight i in the low nibble, weight 16 + i in the high one
//! ```
//!
//! ggml: `block_q4_0`, `dequantize_row_q4_0`.

use super::format::{Format, Plane, f16_at};

/// 4-bit weights, one scale per 32.
pub static Q4_0: Format = Format {
    name: "Q4_0",
    ggml_type: 2,
    block_len: 32,
    block_bytes: 18,
    planes: &[Plane { name: "scales", bytes: 0..2 }, Plane { name: "quants", bytes: 2..18 }],
    wgsl: include_str!("../../shaders/formats/q4_0.wgsl"),
    decode_block,
};
const _: () = assert!(Q4_0.is_sound() && Q4_0.block_bytes == 2 + 32 / 2);

fn decode_block(block: &[u8], weights: &mut [f32]) {
    let d = f16_at(block, 0);
    for (i, &q) in block[2..18].iter().enumerate() {
        weights[i] = d * (f32::from(q & 15) - 8.0);
        weights[i + 16] = d * (f32::from(q >> 4) - 8.0);
    }
}

#[cfg(test)]
mod tests {
    use super::Q4_0;
    use crate::quant::format::tests::{decode_with, f16};

    #[test]
    fn low_nibbles_come_first() {
        let weights = decode_with(&Q4_0, &[(0, &f16(0.5)), (2, &[0xf8]), (17, &[0x1a])]);
        assert_eq!((weights[0], weights[16]), (0.0, 3.5));
        assert_eq!((weights[15], weights[31]), (1.0, -3.5));
        assert_eq!(weights[1], -4.0);
    }
}
