//! Changes bytes as a fuzzer does: a seed is cut, repeated, spliced with another, and given numbers that are hard to get right.
//! The same number gives the same bytes, so that a finding is a number.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "a helper: each test file uses a part of it")]

/// Integers at which readers go wrong.
const HARD: [u64; 14] = [
    0,
    1,
    2,
    8,
    0x7f,
    0xff,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    1 << 32,
    i64::MAX as u64,
    u64::MAX - 31,
    u64::MAX - 1,
    u64::MAX,
];

/// `SplitMix64`.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`; 0 if `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

/// One of `seeds`, changed at up to eight places; in one of 64 cases nothing but noise.
pub fn mutated(seeds: &[Vec<u8>], number: u64) -> Vec<u8> {
    let mut random = Random(number);
    if random.below(64) == 0 || seeds.is_empty() {
        let len = random.below(400);
        return (0..len).map(|_| random.next() as u8).collect();
    }
    let mut bytes = seeds[random.below(seeds.len())].clone();
    // Most of what decides stands at the beginning of a file.
    let reach = if random.below(2) == 0 { 256 } else { usize::MAX };
    for _ in 0..=random.below(8) {
        change(&mut bytes, seeds, reach, &mut random);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, seeds: &[Vec<u8>], reach: usize, random: &mut Random) {
    let len = bytes.len();
    let at = random.below(len.min(reach));
    let some = 1 + random.below(32);
    match random.below(8) {
        0 if len > 0 => bytes[at] ^= 1 << random.below(8),
        1 if len > 0 => bytes[at] = random.next() as u8,
        2 | 3 => {
            let (number, width) = (HARD[random.below(HARD.len())], [1, 2, 4, 8][random.below(4)]);
            for (to, from) in bytes.iter_mut().skip(at).take(width).zip(number.to_le_bytes()) {
                *to = from;
            }
        }
        4 => drop(bytes.drain(at..(at + some).min(len))),
        5 => {
            let copy = bytes[at..(at + some).min(len)].to_vec();
            bytes.splice(at..at, copy);
        }
        6 => bytes.truncate(random.below(len)),
        _ => {
            let other = &seeds[random.below(seeds.len())];
            let from = random.below(other.len());
            let part = &other[from..(from + 4 * some).min(other.len())];
            bytes.splice(at..(at + part.len()).min(len), part.iter().copied());
        }
    }
}
