//! Dot products of bytes, four a lane, with AVX2 and with VNNI.

use core::arch::x86_64::__m256i;
use core::fmt::Debug;

use archmage::{X64V3Token, X64V4xToken, arcane};

/// AVX2 without VNNI: the dot product takes three instructions.
#[derive(Clone, Copy, Debug)]
pub struct WithoutVnni;

/// The dot product of AVX-512 VNNI.
#[derive(Clone, Copy, Debug)]
pub struct WithVnni(pub(super) X64V4xToken);

/// A dot product of four bytes a lane.
pub trait Dot: Copy + Debug + Send + Sync + 'static {
    /// As [`super::Lanes::OFFSET_TAKEN`].
    const OFFSET_TAKEN: i32;
    /// As [`super::Lanes::MANY_REGISTERS`].
    const MANY_REGISTERS: bool;
    /// As [`super::Lanes::dot`].
    fn dot(self, avx2: X64V3Token, codes: __m256i, activations: i32, to: __m256i) -> __m256i;
    /// As [`super::Lanes::dot_offset`].
    fn dot_offset(self, avx2: X64V3Token, codes: __m256i, activations: i32, to: __m256i) -> __m256i;
}

impl Dot for WithoutVnni {
    const OFFSET_TAKEN: i32 = 128;
    const MANY_REGISTERS: bool = false;

    #[inline(always)]
    fn dot(self, avx2: X64V3Token, codes: __m256i, activations: i32, to: __m256i) -> __m256i {
        dot(avx2, codes, activations, to)
    }

    #[inline(always)]
    fn dot_offset(self, avx2: X64V3Token, codes: __m256i, activations: i32, to: __m256i) -> __m256i {
        dot_signed(avx2, codes, activations, to)
    }
}

impl Dot for WithVnni {
    const OFFSET_TAKEN: i32 = 0;
    const MANY_REGISTERS: bool = true;

    #[inline(always)]
    fn dot(self, _: X64V3Token, codes: __m256i, activations: i32, to: __m256i) -> __m256i {
        dot_vnni(self.0, codes, activations, to)
    }

    #[inline(always)]
    fn dot_offset(self, _: X64V3Token, codes: __m256i, activations: i32, to: __m256i) -> __m256i {
        dot_vnni(self.0, codes, activations, to)
    }
}

#[arcane(import_intrinsics)]
fn dot_vnni(_token: X64V4xToken, codes: __m256i, activations: i32, to: __m256i) -> __m256i {
    _mm256_dpbusd_epi32(to, codes, _mm256_set1_epi32(activations))
}

/// Codes below 128: a pair's sum is at most 2 x 127 x 127 and fits the 16 bits of `vpmaddubsw`.
#[arcane(import_intrinsics)]
fn dot(_token: X64V3Token, codes: __m256i, activations: i32, to: __m256i) -> __m256i {
    let pairs = _mm256_maddubs_epi16(codes, _mm256_set1_epi32(activations));
    _mm256_add_epi32(to, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
}

/// Codes of 0 to 255 less 128, by absolute values: `|w| (sign(w) a)`, at most 2 x 128 x 127 a pair.
#[arcane(import_intrinsics)]
fn dot_signed(_token: X64V3Token, codes: __m256i, activations: i32, to: __m256i) -> __m256i {
    let codes = _mm256_xor_si256(codes, _mm256_set1_epi8(-128));
    let activations = _mm256_sign_epi8(_mm256_set1_epi32(activations), codes);
    let pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(codes), activations);
    _mm256_add_epi32(to, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
}
