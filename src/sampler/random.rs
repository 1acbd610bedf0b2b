//! Random numbers by counter: a draw depends on the seed and its position, not on earlier draws.

/// A number in [0, 1) from a counter: 24 bits, so that f32 holds it exactly and WGSL makes the same.
#[must_use]
pub fn uniform(seed: u64, counter: u32) -> f64 {
    let hashed = pcg(seed_hash(seed).wrapping_add(counter));
    f64::from(hashed >> 8) / f64::from(1u32 << 24)
}

/// The part of the hash that is the same for every counter.
#[must_use]
pub(super) fn seed_hash(seed: u64) -> u32 {
    pcg(pcg(seed as u32).wrapping_add((seed >> 32) as u32))
}

/// The PCG hash of Jarzynski and Olano, "Hash functions for GPU rendering" (JCGT 2020).
fn pcg(input: u32) -> u32 {
    let state = input.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
    let word = ((state >> ((state >> 28) + 4)) ^ state).wrapping_mul(277_803_737);
    (word >> 22) ^ word
}
