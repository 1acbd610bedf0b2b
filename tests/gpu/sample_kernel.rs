//! The `sample` kernel on the native adapter against the CPU's choice: every size, setting and oddity of the logits.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::collections::BTreeMap;

use crate::support::gpu;
use crate::support::suite::{Test, needing};
use gemma_web::gpu::options::FaultInjection;
use gemma_web::gpu::{Buffer, Command, Gpu, GpuOptions, MemoryKind, Plan, RunParams};
use gemma_web::kernels::sample::{self, NO_ID, RECENT, STATE_BYTES, SamplerState, block_max};
use gemma_web::sampler::{Sampling, adjust, choose, uniform};
use libtest_mimic::Failed;
use pollster::block_on;

pub(crate) fn tests() -> Vec<Test> {
    let adapter = gpu::adapter();
    let on_gpu =
        |name: &str, test: fn() -> Result<(), Failed>| needing(name, gpu::NEED, adapter, move |()| test());
    vec![
        on_gpu("greedy takes the lowest id among equals", greedy),
        on_gpu("nothing is chosen where a logit is no number", greedy_among_oddities),
        on_gpu("one NaN among many is noticed", one_oddity),
        on_gpu("draws are those of the CPU", draws),
        on_gpu("draws from odd logits are those of the CPU", draws_from_oddities),
        on_gpu("penalties follow the text that the GPU writes", penalties),
        on_gpu("biases force and forbid", biases),
        on_gpu("draws follow the probabilities", distribution),
        on_gpu("a run of several rows", several_rows),
        on_gpu("a mistake in the kernel is noticed", mistakes),
    ]
}

/// The kernel with its buffers, for logits `[n_vocab]`.
struct Bench {
    gpu: Gpu,
    state: SamplerState,
    logits: Buffer,
    block_max: Buffer,
    ids: Buffer,
    plan: Plan,
}

impl Bench {
    fn open(n_vocab: usize) -> Result<Self, Failed> {
        Self::open_with(n_vocab, None)
    }

    fn open_with(n_vocab: usize, inject: Option<FaultInjection>) -> Result<Self, Failed> {
        let gpu = block_on(Gpu::open(&GpuOptions { inject, ..GpuOptions::default() }))?;
        let before = gpu.bytes_of(MemoryKind::Scratch);
        let state = SamplerState::allocate(&gpu)?;
        if gpu.bytes_of(MemoryKind::Scratch) - before != STATE_BYTES {
            return Err("the memory plan would be wrong".into());
        }
        let tensor = |n: usize| gpu.storage(MemoryKind::Scratch, "test", 4 * n as u64);
        let (logits, maxima, ids) = (tensor(n_vocab)?, tensor(n_vocab.div_ceil(32))?, tensor(64)?);
        let mut plan = Plan::new(&gpu, "test");
        sample::record(&mut plan, &gpu, &state, &logits, &maxima, &ids, n_vocab);
        Ok(Self { gpu, state, logits, block_max: maxima, ids, plan })
    }

    /// Writes logits as the kernel that computes them leaves them.
    fn write(&self, logits: &[f32]) {
        self.gpu.write(&self.logits, 0, bytemuck::cast_slice(logits));
        self.gpu.write(&self.block_max, 0, bytemuck::cast_slice(&block_max(logits)));
    }

    fn begin(&self, sampling: &Sampling, seed: u64, text: &[u32]) {
        self.state.begin(&self.gpu, &sampling.settings(seed).unwrap(), &sampling.logit_bias, text);
    }

    /// Chooses the token at `position`, and leaves it on the GPU.
    fn step(&self, position: usize) -> Result<(), Failed> {
        let step =
            RunParams { n_tokens: 1, position: (position as u32).wrapping_sub(1), ..RunParams::default() };
        Ok(self.gpu.run(&[Command::Plan(&self.plan, step)])?)
    }

    fn read(&self, buffer: &Buffer) -> Result<Vec<f32>, Failed> {
        let staging = self.gpu.staging("test", buffer.bytes());
        self.gpu.run(&[Command::copy(buffer, &staging, buffer.bytes())])?;
        Ok(block_on(self.gpu.read_f32(&staging, buffer.bytes()))?)
    }

    /// Id `i` of a buffer of ids.
    fn id(&self, buffer: &Buffer, i: usize) -> Result<u32, Failed> {
        Ok(self.read(buffer)?[i].to_bits())
    }

    /// The choices at `positions` (at most [`RECENT`]) from the logits there are.
    fn choices(&self, positions: std::ops::Range<usize>) -> Result<Vec<u32>, Failed> {
        for position in positions.clone() {
            self.step(position)?;
        }
        let recent = self.read(&self.state.recent)?;
        Ok(positions.map(|position| recent[position % RECENT].to_bits()).collect())
    }

    fn greedy(&self, logits: &[f32]) -> Result<u32, Failed> {
        self.write(logits);
        self.begin(&greedy_sampling(), 1, &[]);
        self.step(5)?;
        let chosen = self.id(&self.ids, 0)?;
        if chosen != self.id(&self.state.recent, 5)? {
            return Err("the ring holds another token".into());
        }
        Ok(chosen)
    }
}

fn greedy_sampling() -> Sampling {
    Sampling { temperature: 0.0, ..Sampling::default() }
}

/// Numbers in -range..range, the same in every run.
fn numbers(seed: u64, n: usize, range: f32) -> Vec<f32> {
    (0..n as u32).map(|i| (2.0 * uniform(seed, i) - 1.0) as f32 * range).collect()
}

fn expect(what: &str, expected: Option<u32>, found: u32) -> Result<(), Failed> {
    if expected.unwrap_or(NO_ID) == found {
        return Ok(());
    }
    Err(format!("{what}: {found}, expected {expected:?}").into())
}

/// Sizes of Gemma's vocabularies, and sizes that blocks and parts do not divide.
const SIZES: [usize; 11] = [1, 17, 31, 32, 33, 1024, 8191, 8193, 40_000, 256_000, 262_144];

fn greedy() -> Result<(), Failed> {
    for n_vocab in SIZES {
        let b = Bench::open(n_vocab)?;
        let mut logits = numbers(3, n_vocab, 20.0);
        for (i, at) in
            [0, n_vocab / 3, n_vocab / 2, n_vocab * 2 / 3, n_vocab - 1].into_iter().rev().enumerate()
        {
            // The last two are equals of the one before, first further back, then in front.
            logits[at] = 20.0 + (i as f32).min(2.0);
            expect(
                &format!("{n_vocab} {i}"),
                choose(&mut logits.clone(), &greedy_sampling(), &[], 1),
                b.greedy(&logits)?,
            )?;
        }
        logits.fill(-3.5);
        expect(&format!("{n_vocab} equals"), Some(0), b.greedy(&logits)?)?;
    }
    Ok(())
}

fn greedy_among_oddities() -> Result<(), Failed> {
    for n_vocab in [17, 1000, 262_144] {
        let b = Bench::open(n_vocab)?;
        let last = n_vocab - 1;
        for odd in ODD {
            expect("nothing finite", None, b.greedy(&vec![odd; n_vocab])?)?;
        }
        {
            let mut logits = vec![f32::NEG_INFINITY; n_vocab];
            expect("nothing allowed", None, b.greedy(&logits)?)?;
            logits[last] = f32::MIN;
            expect("the least number", Some(last as u32), b.greedy(&logits)?)?;
            logits[last / 2] = -0.0;
            logits[last] = 0.0;
            expect("zeros", Some(last as u32 / 2), b.greedy(&logits)?)?;
            logits[last] = f32::MIN_POSITIVE / 2.0;
            expect("a subnormal", Some(last as u32), b.greedy(&logits)?)?;
        }
    }
    Ok(())
}

const ODD: [f32; 3] = [f32::NAN, -f32::NAN, f32::INFINITY];

/// One odd logit at any place, with and without biases and penalties in its block or for itself, and seen only by its block's maximum.
fn one_oddity() -> Result<(), Failed> {
    for n_vocab in [33, 8193, 262_144] {
        let b = Bench::open(n_vocab)?;
        for at in [0, n_vocab / 2, n_vocab - 1] {
            let id = at as u32;
            let bias =
                |id, bias| Sampling { logit_bias: BTreeMap::from([(id, bias)]), ..Sampling::default() };
            let samplings = [
                greedy_sampling(),
                Sampling { temperature: 0.5, top_k: 40, ..Sampling::default() },
                bias(id, f32::NEG_INFINITY),
                bias(id ^ 1, 5.0),
                Sampling { repetition_penalty: 1.2, presence_penalty: 0.5, ..greedy_sampling() },
            ];
            for (odd, sampling) in ODD.iter().flat_map(|odd| samplings.iter().map(move |s| (*odd, s))) {
                let mut logits = numbers(3, n_vocab, 20.0);
                logits[at] = odd;
                b.write(&logits);
                b.begin(sampling, 1, &[id, id ^ 1]);
                b.step(2)?;
                let what = format!("{odd} at {at} of {n_vocab}, {sampling:?}");
                expect(&what, None, b.id(&b.ids, 0)?)?;
                expect(&what, choose(&mut logits, sampling, &[id, id ^ 1], 1), NO_ID)?;
            }
            let mut maxima = vec![1.0; n_vocab.div_ceil(32)];
            maxima[at / 32] = f32::INFINITY;
            b.write(&numbers(3, n_vocab, 20.0));
            b.gpu.write(&b.block_max, 0, bytemuck::cast_slice(&maxima));
            for sampling in [&samplings[0], &samplings[1], &samplings[3]] {
                b.begin(sampling, 1, &[]);
                b.step(1)?;
                expect("a maximum alone", None, b.id(&b.ids, 0)?)?;
            }
        }
    }
    Ok(())
}

/// The smallest distance, as a part of the whole, of the draw and of the limits of top-p and min-p from a place at which the choice
/// changes: below about 1e-6, f32 may rightly choose another token. `logits` are adjusted.
fn margin(logits: &[f32], sampling: &Sampling, seed: u64, position: u32) -> f64 {
    let mut kept: Vec<f32> = logits.iter().copied().filter(|logit| logit.is_finite()).collect();
    let order = |a: &f32, b: &f32| b.total_cmp(a);
    if kept.len() > 100 {
        kept.select_nth_unstable_by(100, order);
        kept.truncate(100);
    }
    kept.sort_unstable_by(order);
    if sampling.is_greedy() {
        return kept.get(1).map_or(1.0, |second| f64::from(kept[0] - second));
    }
    kept.truncate(sampling.top_k);
    let weight = |logit: &f32| (f64::from(logit - kept[0]) / f64::from(sampling.temperature)).exp();
    let weights: Vec<f64> = kept.iter().map(weight).collect();
    let total: f64 = weights.iter().sum();
    let (mut nearest, mut sum, mut sums) = (1.0f64, 0.0, Vec::new());
    let (top_p, min_p) = (f64::from(sampling.top_p), f64::from(sampling.min_p));
    for (n, weight) in weights.iter().enumerate() {
        if n > 0 && top_p < 1.0 {
            nearest = nearest.min((sum / total - top_p).abs());
        }
        // Equals of the likeliest have a weight of 1 exactly.
        if *weight < 1.0 && min_p > 0.0 {
            nearest = nearest.min((weight - min_p).abs());
        }
        if n > 0 && ((top_p < 1.0 && sum >= top_p * total) || *weight < min_p) {
            break;
        }
        sum += weight;
        sums.push(sum);
    }
    let drawn = uniform(seed, position) * sum;
    sums.pop();
    sums.iter().map(|s| (s - drawn).abs() / sum).fold(nearest, f64::min)
}

/// Choices compared and those that were too near to call.
#[derive(Default)]
struct Tally {
    compared: usize,
    near: usize,
}

impl Tally {
    /// `logits` as they were before biases and penalties.
    fn compare(
        &mut self,
        what: &str,
        logits: &[f32],
        sampling: &Sampling,
        seed: u64,
        text: &[u32],
        found: u32,
    ) -> Result<u32, Failed> {
        let mut adjusted = logits.to_vec();
        let expected = choose(&mut adjusted, sampling, text, seed);
        if margin(&adjusted, sampling, seed, text.len() as u32) < 1e-5 {
            self.near += 1;
        } else {
            self.compared += 1;
            expect(&format!("{what}, {sampling:?}, seed {seed}, position {}", text.len()), expected, found)?;
        }
        Ok(expected.unwrap_or(NO_ID))
    }

    fn enough(&self, least: usize) -> Result<(), Failed> {
        let Self { compared, near } = self;
        if *compared >= least && near * 100 <= compared + near {
            return Ok(());
        }
        Err(format!("{compared} compared, {near} too near to call").into())
    }
}

fn samplings() -> Vec<Sampling> {
    let cases = [
        (1.0, 64, 0.95, 0.0),
        (1.0, 64, 1.0, 0.0),
        (0.3, 64, 0.9, 0.0),
        (2.0, 40, 1.0, 0.1),
        (100.0, 63, 0.5, 0.0),
        (0.7, 2, 1.0, 0.0),
        (5.0, 3, 0.99, 0.5),
        (1e-40, 64, 1.0, 0.0),
        (1.0, 33, 0.01, 0.0),
        (1.0, 64, 1.0, 1.0),
    ];
    cases
        .map(|(temperature, top_k, top_p, min_p)| Sampling {
            temperature,
            top_k,
            top_p,
            min_p,
            ..Sampling::default()
        })
        .to_vec()
}

/// Every setting from the same logits, at some positions from each of `starts` on.
fn draw_all(
    what: &str,
    logits: &[f32],
    starts: &[usize],
    inject: Option<FaultInjection>,
    tally: &mut Tally,
) -> Result<(), Failed> {
    let b = Bench::open_with(logits.len(), inject)?;
    b.write(logits);
    let n = if logits.len() < 10_000 { 20 } else { 6 };
    for (i, sampling) in samplings().iter().enumerate() {
        for start in starts {
            let seed = 1 + ((i as u64) << 31) + *start as u64;
            b.begin(sampling, seed, &[]);
            for (position, found) in (*start..).zip(b.choices(*start..start + n)?) {
                tally.compare(what, logits, sampling, seed, &vec![0; position], found)?;
            }
        }
    }
    Ok(())
}

fn draws() -> Result<(), Failed> {
    let mut tally = Tally::default();
    for n_vocab in SIZES {
        let starts: &[usize] = if n_vocab < 10_000 { &[0, 1, 1000, 131_000] } else { &[7] };
        draw_all(
            &format!("{n_vocab} logits"),
            &numbers(n_vocab as u64, n_vocab, 12.0),
            starts,
            None,
            &mut tally,
        )?;
    }
    tally.enough(5000)
}

/// Small mistakes, one for each part of a draw: temperature, top-k, top-p, min-p, and the place that is drawn.
const PLANTED: [FaultInjection; 5] = [
    FaultInjection {
        kernel: "sample",
        from: "below * settings.inverse_temperature",
        to: "1.01 * below * settings.inverse_temperature",
    },
    FaultInjection { kernel: "sample", from: "if (rank < k)", to: "if (rank + 1u < k)" },
    FaultInjection { kernel: "sample", from: "settings.top_p * total", to: "1.01 * settings.top_p * total" },
    FaultInjection { kernel: "sample", from: ">= settings.min_p", to: ">= 1.1 * settings.min_p" },
    FaultInjection { kernel: "sample", from: "next_position()) >> 8u", to: "next_position() + 1u) >> 8u" },
];

/// As many draws as from one size of [`draws`] notice each.
fn mistakes() -> Result<(), Failed> {
    let logits = numbers(1024, 1024, 12.0);
    for fault in PLANTED {
        let found = draw_all("mistaken", &logits, &[0, 1, 1000, 131_000], Some(fault), &mut Tally::default());
        if found.is_ok() {
            return Err(format!("nobody noticed {fault:?}").into());
        }
    }
    Ok(())
}

fn draws_from_oddities() -> Result<(), Failed> {
    let n = 262_144;
    let mut cases: Vec<(&str, Vec<f32>)> = vec![
        ("rising", (0..n).map(|i| i as f32 / 50.0).collect()),
        ("falling", (0..n).map(|i| -i as f32 / 50.0).collect()),
        ("equals", vec![2.5; n as usize]),
        ("few values", numbers(5, n as usize, 3.0).into_iter().map(f32::round).collect()),
    ];
    // The best all in one block, in one invocation's part, and spread so that every step has to choose among many.
    for (what, stride) in [("in a block", 1), ("in a part", 256 * 32), ("spread", 1021)] {
        let mut logits = numbers(6, n as usize, 1.0);
        for i in 0..200 {
            logits[(17 + i * stride) % n as usize] = 5.0 + (i * 37 % 101) as f32 / 30.0;
        }
        cases.push((what, logits));
    }
    for (what, n_finite) in
        [("nothing allowed", 0), ("one allowed", 1), ("few allowed", 30), ("as many allowed as kept", 64)]
    {
        let mut logits = vec![f32::NEG_INFINITY; 5000];
        for i in 0..n_finite {
            logits[(i * 71) % 5000] = (i % 20) as f32 / 4.0 - 3.0;
        }
        cases.push((what, logits));
    }
    let mut tally = Tally::default();
    for (what, logits) in cases {
        draw_all(what, &logits, &[0], None, &mut tally)?;
    }
    tally.enough(1100)
}

/// Texts whose tokens, except the prompt's, the GPU chose and recorded.
fn penalties() -> Result<(), Failed> {
    let mut tally = Tally::default();
    let base = Sampling { top_k: 20, top_p: 1.0, ..Sampling::default() };
    let cases = [
        Sampling { repetition_penalty: 1.3, ..base.clone() },
        Sampling { repetition_penalty: 0.8, frequency_penalty: 0.3, ..base.clone() },
        Sampling { frequency_penalty: 1.1, presence_penalty: -0.4, ..base.clone() },
        Sampling { presence_penalty: 2.0, temperature: 0.0, ..base.clone() },
        Sampling { repetition_penalty: 1.1, frequency_penalty: 0.05, temperature: 0.0, ..base.clone() },
        Sampling {
            logit_bias: BTreeMap::from([(3, 4.0), (40, f32::NEG_INFINITY), (5, -2.0), (299, 1.5)]),
            frequency_penalty: 0.7,
            ..base
        },
    ];
    for (i, sampling) in cases.iter().enumerate() {
        for n_prompt in [0, 1, 63, 100] {
            // Few likely tokens, several of them in a block, so that texts repeat themselves.
            let mut logits = numbers(9 + i as u64, 300, 1.0);
            (0..12).for_each(|j| logits[j * j] += 4.0);
            let b = Bench::open(logits.len())?;
            let mut text: Vec<u32> = (0..n_prompt).map(|j| j * j % 49).collect();
            let seed = 77 + i as u64;
            b.begin(sampling, seed, &text);
            // More than the penalties look back.
            for _ in 0..80 {
                b.write(&logits);
                b.step(text.len())?;
                let found = b.id(&b.ids, 0)?;
                let expected = tally.compare("penalties", &logits, sampling, seed, &text, found)?;
                adjusted_alike(&b, &logits, sampling, &text)?;
                text.push(expected);
                if expected != found {
                    b.begin(sampling, seed, &text); // too near to call: go on from one text
                }
            }
        }
    }
    tally.enough(1800)
}

/// The logits on the GPU are those the CPU adjusts, and their maxima are right.
fn adjusted_alike(b: &Bench, logits: &[f32], sampling: &Sampling, text: &[u32]) -> Result<(), Failed> {
    let mut expected = logits.to_vec();
    adjust(&mut expected, sampling, text);
    let found = b.read(&b.logits)?;
    for (id, (e, f)) in expected.iter().zip(&found).enumerate() {
        // Rounding, of which a fused multiplication and addition saves one.
        if e != f && (e - f).abs() > 2e-6 * (1.0 + e.abs()) || e.is_nan() != f.is_nan() {
            return Err(format!("logit {id} is {f}, expected {e}").into());
        }
    }
    let maxima = b.read(&b.block_max)?;
    let expected = block_max(&found[..logits.len()]);
    if maxima[..expected.len()] != expected {
        return Err(format!("maxima {maxima:?}, expected {expected:?}").into());
    }
    Ok(())
}

fn biases() -> Result<(), Failed> {
    let logits = numbers(8, 262_144, 12.0);
    let b = Bench::open(logits.len())?;
    let mut best: Vec<u32> = (0..logits.len() as u32).collect();
    best.sort_by(|a, b| logits[*b as usize].total_cmp(&logits[*a as usize]));
    let check = |what: &str, sampling: &Sampling, expected: u32| -> Result<(), Failed> {
        b.write(&logits);
        b.begin(sampling, 5, &[]);
        b.step(9)?;
        expect(what, Some(expected), b.id(&b.ids, 0)?)?;
        expect(what, choose(&mut logits.clone(), sampling, &[0; 9], 5), expected)
    };
    let greedy = |logit_bias| Sampling { logit_bias, ..greedy_sampling() };
    for bias in [f32::NEG_INFINITY, -100.0] {
        let forbidden = best[..256].iter().map(|id| (*id, bias)).collect();
        check("256 forbidden", &greedy(forbidden), best[256])?;
    }
    check("forced", &greedy(BTreeMap::from([(123_456, 100.0)])), 123_456)?;
    check(
        "forced last",
        &Sampling { logit_bias: BTreeMap::from([(262_143, 100.0)]), ..Sampling::default() },
        262_143,
    )?;
    check("moved up", &greedy(BTreeMap::from([(best[1], 1.0), (best[2], 0.5)])), best[1])
}

/// 8192 draws on the GPU against the probabilities.
fn distribution() -> Result<(), Failed> {
    let logits = [0.0, 3.0, 1.0, 3.0, -1.0, 2.0];
    let sampling = Sampling { top_k: 3, top_p: 1.0, ..Sampling::default() };
    let b = Bench::open(logits.len())?;
    b.write(&logits);
    b.begin(&sampling, 42, &[]);
    let (mut counts, n_batches) = ([0u32; 6], 128);
    for batch in 0..n_batches {
        for id in b.choices(batch * RECENT..(batch + 1) * RECENT)? {
            counts[id as usize] += 1;
        }
    }
    // 1, 1, exp(-1), normalised; four standard deviations.
    for (id, expected) in [(0, 0.0), (1, 0.4223), (2, 0.0), (3, 0.4223), (4, 0.0), (5, 0.1554)] {
        let share = f64::from(counts[id]) / (n_batches * RECENT) as f64;
        if (share - expected).abs() > 0.022 {
            return Err(format!("token {id}: {share} against {expected}").into());
        }
    }
    Ok(())
}

/// The logits after a prompt belong to the last of its rows.
fn several_rows() -> Result<(), Failed> {
    let logits = numbers(4, 1024, 3.0);
    let b = Bench::open(logits.len())?;
    b.write(&logits);
    let mut tally = Tally::default();
    for n_rows in 1..50 {
        b.begin(&Sampling::default(), 11, &[]);
        let step = RunParams { n_tokens: n_rows, position: 100, ..RunParams::default() };
        b.gpu.run(&[Command::Plan(&b.plan, step)])?;
        let position = 100 + n_rows as usize;
        tally.compare("rows", &logits, &Sampling::default(), 11, &vec![0; position], b.id(&b.ids, 0)?)?;
        expect("in the ring", Some(b.id(&b.ids, 0)?), b.id(&b.state.recent, position % RECENT)?)?;
    }
    tally.enough(45)
}
