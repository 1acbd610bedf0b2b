//! Weights as codes: how the bits of eight rows and 32 columns lie in memory, and how they become bytes.
//!
//! A block is 8 rows by 32 columns. Byte `4 r + c` of a chunk of 32 bytes belongs to row `r`; a quad is four columns:
//!
//! ```text
//! eight bits   8 chunks   chunk q: quad q
//! four bits    4 chunks   chunk i: quad 2 i in the low nibbles, quad 2 i + 1 in the high ones
//! two bits     2 chunks   chunk h: quads 4 h to 4 h + 3, from the lowest pair of bits up
//! one bit      1 chunk    quads 0 to 7, from the lowest bit up
//! ```
//!
//! Codes of five bits are four and one, of six four and two, of three two and one.

use core::ops::Range;

use crate::cpu::lanes::{Lanes, ROWS};

/// Bytes of a chunk: four columns of eight rows, eight bits each.
pub const CHUNK: usize = 4 * ROWS;
/// Quads of a block.
pub const QUADS: usize = 8;

/// The way from the bits of a block to its codes.
pub trait Codes {
    /// Bits of the plane that every code has, and of the one above it.
    const BITS: [usize; 2];
    /// What is taken from a code.
    const ZERO: i32;
    /// Whether codes reach 128 or more.
    const WIDE: bool = false;

    /// The codes of all quads. `chunks` are those of one block; too few give zeros.
    fn quads<L: Lanes>(lanes: L, chunks: &[[u8; CHUNK]]) -> [L::Bytes; QUADS];
}

/// Chunks of a block.
#[must_use]
pub const fn n_chunks<C: Codes>() -> usize {
    C::BITS[0] + C::BITS[1]
}

/// Eight bits: signed weights plus 128.
#[derive(Debug)]
pub struct Eight;

impl Codes for Eight {
    const BITS: [usize; 2] = [8, 0];
    const ZERO: i32 = 128;
    const WIDE: bool = true;

    #[inline(always)]
    fn quads<L: Lanes>(lanes: L, chunks: &[[u8; CHUNK]]) -> [L::Bytes; QUADS] {
        let none = lanes.bytes(&[0; CHUNK]);
        let Some(chunks) = chunks.first_chunk::<QUADS>() else { return [none; QUADS] };
        array!(q < QUADS, none, lanes.bytes(&chunks[q]))
    }
}

/// Four bits.
#[derive(Debug)]
pub struct Four<const ZERO: i32>;

impl<const ZERO: i32> Codes for Four<ZERO> {
    const BITS: [usize; 2] = [4, 0];
    const ZERO: i32 = ZERO;

    #[inline(always)]
    fn quads<L: Lanes>(lanes: L, chunks: &[[u8; CHUNK]]) -> [L::Bytes; QUADS] {
        nibbles(lanes, chunks)
    }
}

/// Four bits that choose one of sixteen levels.
#[derive(Debug)]
pub struct Levels;

/// The levels of `IQ4_NL` and `IQ4_XS` plus 128.
const LEVELS: [u8; 16] = [1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241];

impl Codes for Levels {
    const BITS: [usize; 2] = [4, 0];
    const ZERO: i32 = 128;
    const WIDE: bool = true;

    #[inline(always)]
    fn quads<L: Lanes>(lanes: L, chunks: &[[u8; CHUNK]]) -> [L::Bytes; QUADS] {
        let ix = nibbles(lanes, chunks);
        array!(q < QUADS, ix[0], lanes.look_up(ix[q], &LEVELS))
    }
}

/// Four bits and one above them.
#[derive(Debug)]
pub struct Five<const ZERO: i32>;

impl<const ZERO: i32> Codes for Five<ZERO> {
    const BITS: [usize; 2] = [4, 1];
    const ZERO: i32 = ZERO;

    #[inline(always)]
    fn quads<L: Lanes>(lanes: L, chunks: &[[u8; CHUNK]]) -> [L::Bytes; QUADS] {
        let Some((low, [high])) = chunks.split_at_checked(4) else {
            return [lanes.bytes(&[0; CHUNK]); QUADS];
        };
        above::<L, 4>(lanes, nibbles(lanes, low), single_bits(lanes, high))
    }
}

/// Four bits and two above them.
#[derive(Debug)]
pub struct Six<const ZERO: i32>;

impl<const ZERO: i32> Codes for Six<ZERO> {
    const BITS: [usize; 2] = [4, 2];
    const ZERO: i32 = ZERO;

    #[inline(always)]
    fn quads<L: Lanes>(lanes: L, chunks: &[[u8; CHUNK]]) -> [L::Bytes; QUADS] {
        let Some((low, high)) = chunks.split_at_checked(4) else { return [lanes.bytes(&[0; CHUNK]); QUADS] };
        above::<L, 4>(lanes, nibbles(lanes, low), pairs(lanes, high))
    }
}

/// Two bits.
#[derive(Debug)]
pub struct Two;

impl Codes for Two {
    const BITS: [usize; 2] = [2, 0];
    const ZERO: i32 = 0;

    #[inline(always)]
    fn quads<L: Lanes>(lanes: L, chunks: &[[u8; CHUNK]]) -> [L::Bytes; QUADS] {
        pairs(lanes, chunks)
    }
}

/// Two bits and one above them.
#[derive(Debug)]
pub struct Three<const ZERO: i32>;

impl<const ZERO: i32> Codes for Three<ZERO> {
    const BITS: [usize; 2] = [2, 1];
    const ZERO: i32 = ZERO;

    #[inline(always)]
    fn quads<L: Lanes>(lanes: L, chunks: &[[u8; CHUNK]]) -> [L::Bytes; QUADS] {
        let Some((low, [high])) = chunks.split_at_checked(2) else {
            return [lanes.bytes(&[0; CHUNK]); QUADS];
        };
        above::<L, 2>(lanes, pairs(lanes, low), single_bits(lanes, high))
    }
}

#[inline(always)]
fn nibbles<L: Lanes>(l: L, chunks: &[[u8; CHUNK]]) -> [L::Bytes; QUADS] {
    let [a, b, c, d] = chunks else { return [l.bytes(&[0; CHUNK]); QUADS] };
    let (a, b, c, d) = (l.bytes(a), l.bytes(b), l.bytes(c), l.bytes(d));
    [
        l.low_nibbles(a),
        l.high_nibbles(a),
        l.low_nibbles(b),
        l.high_nibbles(b),
        l.low_nibbles(c),
        l.high_nibbles(c),
        l.low_nibbles(d),
        l.high_nibbles(d),
    ]
}

#[inline(always)]
fn pairs<L: Lanes>(l: L, chunks: &[[u8; CHUNK]]) -> [L::Bytes; QUADS] {
    let [a, b] = chunks else { return [l.bytes(&[0; CHUNK]); QUADS] };
    let (a, b) = (l.bytes(a), l.bytes(b));
    [
        l.bits::<0>(a, 3),
        l.bits::<2>(a, 3),
        l.bits::<4>(a, 3),
        l.bits::<6>(a, 3),
        l.bits::<0>(b, 3),
        l.bits::<2>(b, 3),
        l.bits::<4>(b, 3),
        l.bits::<6>(b, 3),
    ]
}

#[inline(always)]
fn single_bits<L: Lanes>(l: L, chunk: &[u8; CHUNK]) -> [L::Bytes; QUADS] {
    let x = l.bytes(chunk);
    [
        l.bits::<0>(x, 1),
        l.bits::<1>(x, 1),
        l.bits::<2>(x, 1),
        l.bits::<3>(x, 1),
        l.bits::<4>(x, 1),
        l.bits::<5>(x, 1),
        l.bits::<6>(x, 1),
        l.bits::<7>(x, 1),
    ]
}

#[inline(always)]
fn above<L: Lanes, const SHIFT: i32>(
    lanes: L,
    low: [L::Bytes; QUADS],
    high: [L::Bytes; QUADS],
) -> [L::Bytes; QUADS] {
    array!(q < QUADS, low[0], lanes.or_shifted::<SHIFT>(low[q], high[q]))
}

/// Writes the codes of one row and 32 columns into a block that is still zero there.
pub fn pack(codes: &[u8; 4 * QUADS], row: usize, bits: [usize; 2], block: &mut [u8]) {
    let (low, high) = block.split_at_mut(bits[0] * CHUNK);
    pack_plane(codes, row, 0..bits[0], low);
    pack_plane(codes, row, bits[0]..bits[0] + bits[1], high);
}

/// The bits of one plane.
fn pack_plane(codes: &[u8; 4 * QUADS], row: usize, bits: Range<usize>, plane: &mut [u8]) {
    let n_bits = bits.len();
    if n_bits == 0 {
        return;
    }
    let mask = u8::MAX >> (8 - n_bits);
    let per_chunk = 8 / n_bits;
    let chunks = plane.as_chunks_mut::<CHUNK>().0.iter_mut();
    for (chunk, codes) in chunks.zip(codes.chunks_exact(4 * per_chunk)) {
        for (j, quad) in codes.as_chunks::<4>().0.iter().enumerate() {
            for (byte, code) in chunk[4 * row..4 * row + 4].iter_mut().zip(quad) {
                *byte |= ((code >> bits.start) & mask) << (j * n_bits);
            }
        }
    }
}
