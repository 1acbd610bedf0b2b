//! The operations in plain Rust: for processors without a set of their own here, and for tests to compare with.

use super::operations::{Lanes, Quad, ROWS};

/// Arrays instead of registers; the compiler makes of them what the target has.
#[derive(Clone, Copy, Debug)]
pub struct Portable;

impl Lanes for Portable {
    type F32 = [f32; ROWS];
    type I32 = [i32; ROWS];
    type Bytes = [u8; 4 * ROWS];

    const PAIRS: bool = false;
    const OFFSET_TAKEN: i32 = 0;
    const MANY_REGISTERS: bool = false;

    #[inline(always)]
    fn splat(self, x: f32) -> [f32; ROWS] {
        [x; ROWS]
    }

    #[inline(always)]
    fn load(self, x: &[f32; ROWS]) -> [f32; ROWS] {
        *x
    }

    #[inline(always)]
    fn load_f16(self, x: &[u8; 2 * ROWS]) -> [f32; ROWS] {
        core::array::from_fn(|r| half::f16::from_le_bytes([x[2 * r], x[2 * r + 1]]).to_f32())
    }

    #[inline(always)]
    fn load_bf16(self, x: &[u8; 2 * ROWS]) -> [f32; ROWS] {
        core::array::from_fn(|r| f32::from_le_bytes([0, 0, x[2 * r], x[2 * r + 1]]))
    }

    #[inline(always)]
    fn load_u8(self, x: &[u8; ROWS]) -> [f32; ROWS] {
        x.map(f32::from)
    }

    #[inline(always)]
    fn load_i8(self, x: &[u8; ROWS]) -> [f32; ROWS] {
        x.map(|x| f32::from(x.cast_signed()))
    }

    #[inline(always)]
    fn store(self, x: [f32; ROWS], to: &mut [f32; ROWS]) {
        *to = x;
    }

    #[inline(always)]
    fn add(self, a: [f32; ROWS], b: [f32; ROWS]) -> [f32; ROWS] {
        core::array::from_fn(|r| a[r] + b[r])
    }

    #[inline(always)]
    fn sub(self, a: [f32; ROWS], b: [f32; ROWS]) -> [f32; ROWS] {
        core::array::from_fn(|r| a[r] - b[r])
    }

    #[inline(always)]
    fn mul(self, a: [f32; ROWS], b: [f32; ROWS]) -> [f32; ROWS] {
        core::array::from_fn(|r| a[r] * b[r])
    }

    #[inline(always)]
    fn div(self, a: [f32; ROWS], b: [f32; ROWS]) -> [f32; ROWS] {
        core::array::from_fn(|r| a[r] / b[r])
    }

    #[inline(always)]
    fn max(self, a: [f32; ROWS], b: [f32; ROWS]) -> [f32; ROWS] {
        core::array::from_fn(|r| if a[r] > b[r] { a[r] } else { b[r] })
    }

    #[inline(always)]
    fn min(self, a: [f32; ROWS], b: [f32; ROWS]) -> [f32; ROWS] {
        core::array::from_fn(|r| if a[r] < b[r] { a[r] } else { b[r] })
    }

    #[inline(always)]
    fn madd(self, a: [f32; ROWS], b: [f32; ROWS], c: [f32; ROWS]) -> [f32; ROWS] {
        core::array::from_fn(|r| a[r] * b[r] + c[r])
    }

    #[inline(always)]
    fn exp2_whole(self, n: [f32; ROWS]) -> [f32; ROWS] {
        n.map(|n| f32::from_bits(((n as i32 + 127) << 23).cast_unsigned()))
    }

    #[inline(always)]
    fn sums(self, x: [[f32; ROWS]; ROWS]) -> [f32; ROWS] {
        x.map(|[a, b, c, d, e, f, g, h]| ((a + b) + (c + d)) + ((e + f) + (g + h)))
    }

    #[inline(always)]
    fn round(self, x: [f32; ROWS]) -> [f32; ROWS] {
        x.map(f32::round_ties_even)
    }

    #[inline(always)]
    fn splat_i32(self, x: i32) -> [i32; ROWS] {
        [x; ROWS]
    }

    #[inline(always)]
    fn to_f32(self, x: [i32; ROWS]) -> [f32; ROWS] {
        x.map(|x| x as f32)
    }

    #[inline(always)]
    fn bytes(self, x: &[u8; 4 * ROWS]) -> [u8; 4 * ROWS] {
        *x
    }

    #[inline(always)]
    fn store_bytes(self, x: [u8; 4 * ROWS], to: &mut [u8; 4 * ROWS]) {
        *to = x;
    }

    #[inline(always)]
    fn low_nibbles(self, x: [u8; 4 * ROWS]) -> [u8; 4 * ROWS] {
        x.map(|x| x & 15)
    }

    #[inline(always)]
    fn high_nibbles(self, x: [u8; 4 * ROWS]) -> [u8; 4 * ROWS] {
        x.map(|x| x >> 4)
    }

    #[inline(always)]
    fn bits<const SHIFT: i32>(self, x: [u8; 4 * ROWS], mask: u8) -> [u8; 4 * ROWS] {
        x.map(|x| (x >> SHIFT) & mask)
    }

    #[inline(always)]
    fn or_shifted<const SHIFT: i32>(self, x: [u8; 4 * ROWS], y: [u8; 4 * ROWS]) -> [u8; 4 * ROWS] {
        core::array::from_fn(|i| x[i] | (y[i] << SHIFT))
    }

    #[inline(always)]
    fn look_up(self, ix: [u8; 4 * ROWS], table: &[u8; 16]) -> [u8; 4 * ROWS] {
        ix.map(|ix| table[usize::from(ix & 15)])
    }

    #[inline(always)]
    fn dot(self, codes: [u8; 4 * ROWS], activations: &Quad, to: [i32; ROWS]) -> [i32; ROWS] {
        self.dot_offset(codes, activations, to)
    }

    #[inline(always)]
    fn dot_offset(self, codes: [u8; 4 * ROWS], activations: &Quad, to: [i32; ROWS]) -> [i32; ROWS] {
        let a = activations.bytes.to_le_bytes().map(|a| i32::from(a.cast_signed()));
        let codes = codes.map(i32::from);
        core::array::from_fn(|r| to[r] + (0..4).map(|c| codes[4 * r + c] * a[c]).sum::<i32>())
    }
}
