//! Operations on rows of activations: norms, residual additions, gated GELU and soft-cap.

use crate::cpu::lanes::{Isa, Kernel, Lanes, ROWS};

/// Writes `rms_norm(x) w` of each row of `x [T, D]` into `y`: `x rsqrt(mean(x^2) + eps) w`, D a multiple of 8.
pub fn rms_norm(isa: Isa, x: &[f32], w: &[f32], eps: f32, y: &mut [f32]) {
    isa.run(RmsNorm { x, w, eps, y });
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
        let (w, d) = (w.as_chunks::<ROWS>().0, w.len());
        for (x, y) in x.chunks_exact(d).zip(y.chunks_exact_mut(d)) {
            let x = x.as_chunks::<ROWS>().0;
            let mut squares = lanes.splat(0.0);
            for x in x {
                let x = lanes.load(x);
                squares = lanes.madd(x, x, squares);
            }
            let scale = lanes.splat(1.0 / (sum(lanes, squares) / d as f32 + eps).sqrt());
            for ((x, w), y) in x.iter().zip(w).zip(y.as_chunks_mut::<ROWS>().0) {
                lanes.store(lanes.mul(lanes.mul(lanes.load(x), scale), lanes.load(w)), y);
            }
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
        for (y, x) in self.y.as_chunks::<ROWS>().0.iter().zip(self.x.as_chunks_mut::<ROWS>().0) {
            lanes.store(lanes.add(lanes.load(x), lanes.load(y)), x);
        }
    }
}

/// Writes `gelu_tanh(gate) up` into `y`; all of one length, a multiple of 8.
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
        let inputs = self.gate.as_chunks::<ROWS>().0.iter().zip(self.up.as_chunks::<ROWS>().0);
        for ((gate, up), y) in inputs.zip(self.y.as_chunks_mut::<ROWS>().0) {
            let x = lanes.load(gate);
            let u = lanes.mul(minus_two, lanes.mul(x, lanes.madd(cubic, lanes.mul(x, x), one)));
            let gelu = lanes.div(x, lanes.add(one, exp(lanes, u)));
            lanes.store(lanes.mul(gelu, lanes.load(up)), y);
        }
    }
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
#[inline(always)]
pub(super) fn exp<L: Lanes>(lanes: L, x: L::F32) -> L::F32 {
    // Beyond these the result would be infinite or subnormal.
    let x = lanes.max(lanes.min(x, lanes.splat(88.0)), lanes.splat(-87.0));
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

    fn close(found: &[f32], wanted: impl Iterator<Item = f64>, name: &str) {
        for (found, wanted) in found.iter().zip(wanted) {
            let error = (f64::from(*found) - wanted).abs() / wanted.abs().max(1e-3);
            assert!(error < 2e-6, "{name}: {found} for {wanted}");
        }
    }

    fn values() -> Vec<f32> {
        (0..4096).map(|i| (i as f32 - 2048.0) / 150.0).collect()
    }

    #[test]
    fn gelu_is_that_of_f64() {
        let (gate, up) = (values(), vec![1.5; 4096]);
        for isa in Isa::all() {
            let mut y = vec![0.0; 4096];
            geglu(isa, &gate, &up, &mut y);
            let gelu = |x: f64| 0.5 * x * (1.0 + (0.797_884_560_802_865_4 * (x + 0.044_715 * x.powi(3))).tanh());
            close(&y, gate.iter().map(|x| 1.5 * gelu(f64::from(*x))), isa.name());
        }
    }

    #[test]
    fn norms_are_those_of_f64() {
        let (x, w) = (values(), (0..512).map(|i| 1.0 + i as f32 / 512.0).collect::<Vec<_>>());
        for isa in Isa::all() {
            let mut y = vec![0.0; 4096];
            rms_norm(isa, &x, &w, 1e-6, &mut y);
            let rows = x.chunks(512).flat_map(|x| {
                let mean = x.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / 512.0;
                let scale = 1.0 / (mean + 1e-6).sqrt();
                x.iter().zip(&w).map(move |(x, w)| f64::from(*x) * scale * f64::from(*w))
            });
            close(&y, rows, isa.name());
        }
    }

    #[test]
    fn a_cap_leaves_what_is_no_number() {
        for isa in Isa::all() {
            let mut x = values();
            x[9] = f32::NAN;
            x[17] = f32::INFINITY;
            softcap(isa, &mut x, 5.0);
            assert!(x[9].is_nan() && x[17] == f32::INFINITY);
            let wanted = values();
            close(&x[24..], wanted[24..].iter().map(|x| 5.0 * (f64::from(*x) / 5.0).tanh()), isa.name());
            softcap(isa, &mut x, 0.0);
            assert!(x[9].is_nan());
        }
    }

    #[test]
    fn a_sum_is_exact() {
        for isa in Isa::all() {
            let mut x = values();
            add(isa, &values(), &mut x);
            assert!(x.iter().zip(values()).all(|(sum, x)| *sum == 2.0 * x));
        }
    }
}
