//! Random blocks: bytes from a counter, with plausible scales among them.
//!
//! The bytes of a tensor are 64-bit words. Each is a hash of the seed, the tensor and its own index, so each
//! can be computed without the ones before. The fields of a block that scale its weights keep a few of their
//! random bits, which choose from a table made for the tensor; quants stay as they are. Signs are random too:
//! otherwise quants that are not centred (0 to 15 minus 8) would give every weight the same small mean, which
//! the layers would add up.

use super::shapes::Tensor;
use crate::quant::{F16, F32, Format, Q4_K, Q6_K};

/// Blocks per group. A group of any format is a whole number of words.
const GROUP: usize = 4;
/// Bytes of the largest group, that of `Q6_K`.
const MAX_GROUP_BYTES: usize = GROUP * 210;
/// Groups that are filled and then corrected together: few enough to stay in the CPU cache.
const BATCH: usize = 64;

/// Different scales in a table; half of them negative.
const N_SCALES: usize = 16;
/// Different weights of an `F16` tensor.
const N_VALUES: usize = 4096;

/// Root mean square of the scales after [`finish_q4_k`], 8 to 15.
const Q4_K_SCALE: f32 = 11.726;
/// Root mean square of the scales after [`finish_q6_k`], -8 to -5 and 4 to 7.
const Q6_K_SCALE: f32 = 6.124;

/// Standard deviation of a uniform random integer of `bits` bits.
fn deviation(bits: i32) -> f32 {
    ((4f32.powi(bits) - 1.0) / 12.0).sqrt()
}

/// Generator of the bytes of one tensor.
#[derive(Debug)]
pub(super) struct Generator {
    key: u64,
    block_bytes: usize,
    finish: Finish,
}

/// Correction that turns random bytes into blocks.
#[derive(Debug)]
enum Finish {
    /// An f16 at the start of each block scales it.
    Scale([[u8; 2]; N_SCALES]),
    /// As above, with 7.5 times this scale for the minima.
    Q4K([[u8; 4]; N_SCALES]),
    /// The scale is at the end.
    Q6K([[u8; 2]; N_SCALES]),
    /// Each weight is one of these.
    F16(Vec<[u8; 2]>),
    /// Weights between 0.8 and 1.2 times this.
    F32(f32),
}

impl Finish {
    fn new(format: &Format, size: f32) -> Self {
        if *format == Q4_K {
            let scales = scales(size / deviation(4) / Q4_K_SCALE);
            return Self::Q4K(scales.map(|d| with_min_scale(half::f16::from_f32(d))));
        }
        if *format == Q6_K {
            return Self::Q6K(scales(size / deviation(6) / Q6_K_SCALE).map(to_f16));
        }
        if *format == F16 {
            // Uniform: the range is sqrt(3) deviations to either side.
            let value = |i: usize| (2.0 * (i as f32 + 0.5) / N_VALUES as f32 - 1.0) * 3f32.sqrt() * size;
            return Self::F16((0..N_VALUES).map(|i| to_f16(value(i))).collect());
        }
        if *format == F32 {
            return Self::F32(size);
        }
        // Q4_0, Q5_0 and Q8_0: a block is two bytes of scale and quants of equal length.
        let bits = (format.block_bytes - 2) * 8 / format.block_len;
        Self::Scale(scales(size / deviation(bits as i32)).map(to_f16))
    }
}

/// Scales around `scale`, a few per cent apart, with both signs.
fn scales(scale: f32) -> [f32; N_SCALES] {
    core::array::from_fn(|i| {
        let jitter = 0.895 + 0.03 * (i / 2) as f32;
        if i % 2 == 0 { scale * jitter } else { -scale * jitter }
    })
}

fn to_f16(value: f32) -> [u8; 2] {
    half::f16::from_f32(value).to_le_bytes()
}

/// `d` and `7.5 d`, the mean of four bits times `d`. The last four bits of `d` are dropped, so that the
/// product is exact.
fn with_min_scale(d: half::f16) -> [u8; 4] {
    let d = half::f16::from_bits(d.to_bits() & !15);
    let ([a, b], [c, e]) = (d.to_le_bytes(), to_f16(d.to_f32() * 7.5));
    [a, b, c, e]
}

impl Generator {
    pub(super) fn new(seed: u64, tensor_ix: u64, tensor: &Tensor) -> Self {
        Self {
            key: hash(seed.wrapping_add(hash(tensor_ix))),
            block_bytes: tensor.format.block_bytes,
            finish: Finish::new(tensor.format, tensor.size),
        }
    }

    /// Fills `out` with the tensor's bytes from `start` on.
    pub(super) fn fill(&self, start: u64, out: &mut [u8]) {
        let group_bytes = GROUP * self.block_bytes;
        let mut group = start / group_bytes as u64;
        let skip = (start % group_bytes as u64) as usize;
        let n_head = (group_bytes - skip) % group_bytes;
        let (head, rest) = out.split_at_mut(n_head.min(out.len()));
        if !head.is_empty() {
            self.part(group, skip, head);
            group += 1;
        }
        let (whole, tail) = rest.split_at_mut(rest.len() / group_bytes * group_bytes);
        for batch in whole.chunks_mut(BATCH * group_bytes) {
            self.groups(group, batch);
            group += (batch.len() / group_bytes) as u64;
        }
        if !tail.is_empty() {
            self.part(group, 0, tail);
        }
    }

    /// Part of one group, from byte `skip` of it on.
    fn part(&self, group: u64, skip: usize, out: &mut [u8]) {
        let mut whole = [0; MAX_GROUP_BYTES];
        self.groups(group, &mut whole[..GROUP * self.block_bytes]);
        out.copy_from_slice(&whole[skip..skip + out.len()]);
    }

    /// Whole groups, from number `group` on.
    fn groups(&self, group: u64, out: &mut [u8]) {
        let first = group * (GROUP * self.block_bytes / 8) as u64;
        for (word, i) in out.as_chunks_mut().0.iter_mut().zip(first..) {
            *word = hash(self.key.wrapping_add(i)).to_le_bytes();
        }
        let blocks = out.chunks_exact_mut(self.block_bytes);
        match &self.finish {
            Finish::Scale(scales) => blocks.for_each(|block| choose(block, 0, scales)),
            Finish::Q4K(scales) => blocks.for_each(|block| finish_q4_k(block, scales)),
            Finish::Q6K(scales) => blocks.for_each(|block| finish_q6_k(block, scales)),
            Finish::F16(values) => out.as_chunks_mut().0.iter_mut().for_each(|weight| {
                *weight = values[usize::from(u16::from_le_bytes(*weight)) % N_VALUES];
            }),
            Finish::F32(mean) => out.as_chunks_mut().0.iter_mut().for_each(|weight| {
                let unit = (u32::from_le_bytes(*weight) >> 8) as f32 / (1 << 24) as f32;
                *weight = (mean * (0.8 + 0.4 * unit)).to_le_bytes();
            }),
        }
    }
}

/// `SplitMix64` (Steele, Lea, Flood 2014): maps a counter to a uniformly distributed word.
fn hash(counter: u64) -> u64 {
    let x = counter.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Replaces the bytes at `at` by the scale that their random bits choose.
fn choose<const LEN: usize>(block: &mut [u8], at: usize, scales: &[[u8; LEN]; N_SCALES]) {
    if let Some(field) = block[at..].first_chunk_mut() {
        *field = scales[usize::from(field[0]) % N_SCALES];
    }
}

/// Sets scales from 8 to 15 and equal minima: with `7.5 d` for the minima the mean of the weights is zero.
fn finish_q4_k(block: &mut [u8], scales: &[[u8; 4]; N_SCALES]) {
    choose(block, 0, scales);
    for i in 4..8 {
        let scale = (block[i] & 7) | 8;
        (block[i], block[i + 4]) = (scale, scale);
        block[i + 8] = ((block[i + 8] & 7) | 8) * 0x11;
    }
}

/// Sets scales from 4 to 7, or from -8 to -5 if the sign bit is set.
fn finish_q6_k(block: &mut [u8], scales: &[[u8; 2]; N_SCALES]) {
    for scale in &mut block[192..208] {
        *scale = if *scale < 128 { *scale & 3 | 4 } else { *scale & 3 | 0xf8 };
    }
    choose(block, 208, scales);
}
