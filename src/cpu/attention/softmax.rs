//! The way from scores to weights.

use core::ops::Range;

use super::tile::Shape;
use crate::cpu::lanes::{Lanes, ROWS};
use crate::cpu::rows::{capped, exp, sum};

/// Scores at `seen` become weights that sum to 1. What lies around them may be overwritten.
#[inline(always)]
pub(super) fn softmax<L: Lanes>(lanes: L, scores: &mut [f32], seen: Range<usize>, shape: Shape) {
    let first = seen.start / ROWS * ROWS;
    scores[first..seen.start].fill(f32::NEG_INFINITY);
    let end = seen.end.next_multiple_of(ROWS);
    scores[seen.end..end].fill(f32::NEG_INFINITY);
    let inner = seen.start - first..seen.end - first;
    let scores = &mut scores[first..end];

    let scale = lanes.splat(shape.scale);
    let mut largest = lanes.splat(f32::NEG_INFINITY);
    for chunk in scores.as_chunks_mut::<ROWS>().0 {
        let mut x = lanes.mul(lanes.load(chunk), scale);
        if shape.softcap > 0.0 {
            // What is added is 0, or NaN if the score is infinite or none.
            x = lanes.add(capped(lanes, x, shape.softcap), lanes.sub(x, x));
        }
        lanes.store(x, chunk);
    }
    scores[..inner.start].fill(f32::NEG_INFINITY);
    scores[inner.end..].fill(f32::NEG_INFINITY);
    for chunk in scores.as_chunks::<ROWS>().0 {
        largest = lanes.max(lanes.load(chunk), largest);
    }
    let mut lanes_largest = [0.0; ROWS];
    lanes.store(largest, &mut lanes_largest);
    let largest = lanes_largest.iter().fold(f32::NEG_INFINITY, |m, x| if *x > m { *x } else { m });
    let largest = lanes.splat(largest);
    for chunk in scores.as_chunks_mut::<ROWS>().0 {
        lanes.store(exp(lanes, lanes.sub(lanes.load(chunk), largest)), chunk);
    }
    scores[..inner.start].fill(0.0);
    scores[inner.end..].fill(0.0);
    let mut total = lanes.splat(0.0);
    for chunk in scores.as_chunks::<ROWS>().0 {
        total = lanes.add(total, lanes.load(chunk));
    }
    let inverse = lanes.splat(1.0 / sum(lanes, total));
    for chunk in scores.as_chunks_mut::<ROWS>().0 {
        lanes.store(lanes.mul(lanes.load(chunk), inverse), chunk);
    }
}
