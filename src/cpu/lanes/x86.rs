//! AVX2, and AVX-512 VNNI on the same 256-bit registers: eight f32, eight i32 or thirty-two bytes each.
//!
//! `archmage` proves by a token that the processor has the instructions, so that none of this is `unsafe`. Each helper is
//! compiled with its instructions; the methods around them are always inlined into [`X86::enter`], and the helpers there
//! in turn.

use core::arch::x86_64::{__m256, __m256i};

use archmage::{SimdToken, X64V3Token, X64V4xToken, arcane};

use super::operations::{Kernel, Lanes, Quad, ROWS};
use super::x86_dot::{Dot, WithVnni, WithoutVnni};

/// AVX2, FMA and F16C, with a dot product of bytes.
#[derive(Clone, Copy, Debug)]
pub struct X86<D> {
    avx2: X64V3Token,
    dot: D,
}

impl X86<WithoutVnni> {
    pub(super) fn detect() -> Option<Self> {
        X64V3Token::summon().map(|avx2| Self { avx2, dot: WithoutVnni })
    }

    pub(super) fn enter<K: Kernel>(self, kernel: K) -> K::Output {
        enter_avx2(self.avx2, self, kernel)
    }
}

impl X86<WithVnni> {
    pub(super) fn detect() -> Option<Self> {
        X64V4xToken::summon().map(|vnni| Self { avx2: vnni.v3(), dot: WithVnni(vnni) })
    }

    pub(super) fn enter<K: Kernel>(self, kernel: K) -> K::Output {
        enter_vnni(self.dot.0, self, kernel)
    }
}

#[arcane]
fn enter_avx2<K: Kernel>(_token: X64V3Token, lanes: X86<WithoutVnni>, kernel: K) -> K::Output {
    kernel.run(lanes)
}

#[arcane]
fn enter_vnni<K: Kernel>(_token: X64V4xToken, lanes: X86<WithVnni>, kernel: K) -> K::Output {
    kernel.run(lanes)
}

impl<D: Dot> Lanes for X86<D> {
    type F32 = __m256;
    type I32 = __m256i;
    type Bytes = __m256i;

    const PAIRS: bool = false;
    const OFFSET_TAKEN: i32 = D::OFFSET_TAKEN;
    const MANY_REGISTERS: bool = D::MANY_REGISTERS;

    #[inline(always)]
    fn splat(self, x: f32) -> __m256 {
        splat(self.avx2, x)
    }

    #[inline(always)]
    fn load(self, x: &[f32; ROWS]) -> __m256 {
        load(self.avx2, x)
    }

    #[inline(always)]
    fn load_f16(self, x: &[u8; 2 * ROWS]) -> __m256 {
        load_f16(self.avx2, x)
    }

    #[inline(always)]
    fn load_bf16(self, x: &[u8; 2 * ROWS]) -> __m256 {
        load_bf16(self.avx2, x)
    }

    #[inline(always)]
    fn load_u8(self, x: &[u8; ROWS]) -> __m256 {
        load_u8(self.avx2, x)
    }

    #[inline(always)]
    fn load_i8(self, x: &[u8; ROWS]) -> __m256 {
        load_i8(self.avx2, x)
    }

    #[inline(always)]
    fn store(self, x: __m256, to: &mut [f32; ROWS]) {
        store(self.avx2, x, to);
    }

    #[inline(always)]
    fn add(self, a: __m256, b: __m256) -> __m256 {
        add(self.avx2, a, b)
    }

    #[inline(always)]
    fn sub(self, a: __m256, b: __m256) -> __m256 {
        sub(self.avx2, a, b)
    }

    #[inline(always)]
    fn mul(self, a: __m256, b: __m256) -> __m256 {
        mul(self.avx2, a, b)
    }

    #[inline(always)]
    fn div(self, a: __m256, b: __m256) -> __m256 {
        div(self.avx2, a, b)
    }

    #[inline(always)]
    fn max(self, a: __m256, b: __m256) -> __m256 {
        max(self.avx2, a, b)
    }

    #[inline(always)]
    fn min(self, a: __m256, b: __m256) -> __m256 {
        min(self.avx2, a, b)
    }

    #[inline(always)]
    fn madd(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        madd(self.avx2, a, b, c)
    }

    #[inline(always)]
    fn exp2_whole(self, n: __m256) -> __m256 {
        exp2_whole(self.avx2, n)
    }

    #[inline(always)]
    fn sums(self, x: [__m256; ROWS]) -> __m256 {
        sums(self.avx2, x)
    }

    #[inline(always)]
    fn round(self, x: __m256) -> __m256 {
        round(self.avx2, x)
    }

    #[inline(always)]
    fn splat_i32(self, x: i32) -> __m256i {
        splat_i32(self.avx2, x)
    }

    #[inline(always)]
    fn to_f32(self, x: __m256i) -> __m256 {
        to_f32(self.avx2, x)
    }

    #[inline(always)]
    fn bytes(self, x: &[u8; 4 * ROWS]) -> __m256i {
        bytes(self.avx2, x)
    }

    #[inline(always)]
    fn store_bytes(self, x: __m256i, to: &mut [u8; 4 * ROWS]) {
        store_bytes(self.avx2, x, to);
    }

    #[inline(always)]
    fn low_nibbles(self, x: __m256i) -> __m256i {
        shifted_right::<0>(self.avx2, x, 15)
    }

    #[inline(always)]
    fn high_nibbles(self, x: __m256i) -> __m256i {
        shifted_right::<4>(self.avx2, x, 15)
    }

    #[inline(always)]
    fn bits<const SHIFT: i32>(self, x: __m256i, mask: u8) -> __m256i {
        shifted_right::<SHIFT>(self.avx2, x, mask)
    }

    #[inline(always)]
    fn or_shifted<const SHIFT: i32>(self, x: __m256i, y: __m256i) -> __m256i {
        or_shifted::<SHIFT>(self.avx2, x, y)
    }

    #[inline(always)]
    fn look_up(self, ix: __m256i, table: &[u8; 16]) -> __m256i {
        look_up(self.avx2, ix, table)
    }

    #[inline(always)]
    fn dot(self, codes: __m256i, activations: &Quad, to: __m256i) -> __m256i {
        self.dot.dot(self.avx2, codes, activations.bytes, to)
    }

    #[inline(always)]
    fn dot_offset(self, codes: __m256i, activations: &Quad, to: __m256i) -> __m256i {
        self.dot.dot_offset(self.avx2, codes, activations.bytes, to)
    }
}

#[arcane(import_intrinsics)]
fn splat(_token: X64V3Token, x: f32) -> __m256 {
    _mm256_set1_ps(x)
}

#[arcane(import_intrinsics)]
fn load(_token: X64V3Token, x: &[f32; ROWS]) -> __m256 {
    _mm256_loadu_ps(x)
}

#[arcane(import_intrinsics)]
fn load_f16(_token: X64V3Token, x: &[u8; 2 * ROWS]) -> __m256 {
    _mm256_cvtph_ps(_mm_loadu_si128(x))
}

#[arcane(import_intrinsics)]
fn load_bf16(_token: X64V3Token, x: &[u8; 2 * ROWS]) -> __m256 {
    _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(_mm_loadu_si128(x))))
}

#[arcane(import_intrinsics)]
fn load_u8(_token: X64V3Token, x: &[u8; ROWS]) -> __m256 {
    _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_cvtsi64_si128(i64::from_le_bytes(*x))))
}

#[arcane(import_intrinsics)]
fn load_i8(_token: X64V3Token, x: &[u8; ROWS]) -> __m256 {
    _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_cvtsi64_si128(i64::from_le_bytes(*x))))
}

#[arcane(import_intrinsics)]
fn store(_token: X64V3Token, x: __m256, to: &mut [f32; ROWS]) {
    _mm256_storeu_ps(to, x);
}

#[arcane(import_intrinsics)]
fn add(_token: X64V3Token, a: __m256, b: __m256) -> __m256 {
    _mm256_add_ps(a, b)
}

#[arcane(import_intrinsics)]
fn sub(_token: X64V3Token, a: __m256, b: __m256) -> __m256 {
    _mm256_sub_ps(a, b)
}

#[arcane(import_intrinsics)]
fn mul(_token: X64V3Token, a: __m256, b: __m256) -> __m256 {
    _mm256_mul_ps(a, b)
}

#[arcane(import_intrinsics)]
fn div(_token: X64V3Token, a: __m256, b: __m256) -> __m256 {
    _mm256_div_ps(a, b)
}

#[arcane(import_intrinsics)]
fn max(_token: X64V3Token, a: __m256, b: __m256) -> __m256 {
    _mm256_max_ps(a, b)
}

#[arcane(import_intrinsics)]
fn min(_token: X64V3Token, a: __m256, b: __m256) -> __m256 {
    _mm256_min_ps(a, b)
}

#[arcane(import_intrinsics)]
fn madd(_token: X64V3Token, a: __m256, b: __m256, c: __m256) -> __m256 {
    _mm256_fmadd_ps(a, b, c)
}

#[arcane(import_intrinsics)]
fn exp2_whole(_token: X64V3Token, n: __m256) -> __m256 {
    let exponents = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponents))
}

#[arcane(import_intrinsics)]
fn sums(_token: X64V3Token, x: [__m256; ROWS]) -> __m256 {
    let [a, b, c, d, e, f, g, h] = x;
    // Sums of four lanes: of the low halves in the low half, of the high halves in the high one.
    let first = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
    let last = _mm256_hadd_ps(_mm256_hadd_ps(e, f), _mm256_hadd_ps(g, h));
    _mm256_add_ps(_mm256_permute2f128_ps::<0x20>(first, last), _mm256_permute2f128_ps::<0x31>(first, last))
}

#[arcane(import_intrinsics)]
fn round(_token: X64V3Token, x: __m256) -> __m256 {
    _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(x)
}

#[arcane(import_intrinsics)]
fn splat_i32(_token: X64V3Token, x: i32) -> __m256i {
    _mm256_set1_epi32(x)
}

#[arcane(import_intrinsics)]
fn to_f32(_token: X64V3Token, x: __m256i) -> __m256 {
    _mm256_cvtepi32_ps(x)
}

#[arcane(import_intrinsics)]
fn bytes(_token: X64V3Token, x: &[u8; 4 * ROWS]) -> __m256i {
    _mm256_loadu_si256(x)
}

#[arcane(import_intrinsics)]
fn store_bytes(_token: X64V3Token, x: __m256i, to: &mut [u8; 4 * ROWS]) {
    _mm256_storeu_si256(to, x);
}

#[arcane(import_intrinsics)]
fn shifted_right<const SHIFT: i32>(_token: X64V3Token, x: __m256i, mask: u8) -> __m256i {
    _mm256_and_si256(_mm256_srli_epi16::<SHIFT>(x), _mm256_set1_epi8(mask.cast_signed()))
}

#[arcane(import_intrinsics)]
fn or_shifted<const SHIFT: i32>(_token: X64V3Token, x: __m256i, y: __m256i) -> __m256i {
    _mm256_or_si256(x, _mm256_slli_epi16::<SHIFT>(y))
}

#[arcane(import_intrinsics)]
fn look_up(_token: X64V3Token, ix: __m256i, table: &[u8; 16]) -> __m256i {
    _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128(table)), ix)
}
