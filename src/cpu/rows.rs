//! Operations on rows of activations: norms, residual additions, gated GELU and soft-cap.

use crate::cpu::lanes::{Isa, Kernel, Lanes, ROWS};

/// Writes `rms_norm(x) w` of each row of `x [T, D]` into `y`: `x rsqrt(mean(x^2) + eps) w`.
pub fn rms_norm(isa: Isa, x: &[f32], w: &[f32], eps: f32, y: &mut [f32]) {
    if !w.is_empty() {
        isa.run(RmsNorm { x, w, eps, y });
    }
}

struct RmsNorm<'a> {
    x: &'a [f32],
    w: &'a [f32],
    eps: f32,
    y: &'a mut [f32],
}

impl Kernel for RmsNorm<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Self { x, w, eps, y } = self;
        let d = w.len();
        for (x, y) in x.chunks_exact(d).zip(y.chunks_exact_mut(d)) {
            let (chunks, rest) = x.as_chunks::<ROWS>();
            let mut squares = lanes.splat(0.0);
            for x in chunks {
                let x = lanes.load(x);
                squares = lanes.madd(x, x, squares);
            }
            let rest = lanes.load(&padded(rest));
            squares = lanes.madd(rest, rest, squares);
            let scale = lanes.splat(1.0 / (sum(lanes, squares) / d as f32 + eps).sqrt());
            two_to_one(lanes, x, w, y, |x, w| lanes.mul(lanes.mul(x, scale), w));
        }
    }
}

/// `x += y`
pub fn add(isa: Isa, y: &[f32], x: &mut [f32]) {
    isa.run(Add { y, x });
}

struct Add<'a> {
    y: &'a [f32],
    x: &'a mut [f32],
}

impl Kernel for Add<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let (y, y_rest) = self.y.as_chunks::<ROWS>();
        let (x, x_rest) = self.x.as_chunks_mut::<ROWS>();
        for (y, x) in y.iter().zip(x) {
            lanes.store(lanes.add(lanes.load(x), lanes.load(y)), x);
        }
        x_rest.iter_mut().zip(y_rest).for_each(|(x, y)| *x += y);
    }
}

/// Writes `gelu_tanh(gate) up` into `y`; all of one length.
pub fn geglu(isa: Isa, gate: &[f32], up: &[f32], y: &mut [f32]) {
    isa.run(Geglu { gate, up, y });
}

struct Geglu<'a> {
    gate: &'a [f32],
    up: &'a [f32],
    y: &'a mut [f32],
}

impl Kernel for Geglu<'_> {
    type Output = ();

    /// `0.5 x (1 + tanh(u)) = x / (1 + exp(-2 u))`, `u = sqrt(2/pi) (x + 0.044715 x^3)`.
    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let (one, cubic) = (lanes.splat(1.0), lanes.splat(0.044_715));
        let minus_two = lanes.splat(-2.0 * (2.0 / core::f32::consts::PI).sqrt());
        two_to_one(lanes, self.gate, self.up, self.y, |x, up| {
            let u = lanes.mul(minus_two, lanes.mul(x, lanes.madd(cubic, lanes.mul(x, x), one)));
            lanes.mul(lanes.div(x, lanes.add(one, exp(lanes, u))), up)
        });
    }
}

/// Writes a function of two numbers, eight at a time, into `y`.
#[inline(always)]
fn two_to_one<L: Lanes>(lanes: L, a: &[f32], b: &[f32], y: &mut [f32], f: impl Fn(L::F32, L::F32) -> L::F32) {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<ROWS>(), b.as_chunks::<ROWS>());
    let (y, y_rest) = y.as_chunks_mut::<ROWS>();
    for ((a, b), y) in a.iter().zip(b).zip(y) {
        lanes.store(f(lanes.load(a), lanes.load(b)), y);
    }
    if !y_rest.is_empty() {
        let mut all = [0.0; ROWS];
        lanes.store(f(lanes.load(&padded(a_rest)), lanes.load(&padded(b_rest))), &mut all);
        y_rest.iter_mut().zip(all).for_each(|(y, all)| *y = all);
    }
}

/// Fewer than eight numbers, then zeros.
#[inline(always)]
fn padded(rest: &[f32]) -> [f32; ROWS] {
    let mut all = [0.0; ROWS];
    all.iter_mut().zip(rest).for_each(|(all, x)| *all = *x);
    all
}

/// `x = cap tanh(x / cap)`; nothing if `cap` is 0. Infinity and NaN stay what they are.
pub fn softcap(isa: Isa, x: &mut [f32], cap: f32) {
    if cap > 0.0 {
        isa.run(Softcap { x, cap });
    }
}

struct Softcap<'a> {
    x: &'a mut [f32],
    cap: f32,
}

impl Kernel for Softcap<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let (chunks, rest) = self.x.as_chunks_mut::<ROWS>();
        for x in chunks {
            if x.iter().all(|x| x.is_finite()) {
                lanes.store(capped(lanes, lanes.load(x), self.cap), x);
            } else {
                x.iter_mut().for_each(|x| *x = capped_one(*x, self.cap));
            }
        }
        rest.iter_mut().for_each(|x| *x = capped_one(*x, self.cap));
    }
}

fn capped_one(x: f32, cap: f32) -> f32 {
    if x.is_finite() { cap * (x / cap).tanh() } else { x }
}

/// `cap tanh(x / cap) = cap - 2 cap / (1 + exp(2 x / cap))`
#[inline(always)]
pub(super) fn capped<L: Lanes>(lanes: L, x: L::F32, cap: f32) -> L::F32 {
    let grown = lanes.add(lanes.splat(1.0), exp(lanes, lanes.mul(x, lanes.splat(2.0 / cap))));
    lanes.sub(lanes.splat(cap), lanes.div(lanes.splat(2.0 * cap), grown))
}

/// The sum of all lanes, in order.
#[inline(always)]
pub(super) fn sum<L: Lanes>(lanes: L, x: L::F32) -> f32 {
    let mut all = [0.0; ROWS];
    lanes.store(x, &mut all);
    all.iter().sum()
}

/// `e^x` to 2 in the last place: `2^n e^r` with `|r| <= ln(2) / 2`, and a polynomial of degree 7 for `e^r` (its Taylor series).
/// Infinite from 88.4 on, at least `e^-87`; NaN of NaN.
#[inline(always)]
pub(super) fn exp<L: Lanes>(lanes: L, x: L::F32) -> L::F32 {
    // NaN is the second operand, so it stays.
    let x = lanes.max(lanes.splat(-87.0), lanes.min(lanes.splat(88.5), x));
    let n = lanes.round(lanes.mul(x, lanes.splat(core::f32::consts::LOG2_E)));
    // ln(2) in two parts, so that n ln(2) is exact.
    let r = lanes.madd(n, lanes.splat(-0.693_359_4), x);
    let r = lanes.madd(n, lanes.splat(2.121_944_4e-4), r);
    let mut y = lanes.splat(1.0 / 5040.0);
    for factor in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        y = lanes.madd(y, r, lanes.splat(factor));
    }
    lanes.mul(y, lanes.exp2_whole(n))
}

#[cfg(test)]
mod tests {
    use super::{Isa, add, geglu, rms_norm, softcap};
    use crate::cpu::testing::{error, numbers};

    /// Numbers between `-size` and `size`.
    fn values(n: usize, size: f32) -> Vec<f32> {
        numbers(n as u64).take(n).map(|x| size * x).collect()
    }

    /// The largest error in units of 1 and of the value; a planted error of a thousandth in one place is seen.
    fn close(found: &[f32], wanted: &[f64], tolerance: f64, name: &str) {
        let mut pairs: Vec<_> = wanted.iter().map(|y| (*y, 1.0 + y.abs())).collect();
        let seen = error(found, &pairs);
        assert!(seen < tolerance, "{name}: {seen}");
        if let Some((last, size)) = pairs.last_mut() {
            *last += 1e-3 * *size;
            assert!(error(found, &pairs) > 10.0 * tolerance, "{name}: nothing is seen");
        }
    }

    const LENGTHS: [usize; 8] = [0, 1, 7, 8, 9, 16, 29, 640];

    #[test]
    fn gelu_is_that_of_f64() {
        for isa in Isa::all() {
            for n in LENGTHS {
                let (gate, up, mut y) = (values(n, 12.0), values(n + 1, 2.0), vec![f32::NAN; n]);
                geglu(isa, &gate, &up[..n], &mut y);
                let gelu =
                    |x: f64| 0.5 * x * (1.0 + (0.797_884_560_802_865_4 * (x + 0.044_715 * x.powi(3))).tanh());
                let wanted: Vec<_> =
                    gate.iter().zip(&up).map(|(x, up)| f64::from(*up) * gelu(f64::from(*x))).collect();
                close(&y, &wanted, 1e-6, isa.name());
            }
        }
    }

    #[test]
    fn gelu_of_what_is_large_or_no_number() {
        for isa in Isa::all() {
            let gate =
                [1e30, -1e30, 3e38, -3e38, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -40.0, f32::NAN];
            let mut y = [0.0; 9];
            geglu(isa, &gate, &[1.0; 9], &mut y);
            assert!(y[0] == 1e30 && y[2] == 3e38 && y[5] == f32::INFINITY, "{y:?}");
            assert!(y[1] == 0.0 && y[3] == 0.0 && y[7].abs() < 1e-30, "{y:?}");
            assert!(y[4].is_nan() && !y[6].is_finite() && y[8].is_nan(), "{y:?}");
        }
    }

    #[test]
    fn norms_are_those_of_f64() {
        for isa in Isa::all() {
            for d in LENGTHS {
                let (x, w, mut y) = (values(3 * d, 20.0), values(d, 2.0), vec![f32::NAN; 3 * d]);
                rms_norm(isa, &x, &w, 1e-6, &mut y);
                let wanted: Vec<_> = x
                    .chunks(d.max(1))
                    .flat_map(|x| {
                        let mean = x.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / d as f64;
                        let scale = 1.0 / (mean + 1e-6).sqrt();
                        x.iter().zip(&w).map(move |(x, w)| f64::from(*x) * scale * f64::from(*w))
                    })
                    .collect();
                close(&y, &wanted, 1e-6, isa.name());
            }
        }
    }

    #[test]
    fn a_norm_of_what_is_no_number_is_nan() {
        for isa in Isa::all() {
            for at in [0, 9] {
                let mut x = vec![1.0; 20];
                x[at] = f32::NAN;
                let mut y = vec![0.0; 20];
                rms_norm(isa, &x, &[1.0; 10], 1e-6, &mut y);
                assert!(y[..10].iter().all(|y| y.is_nan()) && y[10..].iter().all(|y| y.is_finite()));
            }
        }
    }

    #[test]
    fn a_cap_leaves_what_is_no_number() {
        for isa in Isa::all() {
            for n in LENGTHS {
                let x = values(n, 90.0);
                let mut y = x.clone();
                softcap(isa, &mut y, 5.0);
                let wanted: Vec<_> = x.iter().map(|x| 5.0 * (f64::from(*x) / 5.0).tanh()).collect();
                close(&y, &wanted, 1e-6, isa.name());
                softcap(isa, &mut y.clone(), 0.0);
                let mut none = x.clone();
                softcap(isa, &mut none, 0.0);
                assert_eq!(none, x);
            }
            let mut x = values(21, 90.0);
            (x[9], x[17], x[20]) = (f32::NAN, f32::INFINITY, f32::NEG_INFINITY);
            softcap(isa, &mut x, 5.0);
            assert!(x[9].is_nan() && x[17] == f32::INFINITY && x[20] == f32::NEG_INFINITY);
            assert!(x[10].abs() <= 5.0 && x[16].abs() <= 5.0);
        }
    }

    #[test]
    fn a_sum_is_exact() {
        for isa in Isa::all() {
            for n in LENGTHS {
                let (mut x, y) = (values(n, 1.0), values(n + 1, 3.0));
                let wanted: Vec<_> = x.iter().zip(&y).map(|(x, y)| x + y).collect();
                add(isa, &y[..n], &mut x);
                assert_eq!(x, wanted);
            }
        }
    }
}
