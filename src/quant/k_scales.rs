//! Scales of a `Q4_K` or `Q5_K` block: 12 bytes hold eight six-bit scales and eight six-bit minima.
//!
//! ```text
//! byte i     (i < 4)  | scale 4+i, bits 5-4 | scale i            |
//! byte 4 + i          | min   4+i, bits 5-4 | min   i            |
//! byte 8 + i          | min   4+i, bits 3-0 | scale 4+i, bits 3-0|
//! ```
//!
//! ggml: `get_scale_min_k4` in `ggml-quants.c`.

/// Scale and minimum (both 0..64) of sub-block `sub` (0..8).
pub(crate) fn scale_min(bytes: &[u8], sub: usize) -> (u8, u8) {
    if sub < 4 {
        (bytes[sub] & 63, bytes[sub + 4] & 63)
    } else {
        let low = bytes[sub + 4];
        ((low & 15) | ((bytes[sub - 4] >> 6) << 4), (low >> 4) | ((bytes[sub] >> 6) << 4))
    }
}

#[cfg(test)]
mod tests {
    use super::scale_min;

    /// Packs as ggml's `quantize_row_q4_K_ref` does.
    fn pack(scales: [u8; 8], mins: [u8; 8]) -> [u8; 12] {
        let mut bytes = [0; 12];
        for sub in 0..8 {
            let (scale, min) = (scales[sub], mins[sub]);
            if sub < 4 {
                bytes[sub] = scale;
                bytes[sub + 4] = min;
            } else {
                bytes[sub + 4] = (scale & 15) | ((min & 15) << 4);
                bytes[sub - 4] |= (scale >> 4) << 6;
                bytes[sub] |= (min >> 4) << 6;
            }
        }
        bytes
    }

    #[test]
    fn reads_what_ggml_packs() {
        let scales = [0, 63, 21, 42, 63, 0, 33, 17];
        let mins = [63, 0, 42, 21, 1, 62, 18, 40];
        let bytes = pack(scales, mins);
        for sub in 0..8 {
            assert_eq!(scale_min(&bytes, sub), (scales[sub], mins[sub]), "sub-block {sub}");
        }
    }
}
