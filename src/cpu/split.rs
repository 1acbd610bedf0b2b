//! Blocks of the file taken apart: a byte a code, and the scales beside them.

use crate::quant::{Format, scale_min, scale_of_q3_k};

/// Columns of the largest block.
pub const SUPER: usize = 256;

/// A block of the file, taken apart. What a format does not have stays zero.
#[derive(Clone, Copy, Debug)]
pub struct Split {
    /// Codes of the columns, before anything is taken from them.
    pub codes: [u8; SUPER],
    /// Scale and minimum as f16.
    pub half: [[u8; 2]; 2],
    /// Factors of the scales and of the minima.
    pub supers: [f32; 2],
    /// A byte for each group of columns: signed unless there are minima.
    pub scales: [u8; SUPER / 16],
    /// Minima of the groups.
    pub mins: [u8; SUPER / 16],
}

impl Default for Split {
    fn default() -> Self {
        Self { codes: [0; SUPER], half: [[0; 2]; 2], supers: [0.0; 2], scales: [0; 16], mins: [0; 16] }
    }
}

/// Takes a whole block apart; `false` if the format's weights are floats.
pub fn split(format: &Format, block: &[u8], to: &mut Split) -> bool {
    let run = match format.name {
        "Q8_0" => q8_0,
        "Q4_0" | "IQ4_NL" => q4_0,
        "Q4_1" => q4_1,
        "Q5_0" => q5_0,
        "Q5_1" => q5_1,
        "Q2_K" => q2_k,
        "Q3_K" => q3_k,
        "Q4_K" => q4_k,
        "Q5_K" => q5_k,
        "Q6_K" => q6_k,
        "IQ4_XS" => iq4_xs,
        _ => return false,
    };
    run(block, to);
    true
}

fn f16(bytes: &[u8]) -> f32 {
    half::f16::from_le_bytes([bytes[0], bytes[1]]).to_f32()
}

/// A minimum that the format adds instead of taking it away.
fn negated(bytes: &[u8]) -> [u8; 2] {
    [bytes[0], bytes[1] ^ 0x80]
}

/// Sixteen bytes whose low nibbles are the first sixteen codes and whose high nibbles the next.
fn nibbles_16_apart(bytes: &[u8], to: &mut [u8]) {
    let (low, high) = to.split_at_mut(16);
    for ((low, high), byte) in low.iter_mut().zip(high).zip(bytes) {
        (*low, *high) = (byte & 15, byte >> 4);
    }
}

/// The fifth bits of 32 codes.
fn fifth_bits(bytes: &[u8], to: &mut [u8]) {
    let bits = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    for (i, code) in to.iter_mut().take(32).enumerate() {
        *code |= (((bits >> i) & 1) as u8) << 4;
    }
}

fn q8_0(block: &[u8], to: &mut Split) {
    to.half[0] = [block[0], block[1]];
    for (code, byte) in to.codes.iter_mut().zip(&block[2..34]) {
        *code = byte ^ 0x80;
    }
}

fn q4_0(block: &[u8], to: &mut Split) {
    to.half[0] = [block[0], block[1]];
    nibbles_16_apart(&block[2..18], &mut to.codes[..32]);
}

fn q4_1(block: &[u8], to: &mut Split) {
    to.half = [[block[0], block[1]], negated(&block[2..4])];
    nibbles_16_apart(&block[4..20], &mut to.codes[..32]);
}

fn q5_0(block: &[u8], to: &mut Split) {
    to.half[0] = [block[0], block[1]];
    nibbles_16_apart(&block[6..22], &mut to.codes[..32]);
    fifth_bits(&block[2..6], &mut to.codes);
}

fn q5_1(block: &[u8], to: &mut Split) {
    to.half = [[block[0], block[1]], negated(&block[2..4])];
    nibbles_16_apart(&block[8..24], &mut to.codes[..32]);
    fifth_bits(&block[4..8], &mut to.codes);
}

fn q2_k(block: &[u8], to: &mut Split) {
    to.supers = [f16(&block[80..]), f16(&block[82..])];
    for (g, scale) in block[..16].iter().enumerate() {
        (to.scales[g], to.mins[g]) = (scale & 15, scale >> 4);
    }
    two_bits(&block[16..80], &mut to.codes);
}

/// Two bits a code: byte `i` of each 32 holds, from its lowest pair up, those of the codes `i`, `32 + i`, `64 + i`, `96 + i`.
fn two_bits(bytes: &[u8], to: &mut [u8; SUPER]) {
    for (bytes, to) in bytes.chunks_exact(32).zip(to.chunks_exact_mut(128)) {
        for (pair, to) in to.chunks_exact_mut(32).enumerate() {
            for (code, byte) in to.iter_mut().zip(bytes) {
                *code = (byte >> (2 * pair)) & 3;
            }
        }
    }
}

fn q3_k(block: &[u8], to: &mut Split) {
    to.supers[0] = f16(&block[108..]);
    for (g, scale) in to.scales.iter_mut().enumerate() {
        *scale = scale_of_q3_k(&block[96..108], g).wrapping_sub(32);
    }
    two_bits(&block[32..96], &mut to.codes);
    for (part, codes) in to.codes.chunks_exact_mut(32).enumerate() {
        for (code, high) in codes.iter_mut().zip(&block[..32]) {
            *code |= ((high >> part) & 1) << 2;
        }
    }
}

/// Scales and minima of a `Q4_K` or `Q5_K` block.
fn k_scales(block: &[u8], to: &mut Split) {
    to.supers = [f16(block), f16(&block[2..])];
    for sub in 0..8 {
        (to.scales[sub], to.mins[sub]) = scale_min(&block[4..16], sub);
    }
}

/// Nibbles of 64 codes in 32 bytes: low ones first.
fn nibbles_32_apart(bytes: &[u8], to: &mut [u8; SUPER]) {
    for (bytes, to) in bytes.chunks_exact(32).zip(to.chunks_exact_mut(64)) {
        let (low, high) = to.split_at_mut(32);
        for ((low, high), byte) in low.iter_mut().zip(high).zip(bytes) {
            (*low, *high) = (byte & 15, byte >> 4);
        }
    }
}

fn q4_k(block: &[u8], to: &mut Split) {
    k_scales(block, to);
    nibbles_32_apart(&block[16..144], &mut to.codes);
}

fn q5_k(block: &[u8], to: &mut Split) {
    k_scales(block, to);
    nibbles_32_apart(&block[48..176], &mut to.codes);
    for (sub, codes) in to.codes.chunks_exact_mut(32).enumerate() {
        for (code, high) in codes.iter_mut().zip(&block[16..48]) {
            *code |= ((high >> sub) & 1) << 4;
        }
    }
}

fn q6_k(block: &[u8], to: &mut Split) {
    to.supers[0] = f16(&block[208..]);
    to.scales.copy_from_slice(&block[192..208]);
    let halves = block[..128].chunks_exact(64).zip(block[128..192].chunks_exact(32));
    for ((low, high), to) in halves.zip(to.codes.chunks_exact_mut(128)) {
        for (quarter, to) in to.chunks_exact_mut(32).enumerate() {
            let low = &low[quarter % 2 * 32..][..32];
            for ((code, low), high) in to.iter_mut().zip(low).zip(high) {
                *code = ((low >> (quarter / 2 * 4)) & 15) | (((high >> (2 * quarter)) & 3) << 4);
            }
        }
    }
}

fn iq4_xs(block: &[u8], to: &mut Split) {
    to.supers[0] = f16(block);
    let high = u16::from_le_bytes([block[2], block[3]]);
    for (sub, quants) in block[8..136].chunks_exact(16).enumerate() {
        let four = (block[4 + sub / 2] >> (sub % 2 * 4)) & 15;
        let two = ((high >> (sub * 2)) & 3) as u8;
        to.scales[sub] = (four | (two << 4)).wrapping_sub(32);
        nibbles_16_apart(quants, &mut to.codes[32 * sub..32 * (sub + 1)]);
    }
}
