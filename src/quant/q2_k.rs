//! `Q2_K`: 256 weights in 84 bytes (2.625 bits each), `w = d scale q - dmin min`.
//!
//! ```text
//! byte 0           16                 80  82     84
//!      | scales    | quants           | d | dmin |
//!        byte g: scale (low nibble)     f16 f16
//!        and min (high nibble) of group g of 16 weights
//!                    2 x 32 bytes; byte i of half n holds, from its lowest pair of bits up, the weights
//!                    128 n + i, 128 n + 32 + i, 128 n + 64 + i, 128 n + 96 + i
//! ```
//!
//! ggml: `block_q2_K`, `dequantize_row_q2_K`.

use super::format::{Format, Plane, f16_at};

/// 2-bit weights, a four-bit scale and minimum per 16.
pub static Q2_K: Format = Format {
    name: "Q2_K",
    ggml_type: 10,
    block_len: 256,
    block_bytes: 84,
    planes: &[
        Plane { name: "scales", bytes: 0..16 },
        Plane { name: "quants", bytes: 16..80 },
        Plane { name: "d", bytes: 80..84 },
    ],
    wgsl: include_str!("../../shaders/formats/q2_k.wgsl"),
    decode_block,
};
const _: () = assert!(Q2_K.is_sound() && Q2_K.block_bytes == 256 / 16 + 256 / 4 + 2 * 2);

fn decode_block(block: &[u8], weights: &mut [f32]) {
    let (scales, quants) = (&block[..16], &block[16..80]);
    let (d, dmin) = (f16_at(block, 80), f16_at(block, 82));
    for (group, weights) in weights.chunks_exact_mut(16).enumerate() {
        let (half, pair, odd) = (group / 8, group / 2 % 4, group % 2);
        let scale = d * f32::from(scales[group] & 15);
        let min = dmin * f32::from(scales[group] >> 4);
        for (weight, &q) in weights.iter_mut().zip(&quants[half * 32 + odd * 16..]) {
            *weight = scale * f32::from((q >> (pair * 2)) & 3) - min;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Q2_K;
    use crate::quant::format::tests::{decode_with, f16};

    #[test]
    fn pairs_of_bits_are_32_weights_apart() {
        let d = [f16(0.5), f16(0.25)].concat();
        // Group 2 (weights 32..48) and group 9 (weights 144..160).
        let parts: [(usize, &[u8]); 5] =
            [(2, &[0x4f]), (9, &[0x02]), (16, &[0b1110_0100]), (64, &[3]), (80, &d)];
        let weights = decode_with(&Q2_K, &parts);
        assert_eq!((weights[32], weights[33], weights[144]), (6.5, -1.0, 3.0));
        assert_eq!((weights[0], weights[64]), (0.0, 0.0), "their scale is zero");
    }
}
