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
        array!(r < ROWS, 0.0, half::f16::from_le_bytes([x[2 * r], x[2 * r + 1]]).to_f32())
    }

    #[inline(always)]
    fn load_bf16(self, x: &[u8; 2 * ROWS]) -> [f32; ROWS] {
        array!(r < ROWS, 0.0, f32::from_le_bytes([0, 0, x[2 * r], x[2 * r + 1]]))
    }

    #[inline(always)]
    fn load_u8(self, x: &[u8; ROWS]) -> [f32; ROWS] {
        array!(r < ROWS, 0.0, f32::from(x[r]))
    }

    #[inline(always)]
    fn load_i8(self, x: &[u8; ROWS]) -> [f32; ROWS] {
        array!(r < ROWS, 0.0, f32::from(x[r].cast_signed()))
    }

    #[inline(always)]
    fn store(self, x: [f32; ROWS], to: &mut [f32; ROWS]) {
        *to = x;
    }

    #[inline(always)]
    fn add(self, a: [f32; ROWS], b: [f32; ROWS]) -> [f32; ROWS] {
        array!(r < ROWS, 0.0, a[r] + b[r])
    }

    #[inline(always)]
    fn sub(self, a: [f32; ROWS], b: [f32; ROWS]) -> [f32; ROWS] {
        array!(r < ROWS, 0.0, a[r] - b[r])
    }

    #[inline(always)]
    fn mul(self, a: [f32; ROWS], b: [f32; ROWS]) -> [f32; ROWS] {
        array!(r < ROWS, 0.0, a[r] * b[r])
    }

    #[inline(always)]
    fn div(self, a: [f32; ROWS], b: [f32; ROWS]) -> [f32; ROWS] {
        array!(r < ROWS, 0.0, a[r] / b[r])
    }

    #[inline(always)]
    fn max(self, a: [f32; ROWS], b: [f32; ROWS]) -> [f32; ROWS] {
        array!(r < ROWS, 0.0, if a[r] > b[r] { a[r] } else { b[r] })
    }

    #[inline(always)]
    fn min(self, a: [f32; ROWS], b: [f32; ROWS]) -> [f32; ROWS] {
        array!(r < ROWS, 0.0, if a[r] < b[r] { a[r] } else { b[r] })
    }

    #[inline(always)]
    fn madd(self, a: [f32; ROWS], b: [f32; ROWS], c: [f32; ROWS]) -> [f32; ROWS] {
        array!(r < ROWS, 0.0, a[r] * b[r] + c[r])
    }

    #[inline(always)]
    fn exp2_whole(self, n: [f32; ROWS]) -> [f32; ROWS] {
        array!(r < ROWS, 0.0, f32::from_bits(((n[r] as i32 + 127) << 23).cast_unsigned()))
    }

    #[inline(always)]
    fn sums(self, x: [[f32; ROWS]; ROWS]) -> [f32; ROWS] {
        array!(i < ROWS, 0.0, {
            let [a, b, c, d, e, f, g, h] = x[i];
            ((a + b) + (c + d)) + ((e + f) + (g + h))
        })
    }

    #[inline(always)]
    fn round(self, x: [f32; ROWS]) -> [f32; ROWS] {
        array!(r < ROWS, 0.0, x[r].round_ties_even())
    }

    #[inline(always)]
    fn splat_i32(self, x: i32) -> [i32; ROWS] {
        [x; ROWS]
    }

    #[inline(always)]
    fn to_f32(self, x: [i32; ROWS]) -> [f32; ROWS] {
        array!(r < ROWS, 0.0, x[r] as f32)
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
        array!(i < 4 * ROWS, 0, x[i] & 15)
    }

    #[inline(always)]
    fn high_nibbles(self, x: [u8; 4 * ROWS]) -> [u8; 4 * ROWS] {
        array!(i < 4 * ROWS, 0, x[i] >> 4)
    }

    #[inline(always)]
    fn bits<const SHIFT: i32>(self, x: [u8; 4 * ROWS], mask: u8) -> [u8; 4 * ROWS] {
        array!(i < 4 * ROWS, 0, (x[i] >> SHIFT) & mask)
    }

    #[inline(always)]
    fn or_shifted<const SHIFT: i32>(self, x: [u8; 4 * ROWS], y: [u8; 4 * ROWS]) -> [u8; 4 * ROWS] {
        array!(i < 4 * ROWS, 0, x[i] | (y[i] << SHIFT))
    }

    #[inline(always)]
    fn look_up(self, ix: [u8; 4 * ROWS], table: &[u8; 16]) -> [u8; 4 * ROWS] {
        array!(i < 4 * ROWS, 0, table[usize::from(ix[i] & 15)])
    }

    #[inline(always)]
    fn dot(self, codes: [u8; 4 * ROWS], activations: &Quad, to: [i32; ROWS]) -> [i32; ROWS] {
        self.dot_offset(codes, activations, to)
    }

    #[inline(always)]
    fn dot_offset(self, codes: [u8; 4 * ROWS], activations: &Quad, to: [i32; ROWS]) -> [i32; ROWS] {
        let a = activations.bytes.to_le_bytes();
        let a = array!(c < 4, 0, i32::from(a[c].cast_signed()));
        let codes = array!(i < 4 * ROWS, 0, i32::from(codes[i]));
        array!(r < ROWS, 0, {
            let codes = &codes[4 * r..4 * r + 4];
            to[r] + (codes[0] * a[0] + codes[1] * a[1]) + (codes[2] * a[2] + codes[3] * a[3])
        })
    }
}
