//! Rotary position embedding: pairs are `(i, i + C/2)`, whole head.

use core::ops::Range;

use crate::cpu::lanes::{Isa, Kernel, Lanes, ROWS};

/// Cosines and sines of the pairs of some positions, `[T, n_pairs]`.
#[derive(Debug, Default)]
pub struct Angles {
    /// Base, divisor, pairs and positions of what is held.
    held: Option<(f64, f64, usize, Range<usize>)>,
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl Angles {
    /// Computes those of `position / divisor base^(-i / n_pairs)`, unless they are held already.
    pub fn fill(&mut self, base: f64, divisor: f64, n_pairs: usize, positions: Range<usize>) {
        let wanted = Some((base, divisor, n_pairs, positions.clone()));
        if self.held == wanted {
            return;
        }
        self.held = wanted;
        self.cos.clear();
        self.sin.clear();
        let frequencies: Vec<f64> = (0..n_pairs).map(|i| base.powf(-(i as f64) / n_pairs as f64)).collect();
        for position in positions {
            for frequency in &frequencies {
                let (sin, cos) = (position as f64 / divisor * frequency).sin_cos();
                self.cos.push(cos as f32);
                self.sin.push(sin as f32);
            }
        }
    }

    fn n_pairs(&self) -> usize {
        self.held.as_ref().map_or(0, |held| held.2)
    }
}

/// Rotates `x [T, heads, C]` in place. `angles` are those of the T positions and `C / 2` pairs.
pub fn rope(isa: Isa, x: &mut [f32], n_heads: usize, angles: &Angles) {
    isa.run(Rope { x, n_heads, angles });
}

struct Rope<'a> {
    x: &'a mut [f32],
    n_heads: usize,
    angles: &'a Angles,
}

impl Kernel for Rope<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let n_pairs = self.angles.n_pairs();
        if n_pairs == 0 || self.n_heads == 0 {
            return;
        }
        let angles = self.angles.cos.chunks_exact(n_pairs).zip(self.angles.sin.chunks_exact(n_pairs));
        for (x, (cos, sin)) in self.x.chunks_exact_mut(self.n_heads * 2 * n_pairs).zip(angles) {
            for x in x.chunks_exact_mut(2 * n_pairs) {
                rotate(lanes, x.split_at_mut(n_pairs), cos, sin);
            }
        }
    }
}

#[inline(always)]
fn rotate<L: Lanes>(lanes: L, (a, b): (&mut [f32], &mut [f32]), cos: &[f32], sin: &[f32]) {
    let (cos, cos_rest) = cos.as_chunks::<ROWS>();
    let (sin, sin_rest) = sin.as_chunks::<ROWS>();
    let (a, a_rest) = a.as_chunks_mut::<ROWS>();
    let (b, b_rest) = b.as_chunks_mut::<ROWS>();
    for ((a, b), (cos, sin)) in a.iter_mut().zip(b).zip(cos.iter().zip(sin)) {
        let (cos, sin) = (lanes.load(cos), lanes.load(sin));
        let (x, y) = (lanes.load(a), lanes.load(b));
        lanes.store(lanes.sub(lanes.mul(x, cos), lanes.mul(y, sin)), a);
        lanes.store(lanes.add(lanes.mul(y, cos), lanes.mul(x, sin)), b);
    }
    for ((a, b), (cos, sin)) in a_rest.iter_mut().zip(b_rest).zip(cos_rest.iter().zip(sin_rest)) {
        (*a, *b) = (*a * cos - *b * sin, *b * cos + *a * sin);
    }
}
