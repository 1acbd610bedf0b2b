//! Tests of attention: against f64, and against itself in other parts.

use super::{KvCache, Shape, attention};
use crate::cpu::lanes::Isa;
use crate::cpu::testing::{error, numbers};
use crate::quant::KvType;

/// A layer, and the tokens that come one chunk after the other.
#[derive(Clone, Debug)]
struct Case {
    kv: KvType,
    head_dim: usize,
    n_kv_heads: usize,
    heads_per_kv: usize,
    window: Option<usize>,
    softcap: f32,
    n_slots: usize,
    chunks: Vec<usize>,
}

/// Queries, keys and values of all tokens.
struct Inputs {
    q: Vec<f32>,
    keys: Vec<f32>,
    values: Vec<f32>,
}

impl Case {
    fn n_tokens(&self) -> usize {
        self.chunks.iter().sum()
    }

    fn n_heads(&self) -> usize {
        self.n_kv_heads * self.heads_per_kv
    }

    fn scale(&self) -> f32 {
        3.0 / (self.head_dim as f32).sqrt()
    }

    fn inputs(&self) -> Inputs {
        let (n, c) = (self.n_tokens(), self.head_dim);
        let some = |seed, heads| numbers(seed).take(n * heads * c).collect::<Vec<f32>>();
        let rounded = |x: Vec<f32>| match self.kv {
            KvType::F16 => x.into_iter().map(|x| half::f16::from_f32(x).to_f32()).collect(),
            KvType::F32 => x,
        };
        Inputs {
            q: some(1, self.n_heads()),
            keys: rounded(some(2, self.n_kv_heads)),
            values: rounded(some(3, self.n_kv_heads)),
        }
    }

    /// Outputs of the heads `first..end`, with a cache of the key/value heads that they need, in rows a gap apart.
    fn run(&self, isa: Isa, inputs: &Inputs, first: usize, end: usize) -> Vec<f32> {
        let (c, row) = (self.head_dim, self.n_kv_heads * self.head_dim);
        let kv_heads = first / self.heads_per_kv..end.div_ceil(self.heads_per_kv);
        let mut cache = KvCache::new(self.kv, self.n_slots, kv_heads.len(), c);
        let shape = Shape {
            first_head: first,
            n_heads: end - first,
            heads_per_kv: self.heads_per_kv,
            first_kv_head: kv_heads.start,
            window: self.window,
            scale: self.scale(),
            softcap: self.softcap,
        };
        let columns = |x: &[f32], row: usize, columns: core::ops::Range<usize>| -> Vec<f32> {
            x.chunks_exact(row).flat_map(|x| &x[c * columns.start..c * columns.end]).copied().collect()
        };
        let (mut position, mut scores, mut all) = (0, vec![f32::NAN; 50], Vec::new());
        let (n, stride) = ((end - first) * c, (end - first) * c + 5);
        for t in &self.chunks {
            let tokens = position * row..(position + t) * row;
            let keys = columns(&inputs.keys[tokens.clone()], row, kv_heads.clone());
            cache.write(&keys, &columns(&inputs.values[tokens], row, kv_heads.clone()), position);
            let q_row = self.n_heads() * c;
            let q = columns(&inputs.q[position * q_row..(position + t) * q_row], q_row, first..end);
            let mut o = vec![f32::INFINITY; t * stride];
            attention(isa, &q, &cache, position, shape, (&mut o, stride), &mut scores);
            assert!(o.chunks(stride).all(|o| o[n..].iter().all(|o| *o == f32::INFINITY)));
            all.extend(o.chunks(stride).flat_map(|o| &o[..n]).copied());
            position += t;
        }
        all
    }

    fn reference(&self, inputs: &Inputs, window: Option<usize>) -> Vec<(f64, f64)> {
        let (c, heads) = (self.head_dim, self.n_heads());
        let at = |x: &[f32], row: usize, head: usize, heads: usize| -> Vec<f64> {
            x[(row * heads + head) * c..][..c].iter().map(|x| f64::from(*x)).collect()
        };
        let mut o = Vec::new();
        for t in 0..self.n_tokens() {
            for head in 0..heads {
                let (q, kv_head) = (at(&inputs.q, t, head, heads), head / self.heads_per_kv);
                let first = window.map_or(0, |window| (t + 1).saturating_sub(window));
                let scores = (first..=t).map(|p| {
                    let key = at(&inputs.keys, p, kv_head, self.n_kv_heads);
                    let score = f64::from(self.scale()) * q.iter().zip(key).map(|(q, k)| q * k).sum::<f64>();
                    let cap = f64::from(self.softcap);
                    if cap > 0.0 { cap * (score / cap).tanh() } else { score }
                });
                let weights: Vec<f64> = scores.map(f64::exp).collect();
                let total: f64 = weights.iter().sum();
                let mut mixed = vec![0.0; c];
                for (p, weight) in (first..=t).zip(&weights) {
                    let value = at(&inputs.values, p, kv_head, self.n_kv_heads);
                    mixed.iter_mut().zip(value).for_each(|(o, v)| *o += weight / total * v);
                }
                o.extend(mixed.into_iter().map(|o| (o, 1.0)));
            }
        }
        o
    }
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for kv in [KvType::F16, KvType::F32] {
        for (heads_per_kv, n_kv_heads, head_dim) in
            [(1, 1, 8), (1, 3, 16), (2, 2, 24), (3, 1, 40), (4, 1, 256), (4, 2, 64), (8, 1, 72), (8, 2, 8)]
        {
            let case = Case {
                kv,
                head_dim,
                n_kv_heads,
                heads_per_kv,
                window: None,
                softcap: 0.0,
                n_slots: 100,
                chunks: vec![1, 1, 40, 9, 1, 2, 3, 33, 1],
            };
            cases.push(case.clone());
            // A ring that wraps several times: a window's keys, and room for the longest chunk.
            let chunks = vec![9, 1, 9, 4, 1, 1, 9, 9, 7, 1, 2, 8, 1];
            cases.push(Case { window: Some(10), n_slots: 18, chunks: chunks.clone(), ..case.clone() });
            cases.push(Case { window: Some(1), n_slots: 9, softcap: 2.0, chunks, ..case.clone() });
            cases.push(Case { softcap: 1.5, window: Some(33), chunks: vec![64, 1, 31], ..case });
        }
    }
    cases
}

#[test]
fn outputs_are_those_of_f64() {
    for case in cases() {
        let inputs = case.inputs();
        let wanted = case.reference(&inputs, case.window);
        // A key more or less is seen, and so is no cap.
        let window = case.window.map_or(case.n_tokens() - 1, |window| window + 1);
        let wrong = case.reference(&inputs, Some(window));
        let uncapped = Case { softcap: 0.0, ..case.clone() }.reference(&inputs, case.window);
        for isa in Isa::all() {
            let o = case.run(isa, &inputs, 0, case.n_heads());
            let seen = error(&o, &wanted);
            assert!(seen < 1e-6, "{case:?} on {}: {seen}", isa.name());
            let seen = error(&o, &wrong);
            assert!(seen > 1e-4, "{case:?} on {}: {seen}", isa.name());
            let seen = error(&o, &uncapped);
            assert!(seen > 1e-3 || case.softcap == 0.0 || case.window == Some(1), "{case:?}: {seen}");
        }
    }
}

#[test]
fn results_depend_neither_on_the_split_of_heads_nor_on_that_of_tokens() {
    for case in cases() {
        let (inputs, n) = (case.inputs(), case.n_heads());
        for isa in Isa::all() {
            let all = case.run(isa, &inputs, 0, n);
            let row = n * case.head_dim;
            for middle in [1, n / 2, n - 1] {
                for (first, end) in [(0, middle), (middle, n)] {
                    let part = case.run(isa, &inputs, first, end);
                    let columns = first * case.head_dim..end * case.head_dim;
                    let wanted: Vec<f32> =
                        all.chunks(row).flat_map(|o| &o[columns.clone()]).copied().collect();
                    assert_eq!(part, wanted, "{case:?} on {}, heads {first}..{end}", isa.name());
                }
            }
            let alone = Case { chunks: vec![1; case.n_tokens()], ..case.clone() };
            assert_eq!(alone.run(isa, &inputs, 0, n), all, "{case:?} on {}", isa.name());
        }
    }
}

#[test]
fn what_is_no_number_is_seen_by_those_who_see_it_only() {
    for case in cases().into_iter().filter(|case| case.n_tokens() > 20) {
        for (bad, plane) in
            [(f32::NAN, 0), (f32::INFINITY, 0), (f32::NAN, 1), (f32::INFINITY, 1), (f32::NAN, 2)]
        {
            let (mut inputs, token) = (case.inputs(), 13);
            let window = case.window.unwrap_or(usize::MAX);
            let seen = match plane {
                0 => &mut inputs.keys[token * case.n_kv_heads * case.head_dim + 1],
                1 => &mut inputs.values[token * case.n_kv_heads * case.head_dim + 1],
                _ => &mut inputs.q[token * case.n_heads() * case.head_dim + 1],
            };
            *seen = bad;
            for isa in Isa::all() {
                let o = case.run(isa, &inputs, 0, case.n_heads());
                for (t, o) in o.chunks(case.n_heads() * case.head_dim).enumerate() {
                    let sees = if plane == 2 { t == token } else { t >= token && t - token < window };
                    let finite = o.iter().all(|o| o.is_finite());
                    // A key of infinity may count nothing, as a score of minus infinity does.
                    let may_not = plane == 0 && bad.is_infinite() && case.softcap == 0.0;
                    assert!(finite != sees || (sees && may_not), "{case:?}, {bad} in {plane}, token {t}");
                }
            }
        }
    }
}

#[test]
fn planes_of_a_head_are_saved_and_restored() {
    let c = 16;
    let x: Vec<f32> = numbers(1).take(5 * 2 * c).collect();
    let mut cache = KvCache::new(KvType::F32, 8, 2, c);
    cache.write(&x, &x, 0);
    assert_eq!(cache.head_bytes(5), 5 * c * 4);
    assert_eq!(cache.head_bytes(9), 8 * c * 4);
    let mut other = KvCache::new(KvType::F32, 8, 2, c);
    for head in 0..2 {
        other.keys_mut(head, 5).copy_from_slice(cache.keys(head, 5));
        other.values_mut(head, 5).copy_from_slice(cache.values(head, 5));
        assert_eq!(other.keys(head, 8), cache.keys(head, 8));
        assert_eq!(other.values(head, 8), cache.values(head, 8));
    }
    let first: Vec<u8> = x.chunks(2 * c).flat_map(|x| &x[c..]).flat_map(|x| x.to_le_bytes()).collect();
    assert_eq!(cache.keys(1, 5), first);
    assert!(cache.keys(2, 5).is_empty() && other.values_mut(2, 1).is_empty());
}

#[test]
fn no_heads_are_nothing() {
    let cache = KvCache::new(KvType::F16, 4, 1, 8);
    let shape = Shape {
        first_head: 0,
        n_heads: 0,
        heads_per_kv: 4,
        first_kv_head: 0,
        window: None,
        scale: 1.0,
        softcap: 0.0,
    };
    for isa in Isa::all() {
        attention(isa, &[], &cache, 0, shape, (&mut [], 0), &mut Vec::new());
    }
}
