//! `Q4_K`: 256 weights in 144 bytes (4.5 bits each), `w = d scale q - dmin min`.
//!
//! ```text
//! byte 0   2      4                    16                 144
//!      | d | dmin | scales and minima  | quants           |
//!      f16 f16      8 + 8 six-bit numbers (k_scales.rs), one of each per 32 weights
//!                                        4 x 32 bytes; byte i of part p: weight 64 p + i in the low nibble,
//!                                        weight 64 p + 32 + i in the high one
//! ```
//!
//! ggml: `block_q4_K`, `dequantize_row_q4_K`.

use super::format::{Format, Plane, f16_at};
use super::k_scales::scale_min;

/// 4-bit weights, a six-bit scale and minimum per 32.
pub static Q4_K: Format = Format {
    name: "Q4_K",
    ggml_type: 12,
    block_len: 256,
    block_bytes: 144,
    planes: &[Plane { name: "header", bytes: 0..16 }, Plane { name: "quants", bytes: 16..144 }],
    wgsl: include_str!("../../shaders/formats/q4_k.wgsl"),
    decode_block,
};
const _: () = assert!(Q4_K.is_sound() && Q4_K.block_bytes == 2 * 2 + 12 + 256 / 2);

fn decode_block(block: &[u8], weights: &mut [f32]) {
    let (d, dmin) = (f16_at(block, 0), f16_at(block, 2));
    let (scales, quants) = (&block[4..16], &block[16..144]);
    for (sub, weights) in weights.chunks_exact_mut(32).enumerate() {
        let (scale, min) = scale_min(scales, sub);
        let (scale, min) = (f32::from(scale), f32::from(min));
        let (scale, min) = (d * scale, dmin * min);
        for (weight, &q) in weights.iter_mut().zip(&quants[sub / 2 * 32..]) {
            *weight = scale * f32::from((q >> (sub % 2 * 4)) & 15) - min;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Q4_K;
    use crate::quant::format::tests::{decode_with, f16};

    #[test]
    fn nibbles_are_32_weights_apart() {
        let header = [f16(0.5), f16(0.25)].concat();
        // Sub-block 2 (weights 64..96): scale 3, minimum 2. Sub-block 7 (weights 224..256): scale 1 | 1 << 4,
        // minimum 0.
        let parts: [(usize, &[u8]); 6] = [
            (0, &header),
            (4 + 2, &[3]),
            (4 + 6, &[2]),
            (4 + 3, &[1 << 6]),
            (4 + 11, &[1]),
            (16 + 32, &[0xa7]),
        ];
        let weights = decode_with(&Q4_K, &parts);
        assert_eq!((weights[64], weights[65], weights[96]), (10.0, -0.5, 0.0));
        let weights = decode_with(&Q4_K, &[parts.as_slice(), &[(143, &[0x2f])]].concat());
        assert_eq!(weights[255], 17.0);
    }
}
