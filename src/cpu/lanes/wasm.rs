//! simd128: eight rows in two vectors of four.

use core::arch::wasm32::*;

use super::operations::{Lanes, Quad, ROWS};

/// WebAssembly's 128-bit vectors, without relaxed-simd.
#[derive(Clone, Copy, Debug)]
pub struct Simd128;

type Two = [v128; 2];

/// The same instruction on both vectors. Instructions are no closures, and closures are not always inlined.
macro_rules! both {
    ($instruction:ident, $a:expr) => {{
        let a = $a;
        [$instruction(a[0]), $instruction(a[1])]
    }};
    ($instruction:ident, $a:expr, $b:expr) => {{
        let (a, b) = ($a, $b);
        [$instruction(a[0], b[0]), $instruction(a[1], b[1])]
    }};
}

/// `2^n` of whole numbers.
#[inline(always)]
fn power_of_two(n: v128) -> v128 {
    i32x4_shl(i32x4_add(i32x4_trunc_sat_f32x4(n), i32x4_splat(127)), 23)
}

#[inline(always)]
fn four_f32(x: &[f32]) -> v128 {
    f32x4(x[0], x[1], x[2], x[3])
}

#[inline(always)]
fn eight_bytes(x: &[u8; ROWS]) -> v128 {
    u64x2(u64::from_le_bytes(*x), 0)
}

#[inline(always)]
fn sixteen_bytes(x: &[u8; 16]) -> v128 {
    let (halves, _) = x.as_chunks::<8>();
    u64x2(u64::from_le_bytes(halves[0]), u64::from_le_bytes(halves[1]))
}

/// Four f16 in the low halves of 32-bit lanes. Subnormals are exact, since f32 has more exponents.
#[inline(always)]
fn f16x4(x: v128) -> v128 {
    let shifted = i32x4_shr(i32x4_shl(x, 16), 3);
    let bits = v128_and(shifted, u32x4_splat(0x8fff_e000));
    f32x4_mul(bits, f32x4_splat(f32::from_bits(0x7780_0000)))
}

/// Sums of neighbours: two of `a`, then two of `b`.
#[inline(always)]
fn in_pairs(a: v128, b: v128) -> v128 {
    f32x4_add(i32x4_shuffle::<0, 2, 4, 6>(a, b), i32x4_shuffle::<1, 3, 5, 7>(a, b))
}

#[inline(always)]
fn four_sums(a: Two, b: Two, c: Two, d: Two) -> v128 {
    let low = in_pairs(in_pairs(a[0], b[0]), in_pairs(c[0], d[0]));
    f32x4_add(low, in_pairs(in_pairs(a[1], b[1]), in_pairs(c[1], d[1])))
}

#[inline(always)]
fn get4(x: v128) -> [f32; 4] {
    [
        f32x4_extract_lane::<0>(x),
        f32x4_extract_lane::<1>(x),
        f32x4_extract_lane::<2>(x),
        f32x4_extract_lane::<3>(x),
    ]
}

impl Lanes for Simd128 {
    type F32 = Two;
    type I32 = Two;
    type Bytes = Two;

    const PAIRS: bool = true;
    const OFFSET_TAKEN: i32 = 0;
    const MANY_REGISTERS: bool = false;

    #[inline(always)]
    fn splat(self, x: f32) -> Two {
        [f32x4_splat(x); 2]
    }

    #[inline(always)]
    fn load(self, x: &[f32; ROWS]) -> Two {
        [four_f32(&x[..4]), four_f32(&x[4..])]
    }

    #[inline(always)]
    fn load_f16(self, x: &[u8; 2 * ROWS]) -> Two {
        let x = sixteen_bytes(x);
        [f16x4(u32x4_extend_low_u16x8(x)), f16x4(u32x4_extend_high_u16x8(x))]
    }

    #[inline(always)]
    fn load_bf16(self, x: &[u8; 2 * ROWS]) -> Two {
        let x = sixteen_bytes(x);
        [i32x4_shl(u32x4_extend_low_u16x8(x), 16), i32x4_shl(u32x4_extend_high_u16x8(x), 16)]
    }

    #[inline(always)]
    fn load_u8(self, x: &[u8; ROWS]) -> Two {
        let x = u16x8_extend_low_u8x16(eight_bytes(x));
        [f32x4_convert_i32x4(u32x4_extend_low_u16x8(x)), f32x4_convert_i32x4(u32x4_extend_high_u16x8(x))]
    }

    #[inline(always)]
    fn load_i8(self, x: &[u8; ROWS]) -> Two {
        let x = i16x8_extend_low_i8x16(eight_bytes(x));
        [f32x4_convert_i32x4(i32x4_extend_low_i16x8(x)), f32x4_convert_i32x4(i32x4_extend_high_i16x8(x))]
    }

    #[inline(always)]
    fn store(self, x: Two, to: &mut [f32; ROWS]) {
        to[..4].copy_from_slice(&get4(x[0]));
        to[4..].copy_from_slice(&get4(x[1]));
    }

    #[inline(always)]
    fn add(self, a: Two, b: Two) -> Two {
        both!(f32x4_add, a, b)
    }

    #[inline(always)]
    fn sub(self, a: Two, b: Two) -> Two {
        both!(f32x4_sub, a, b)
    }

    #[inline(always)]
    fn mul(self, a: Two, b: Two) -> Two {
        both!(f32x4_mul, a, b)
    }

    #[inline(always)]
    fn div(self, a: Two, b: Two) -> Two {
        both!(f32x4_div, a, b)
    }

    #[inline(always)]
    fn max(self, a: Two, b: Two) -> Two {
        both!(f32x4_pmax, b, a)
    }

    #[inline(always)]
    fn min(self, a: Two, b: Two) -> Two {
        both!(f32x4_pmin, b, a)
    }

    #[inline(always)]
    fn madd(self, a: Two, b: Two, c: Two) -> Two {
        [f32x4_add(f32x4_mul(a[0], b[0]), c[0]), f32x4_add(f32x4_mul(a[1], b[1]), c[1])]
    }

    #[inline(always)]
    fn exp2_whole(self, n: Two) -> Two {
        both!(power_of_two, n)
    }

    #[inline(always)]
    fn sums(self, x: [Two; ROWS]) -> Two {
        let [a, b, c, d, e, f, g, h] = x;
        [four_sums(a, b, c, d), four_sums(e, f, g, h)]
    }

    #[inline(always)]
    fn round(self, x: Two) -> Two {
        both!(f32x4_nearest, x)
    }

    #[inline(always)]
    fn splat_i32(self, x: i32) -> Two {
        [i32x4_splat(x); 2]
    }

    #[inline(always)]
    fn to_f32(self, x: Two) -> Two {
        both!(f32x4_convert_i32x4, x)
    }

    #[inline(always)]
    fn bytes(self, x: &[u8; 4 * ROWS]) -> Two {
        let (halves, _) = x.as_chunks::<16>();
        [sixteen_bytes(&halves[0]), sixteen_bytes(&halves[1])]
    }

    #[inline(always)]
    fn store_bytes(self, x: Two, to: &mut [u8; 4 * ROWS]) {
        for (x, to) in x.into_iter().zip(to.as_chunks_mut::<16>().0) {
            let (low, high) = (u64x2_extract_lane::<0>(x), u64x2_extract_lane::<1>(x));
            to[..8].copy_from_slice(&low.to_le_bytes());
            to[8..].copy_from_slice(&high.to_le_bytes());
        }
    }

    #[inline(always)]
    fn low_nibbles(self, x: Two) -> Two {
        both!(v128_and, x, [u8x16_splat(15); 2])
    }

    #[inline(always)]
    fn high_nibbles(self, x: Two) -> Two {
        both!(u8x16_shr, x, [4; 2])
    }

    #[inline(always)]
    fn bits<const SHIFT: i32>(self, x: Two, mask: u8) -> Two {
        both!(v128_and, both!(u16x8_shr, x, [SHIFT as u32; 2]), [u8x16_splat(mask); 2])
    }

    #[inline(always)]
    fn or_shifted<const SHIFT: i32>(self, x: Two, y: Two) -> Two {
        both!(v128_or, x, both!(u16x8_shl, y, [SHIFT as u32; 2]))
    }

    #[inline(always)]
    fn look_up(self, ix: Two, table: &[u8; 16]) -> Two {
        let table = sixteen_bytes(table);
        both!(u8x16_swizzle, [table; 2], ix)
    }

    #[inline(always)]
    fn dot(self, codes: Two, activations: &Quad, to: Two) -> Two {
        self.dot_offset(codes, activations, to)
    }

    /// The even and the odd bytes of codes as 16-bit numbers, each with its pair of activations.
    #[inline(always)]
    fn dot_offset(self, codes: Two, activations: &Quad, to: Two) -> Two {
        let (even, odd) = (i32x4_splat(activations.pairs[0]), i32x4_splat(activations.pairs[1]));
        let evens = both!(i32x4_dot_i16x8, both!(v128_and, codes, [u16x8_splat(255); 2]), [even; 2]);
        let odds = both!(i32x4_dot_i16x8, both!(u16x8_shr, codes, [8; 2]), [odd; 2]);
        both!(i32x4_add, to, both!(i32x4_add, evens, odds))
    }
}
