//! Scales and minima of eight rows and 32 columns, `w = scale (code - zero) - min`.
//!
//! ```text
//! Half        f16 x 8                            one scale a 32 columns
//! HalfMin     f16 x 8, f16 x 8                   … and a minimum
//! Super       i8 or u8 x 8 x G [, u8 x 8 x G]    G scales (and minima) a 32 columns, times an f32 x 8 (twice with minima)
//!                                                for each 256 columns, which lie apart
//! ```

use crate::cpu::lanes::{Lanes, ROWS};

/// Scales and minima of the one or two groups of a block. If it is one group, the second is a copy.
#[derive(Clone, Copy, Debug)]
pub struct Scaled<F> {
    /// A code's factor.
    pub scales: [F; 2],
    /// What is taken from a weight.
    pub mins: [F; 2],
}

/// The way from the bytes of a block to its scales.
pub trait Scales {
    /// Groups of columns with a scale of their own, in 32 columns: 1 or 2.
    const GROUPS: usize;
    /// Whether there are minima.
    const MINS: bool;
    /// Bytes of a block.
    const BYTES: usize;
    /// f32 that 256 columns have, or 0.
    const SUPERS: usize;

    /// Those of one block. `supers` are those of its 256 columns. Too few bytes give zeros.
    fn scaled<L: Lanes>(lanes: L, bytes: &[u8], supers: &[f32]) -> Scaled<L::F32>;
}

/// An f16 a 32 columns.
#[derive(Debug)]
pub struct Half;

impl Scales for Half {
    const GROUPS: usize = 1;
    const MINS: bool = false;
    const BYTES: usize = 2 * ROWS;
    const SUPERS: usize = 0;

    #[inline(always)]
    fn scaled<L: Lanes>(lanes: L, bytes: &[u8], _: &[f32]) -> Scaled<L::F32> {
        let none = lanes.splat(0.0);
        let scale = if let Some(bytes) = bytes.first_chunk() { lanes.load_f16(bytes) } else { none };
        Scaled { scales: [scale; 2], mins: [none; 2] }
    }
}

/// Two f16 a 32 columns.
#[derive(Debug)]
pub struct HalfMin;

impl Scales for HalfMin {
    const GROUPS: usize = 1;
    const MINS: bool = true;
    const BYTES: usize = 4 * ROWS;
    const SUPERS: usize = 0;

    #[inline(always)]
    fn scaled<L: Lanes>(lanes: L, bytes: &[u8], _: &[f32]) -> Scaled<L::F32> {
        let [scale, min] = bytes.as_chunks().0 else {
            return Scaled { scales: [lanes.splat(0.0); 2], mins: [lanes.splat(0.0); 2] };
        };
        Scaled { scales: [lanes.load_f16(scale); 2], mins: [lanes.load_f16(min); 2] }
    }
}

/// Bytes times a factor of the 256 columns. Scales are signed if there are no minima.
#[derive(Debug)]
pub struct Super<const GROUPS: usize, const MINS: bool>;

impl<const GROUPS: usize, const MINS: bool> Scales for Super<GROUPS, MINS> {
    const GROUPS: usize = GROUPS;
    const MINS: bool = MINS;
    const BYTES: usize = ROWS * GROUPS * (1 + MINS as usize);
    const SUPERS: usize = ROWS * (1 + MINS as usize);

    #[inline(always)]
    fn scaled<L: Lanes>(lanes: L, bytes: &[u8], supers: &[f32]) -> Scaled<L::F32> {
        let none = lanes.splat(0.0);
        let bytes = bytes.as_chunks::<ROWS>().0;
        let supers = supers.as_chunks::<ROWS>().0;
        if bytes.len() < Self::BYTES / ROWS || supers.len() < Self::SUPERS / ROWS {
            return Scaled { scales: [none; 2], mins: [none; 2] };
        }
        let factor = lanes.load(&supers[0]);
        let last = GROUPS - 1;
        if MINS {
            let (factors, mins) = (lanes.load(&supers[1]), &bytes[GROUPS..]);
            let (first_scale, last_scale) = (lanes.load_u8(&bytes[0]), lanes.load_u8(&bytes[last]));
            let (first_min, last_min) = (lanes.load_u8(&mins[0]), lanes.load_u8(&mins[last]));
            Scaled {
                scales: [lanes.mul(first_scale, factor), lanes.mul(last_scale, factor)],
                mins: [lanes.mul(first_min, factors), lanes.mul(last_min, factors)],
            }
        } else {
            let (first, last) = (lanes.load_i8(&bytes[0]), lanes.load_i8(&bytes[last]));
            Scaled { scales: [lanes.mul(first, factor), lanes.mul(last, factor)], mins: [none; 2] }
        }
    }
}
