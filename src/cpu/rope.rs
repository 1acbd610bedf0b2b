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

#[cfg(test)]
mod tests {
    use super::{Angles, Isa, rope};
    use crate::cpu::testing::{error, numbers};

    /// In f64, pair by pair.
    fn reference(
        x: &[f32],
        (heads, c): (usize, usize),
        base: f64,
        divisor: f64,
        first: usize,
    ) -> Vec<(f64, f64)> {
        let mut y: Vec<_> = x.iter().map(|x| (f64::from(*x), 1.0)).collect();
        for (t, row) in y.chunks_exact_mut(heads * c).enumerate() {
            for head in row.chunks_exact_mut(c) {
                for i in 0..c / 2 {
                    let angle = (first + t) as f64 / divisor * base.powf(-2.0 * i as f64 / c as f64);
                    let (a, b) = (head[i].0, head[i + c / 2].0);
                    head[i].0 = a * angle.cos() - b * angle.sin();
                    head[i + c / 2].0 = b * angle.cos() + a * angle.sin();
                }
            }
        }
        y
    }

    #[test]
    fn rotations_are_those_of_f64() {
        for isa in Isa::all() {
            for (heads, c) in [(1, 2), (4, 8), (3, 24), (2, 40), (1, 256)] {
                for (tokens, first) in [(1, 0), (1, 30_000), (5, 123)] {
                    for (base, divisor) in [(1e4, 1.0), (1e6, 8.0)] {
                        let x: Vec<f32> = numbers(4).take(tokens * heads * c).collect();
                        let (mut y, mut angles) = (x.clone(), Angles::default());
                        angles.fill(base, divisor, c / 2, first..first + tokens);
                        rope(isa, &mut y, heads, &angles);
                        let name = format!("{}, C {c}, {tokens} tokens", isa.name());
                        let seen = error(&y, &reference(&x, (heads, c), base, divisor, first));
                        assert!(seen < 3e-7, "{name}: {seen}");
                        let wrong = error(&y, &reference(&x, (heads, c), base, divisor, first + 1));
                        assert!(wrong > 1e-2, "{name}: {wrong}");
                    }
                }
            }
        }
    }

    #[test]
    fn angles_follow_what_is_asked_for() {
        let mut angles = Angles::default();
        let mut asked = |base, divisor, n_pairs, positions| {
            angles.fill(base, divisor, n_pairs, positions);
            (angles.cos.clone(), angles.sin.clone())
        };
        let first = asked(1e4, 1.0, 4, 7..9);
        assert_eq!(asked(1e4, 1.0, 4, 7..9), first);
        assert_eq!(first.0.len(), 8);
        assert_ne!(asked(1e6, 1.0, 4, 7..9), first);
        assert_ne!(asked(1e4, 2.0, 4, 7..9), first);
        assert_ne!(asked(1e4, 1.0, 4, 8..10), first);
        assert_eq!(asked(1e4, 1.0, 2, 7..9).0.len(), 4);
        assert_eq!(asked(1e4, 1.0, 4, 7..9), first);
    }

    #[test]
    fn nothing_is_rotated_without_heads_or_angles() {
        for isa in Isa::all() {
            let mut x = [1.0; 8];
            rope(isa, &mut x, 1, &Angles::default());
            rope(isa, &mut [], 0, &Angles::default());
            assert_eq!(x, [1.0; 8]);
        }
    }
}
