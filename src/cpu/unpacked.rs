//! Eight rows of codes as bytes, unpacked once for the tokens of a prompt.

use crate::cpu::codes::{CHUNK, Codes, QUADS};
use crate::cpu::lanes::{Lanes, ROWS};
use crate::cpu::matrix::Group;
use crate::cpu::scales::Scales;

/// Codes, scales and minima, block by block.
#[derive(Debug, Default)]
pub struct Tile {
    pub(super) codes: Vec<[[u8; CHUNK]; QUADS]>,
    pub(super) scales: Vec<[f32; ROWS]>,
    pub(super) mins: Vec<[f32; ROWS]>,
}

/// Unpacks a group.
#[inline(always)]
pub(super) fn unpack<L: Lanes, C: Codes, S: Scales>(lanes: L, group: Group<'_>, tile: &mut Tile) {
    let n_blocks = group.blocks::<C, S>().count();
    tile.codes.resize(n_blocks, [[0; CHUNK]; QUADS]);
    tile.scales.resize(n_blocks * S::GROUPS, [0.0; ROWS]);
    tile.mins.resize(n_blocks * S::GROUPS, [0.0; ROWS]);
    let scales = tile.scales.chunks_exact_mut(S::GROUPS).zip(tile.mins.chunks_exact_mut(S::GROUPS));
    for ((block, to), (scales, mins)) in group.blocks::<C, S>().zip(&mut tile.codes).zip(scales) {
        for (codes, to) in C::quads(lanes, block.codes).into_iter().zip(to) {
            lanes.store_bytes(codes, to);
        }
        let scaled = S::scaled(lanes, block.scales, block.supers);
        for (scale, to) in scaled.scales.into_iter().zip(scales) {
            lanes.store(scale, to);
        }
        if S::MINS {
            for (min, to) in scaled.mins.into_iter().zip(mins) {
                lanes.store(min, to);
            }
        }
    }
}
