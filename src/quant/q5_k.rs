//! `Q5_K`: 256 weights in 176 bytes (5.5 bits each), `w = d scale q - dmin min`.
//!
//! ```text
//! byte 0   2      4                    16      48            176
//!      | d | dmin | scales and minima  | high  | quants      |
//!      f16 f16      8 + 8 six-bit numbers (k_scales.rs), one of each per 32 weights
//! high:   bit s of byte i is the fifth bit of weight 32 s + i
//! quants: 4 x 32 bytes; byte i of part p: weight 64 p + i in the low nibble, weight 64 p + 32 + i in the high one
//! ```
//!
//! ggml: `block_q5_K`, `dequantize_row_q5_K`.

use super::format::{Format, Plane, f16_at};
use super::k_scales::scale_min;

/// 5-bit weights, a six-bit scale and minimum per 32.
pub static Q5_K: Format = Format {
    name: "Q5_K",
    ggml_type: 13,
    block_len: 256,
    block_bytes: 176,
    planes: &[
        Plane { name: "header", bytes: 0..16 },
        Plane { name: "high", bytes: 16..48 },
        Plane { name: "quants", bytes: 48..176 },
    ],
    wgsl: include_str!("../../shaders/formats/q5_k.wgsl"),
    decode_block,
};
const _: () = assert!(Q5_K.is_sound() && Q5_K.block_bytes == 2 * 2 + 12 + 256 / 8 + 256 / 2);

fn decode_block(block: &[u8], weights: &mut [f32]) {
    let (d, dmin) = (f16_at(block, 0), f16_at(block, 2));
    let (scales, high, quants) = (&block[4..16], &block[16..48], &block[48..176]);
    for (sub, weights) in weights.chunks_exact_mut(32).enumerate() {
        let (scale, min) = scale_min(scales, sub);
        let (scale, min) = (f32::from(scale), f32::from(min));
        let (scale, min) = (d * scale, dmin * min);
        for ((weight, &q), &h) in weights.iter_mut().zip(&quants[sub / 2 * 32..]).zip(high) {
            let (four, fifth) = ((q >> (sub % 2 * 4)) & 15, (h >> sub) & 1);
            *weight = scale * f32::from(four | (fifth << 4)) - min;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Q5_K;
    use crate::quant::format::tests::{decode_with, f16};

    #[test]
    fn bit_s_of_high_belongs_to_sub_block_s() {
        let header = [f16(0.5), f16(0.25)].concat();
        // Sub-block 3 (weights 96..128): scale 3, minimum 2.
        let parts: [(usize, &[u8]); 5] =
            [(0, &header), (4 + 3, &[3]), (4 + 7, &[2]), (16, &[1 << 3, 0xf7]), (48 + 32, &[0xa7, 0xa7])];
        let weights = decode_with(&Q5_K, &parts);
        assert_eq!((weights[96], weights[97], weights[98]), (38.5, 14.5, -0.5));
    }
}
