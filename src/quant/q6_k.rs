//! `Q6_K`: 256 weights in 210 bytes (6.5625 bits each), `w = d scale (q - 32)`.
//!
//! ```text
//! byte 0              128        192       208 210
//!      | low          | high     | scales  | d |
//!                                  i8 x 16   f16
//! low:    2 x 64 bytes; byte i of half n: four low bits of weight 128 n + i in the low nibble, of weight
//!         128 n + 64 + i in the high one
//! high:   2 x 32 bytes; byte i of half n holds, from its lowest pair of bits up, two high bits of the weights
//!         128 n + i, 128 n + 32 + i, 128 n + 64 + i, 128 n + 96 + i
//! scales: byte g belongs to the weights 16 g .. 16 g + 16
//! ```
//!
//! ggml: `block_q6_K`, `dequantize_row_q6_K`.

use super::format::{Format, Plane, f16_at};

/// 6-bit weights, an eight-bit scale per 16.
pub static Q6_K: Format = Format {
    name: "Q6_K",
    ggml_type: 14,
    block_len: 256,
    block_bytes: 210,
    planes: &[
        Plane { name: "low", bytes: 0..128 },
        Plane { name: "high", bytes: 128..192 },
        Plane { name: "scales", bytes: 192..208 },
        Plane { name: "d", bytes: 208..210 },
    ],
    wgsl: include_str!("../../shaders/formats/q6_k.wgsl"),
    decode_block,
};
const _: () = assert!(Q6_K.is_sound() && Q6_K.block_bytes == 256 / 2 + 256 / 4 + 256 / 16 + 2);

fn decode_block(block: &[u8], weights: &mut [f32]) {
    let (low, high, scales) = (&block[..128], &block[128..192], &block[192..208]);
    let d = f16_at(block, 208);
    for (group, weights) in weights.chunks_exact_mut(16).enumerate() {
        let (half, quarter, odd) = (group / 8, group / 2 % 4, group % 2);
        let scale = d * f32::from(scales[group].cast_signed());
        let low = &low[half * 64 + quarter % 2 * 32 + odd * 16..];
        for ((weight, &q), &h) in weights.iter_mut().zip(low).zip(&high[half * 32 + odd * 16..]) {
            let (four, two) = ((q >> (quarter / 2 * 4)) & 15, (h >> (quarter * 2)) & 3);
            *weight = scale * (f32::from(four | (two << 4)) - 32.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Q6_K;
    use crate::quant::format::tests::{decode_with, f16};

    #[test]
    fn low_nibbles_are_64_and_high_pairs_32_weights_apart() {
        // Group 13 = half 1, quarter 2, odd: weights 208..224, high nibbles of low[80..], third pairs of
        // high[48..].
        let parts: [(usize, &[u8]); 4] =
            [(80, &[0x90]), (128 + 48, &[0b11_0000]), (192 + 13, &[0xfe]), (208, &f16(0.5))];
        let weights = decode_with(&Q6_K, &parts);
        assert_eq!((weights[208], weights[209]), (-25.0, 32.0));
        assert_eq!(weights[0], 0.0, "its scale is zero");
    }
}
