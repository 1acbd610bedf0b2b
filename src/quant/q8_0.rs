//! `Q8_0`: 32 weights in 34 bytes (8.5 bits each), `w = d q`.
//!
//! ```text
//! byte 0   2                               34
//!      | d | quants                        |
//!      f16   i8 x 32, weight i in byte i
//! ```
//!
//! ggml: `block_q8_0`, `dequantize_row_q8_0`.

use super::format::{Format, Plane, f16_at};

/// 8-bit weights, one scale per 32.
pub static Q8_0: Format = Format {
    name: "Q8_0",
    ggml_type: 8,
    block_len: 32,
    block_bytes: 34,
    planes: &[Plane { name: "scales", bytes: 0..2 }, Plane { name: "quants", bytes: 2..34 }],
    wgsl: include_str!("../../shaders/formats/q8_0.wgsl"),
    decode_block,
};
const _: () = assert!(Q8_0.is_sound() && Q8_0.block_bytes == 2 + 32);

fn decode_block(block: &[u8], weights: &mut [f32]) {
    let d = f16_at(block, 0);
    for (weight, &q) in weights.iter_mut().zip(&block[2..34]) {
        *weight = d * f32::from(q.cast_signed());
    }
}

#[cfg(test)]
mod tests {
    use super::Q8_0;
    use crate::quant::format::tests::{decode_with, f16};

    #[test]
    fn quants_are_signed() {
        let weights = decode_with(&Q8_0, &[(0, &f16(0.5)), (2, &[0x7f, 0x80]), (33, &[0xff])]);
        assert_eq!((weights[0], weights[1], weights[2], weights[31]), (63.5, -64.0, 0.0, -0.5));
    }
}
