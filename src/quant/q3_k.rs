//! `Q3_K`: 256 weights in 110 bytes (3.4375 bits each), `w = d (scale - 32) (q - 4)`.
//!
//! ```text
//! byte 0       32             96          108 110
//!      | high  | quants       | scales    | d |
//!                                           f16
//! high:   bit b of byte i is the third bit of weight 32 b + i
//! quants: 2 x 32 bytes; byte i of half n holds, from its lowest pair of bits up, two bits of the weights
//!         128 n + i, 128 n + 32 + i, 128 n + 64 + i, 128 n + 96 + i
//! scales: six bits per 16 weights. Scale g (0..16): low four bits in byte g % 8 (low nibble for g < 8, else high),
//!         high two bits in byte 8 + g % 4, pair g / 4
//! ```
//!
//! ggml: `block_q3_K`, `dequantize_row_q3_K`.

use super::format::{Format, Plane, f16_at};

/// 3-bit weights, a six-bit scale per 16.
pub static Q3_K: Format = Format {
    name: "Q3_K",
    ggml_type: 11,
    block_len: 256,
    block_bytes: 110,
    planes: &[
        Plane { name: "high", bytes: 0..32 },
        Plane { name: "quants", bytes: 32..96 },
        Plane { name: "scales", bytes: 96..108 },
        Plane { name: "d", bytes: 108..110 },
    ],
    wgsl: include_str!("../../shaders/formats/q3_k.wgsl"),
    decode_block,
};
const _: () = assert!(Q3_K.is_sound() && Q3_K.block_bytes == 256 / 8 + 256 / 4 + 16 * 6 / 8 + 2);

fn decode_block(block: &[u8], weights: &mut [f32]) {
    let (high, quants, scales) = (&block[..32], &block[32..96], &block[96..108]);
    let d = f16_at(block, 108);
    for (group, weights) in weights.chunks_exact_mut(16).enumerate() {
        let (half, pair, odd) = (group / 8, group / 2 % 4, group % 2);
        let scale = d * (f32::from(scale_of(scales, group)) - 32.0);
        let quants = &quants[half * 32 + odd * 16..];
        for ((weight, &q), &h) in weights.iter_mut().zip(quants).zip(&high[odd * 16..]) {
            let third = (h >> (group / 2)) & 1;
            *weight = scale * (f32::from(((q >> (pair * 2)) & 3) | (third << 2)) - 4.0);
        }
    }
}

/// Scale (0..64, 32 above its value) of group `group` (0..16), from the block's 12 bytes.
pub(crate) fn scale_of(scales: &[u8], group: usize) -> u8 {
    let low = (scales[group % 8] >> (group / 8 * 4)) & 15;
    let high = (scales[8 + group % 4] >> (group / 4 * 2)) & 3;
    low | (high << 4)
}

#[cfg(test)]
mod tests {
    use super::Q3_K;
    use crate::quant::format::tests::{decode_with, f16};

    #[test]
    fn a_clear_third_bit_takes_four_off() {
        // Group 11 = half 1, pair 1, odd: weights 176..192. Scale 11: byte 3 high nibble, byte 11 pair 2.
        let parts: [(usize, &[u8]); 5] = [
            (16, &[1 << 5]),
            (32 + 48, &[0b1100, 0b1000]),
            (96 + 3, &[0x50]),
            (96 + 11, &[0b10_0000]),
            (108, &f16(0.5)),
        ];
        let weights = decode_with(&Q3_K, &parts);
        // scale = 5 + 32 - 32
        assert_eq!((weights[176], weights[177], weights[178]), (7.5, -5.0, -10.0));
        assert_eq!(weights[0], 64.0, "scale 0 means -32, quant 0 means -4");
    }
}
