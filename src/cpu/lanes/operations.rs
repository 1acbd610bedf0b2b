//! The vector operations that an instruction set has to have.

use core::fmt::Debug;

/// Rows that are computed side by side.
pub const ROWS: usize = 8;

/// Four activations as a dot product broadcasts them to every row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quad {
    /// Four signed bytes, the first lowest. Only filled if [`Lanes::PAIRS`] is not set.
    pub bytes: i32,
    /// The same as two pairs of 16-bit numbers: the first and third, the second and fourth. Only filled if
    /// [`Lanes::PAIRS`] is set.
    pub pairs: [i32; 2],
}

/// The vector operations of an instruction set, over eight lanes.
pub trait Lanes: Copy + Debug + Send + Sync + 'static {
    /// Eight f32.
    type F32: Copy;
    /// Eight i32.
    type I32: Copy;
    /// Thirty-two bytes: four columns of eight rows.
    type Bytes: Copy;

    /// Whether [`Lanes::dot`] reads [`Quad::pairs`] instead of [`Quad::bytes`].
    const PAIRS: bool;
    /// What [`Lanes::dot_offset`] takes from a code by itself: 128, or 0 if the caller has to.
    const OFFSET_TAKEN: i32;
    /// Whether twenty vectors fit the registers.
    const MANY_REGISTERS: bool;

    /// The same number in all lanes.
    fn splat(self, x: f32) -> Self::F32;
    /// Eight numbers.
    fn load(self, x: &[f32; ROWS]) -> Self::F32;
    /// Eight f16 (little-endian) as f32.
    fn load_f16(self, x: &[u8; 2 * ROWS]) -> Self::F32;
    /// Eight bf16 (little-endian) as f32.
    fn load_bf16(self, x: &[u8; 2 * ROWS]) -> Self::F32;
    /// Eight unsigned bytes as f32.
    fn load_u8(self, x: &[u8; ROWS]) -> Self::F32;
    /// Eight signed bytes as f32.
    fn load_i8(self, x: &[u8; ROWS]) -> Self::F32;
    /// The numbers of all lanes.
    fn store(self, x: Self::F32, to: &mut [f32; ROWS]);
    /// `a + b`
    fn add(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// `a - b`
    fn sub(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// `a b`
    fn mul(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// `a / b`
    fn div(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// The larger of each lane; `b` if one of them is NaN.
    fn max(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// The smaller of each lane; `b` if one of them is NaN.
    fn min(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// `a b + c`, fused if the instruction set does so.
    fn madd(self, a: Self::F32, b: Self::F32, c: Self::F32) -> Self::F32;
    /// `2^n` of whole numbers between -126 and 128; infinite for 128.
    fn exp2_whole(self, n: Self::F32) -> Self::F32;
    /// The sums of the lanes of eight vectors, `((0 + 1) + (2 + 3)) + ((4 + 5) + (6 + 7))` of each.
    fn sums(self, x: [Self::F32; ROWS]) -> Self::F32;
    /// The nearest whole number, ties to even.
    fn round(self, x: Self::F32) -> Self::F32;

    /// The same integer in all lanes.
    fn splat_i32(self, x: i32) -> Self::I32;
    /// Integers as f32.
    fn to_f32(self, x: Self::I32) -> Self::F32;

    /// Thirty-two bytes.
    fn bytes(self, x: &[u8; 4 * ROWS]) -> Self::Bytes;
    /// All bytes to memory.
    fn store_bytes(self, x: Self::Bytes, to: &mut [u8; 4 * ROWS]);
    /// The low nibble of each byte.
    fn low_nibbles(self, x: Self::Bytes) -> Self::Bytes;
    /// The high nibble of each byte.
    fn high_nibbles(self, x: Self::Bytes) -> Self::Bytes;
    /// `(x >> SHIFT) & mask` of each byte. `mask` has no bit that a neighbour's shifted bits could reach.
    fn bits<const SHIFT: i32>(self, x: Self::Bytes, mask: u8) -> Self::Bytes;
    /// `x | (y << SHIFT)` of each byte; `y << SHIFT` fits a byte.
    fn or_shifted<const SHIFT: i32>(self, x: Self::Bytes, y: Self::Bytes) -> Self::Bytes;
    /// Entries of a table by indices below 16.
    fn look_up(self, ix: Self::Bytes, table: &[u8; 16]) -> Self::Bytes;
    /// Adds to each lane the products of its four codes below 128 with four activations.
    fn dot(self, codes: Self::Bytes, activations: &Quad, to: Self::I32) -> Self::I32;
    /// Adds to each lane the products of its four codes of 0 to 255, less [`Lanes::OFFSET_TAKEN`], with four activations.
    fn dot_offset(self, codes: Self::Bytes, activations: &Quad, to: Self::I32) -> Self::I32;
}

/// Work that is compiled once for each instruction set.
pub trait Kernel {
    /// The result.
    type Output;
    /// Does it. Implementations are `#[inline(always)]`, so that they are compiled with the instructions of the caller.
    fn run<L: Lanes>(self, lanes: L) -> Self::Output;
}
