//! The kernels of a decode step on the native adapter against their CPU twins: every format, arithmetic and number of lanes.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use crate::support::gpu;
use crate::support::kernel_bench::{Bench, Planted, notices, same};
use crate::support::suite::{Test, needing};
use gemma_web::gpu::layout::KvShape;
use gemma_web::gpu::options::FaultInjection;
use gemma_web::gpu::{Arithmetic, Buffer, FusedMatrix, GpuOptions, KvCache, Lanes, Matrix, Slice, Tuning};
use gemma_web::kernels::attention_decode::{Heads, partial_bytes};
use gemma_web::kernels::attention_prefill::{Cached, Shape, attention};
use gemma_web::kernels::matmul::matmul as product;
use gemma_web::kernels::matvec_common::{Acts, NormInput, Span, norm_input};
use gemma_web::kernels::norm_add::rms_norm;
use gemma_web::kernels::norm_gate_up_matvec::Out;
use gemma_web::kernels::quantize::{dequantized, quantize};
use gemma_web::kernels::rope_table::{Rotary, rope};
use gemma_web::kernels::sample::block_max;
use gemma_web::kernels::softcap_logits::softcap_logits;
use gemma_web::kernels::{
    attention_decode, attention_reduce, geglu_prefill, logits, matvec, norm_gate_up_matvec, norm_matvec,
};
use gemma_web::quant::{F16, F32, FORMATS, Format, KvType, Q3_K, Q4_K, Q5_0, Q5_K, Q6_K, Q8_0};
use libtest_mimic::Failed;

/// Small mistakes, each with the comparison that must notice it.
const PLANTED: [Planted; 6] = [
    (
        normed_products,
        FaultInjection {
            kernel: "norm_matvec",
            from: "scales = norm_scales(index, group.x == 0u)",
            to: "scales = 1.01 * norm_scales(index, group.x == 0u)",
        },
    ),
    (
        gated,
        FaultInjection {
            kernel: "norm_gate_up_matvec",
            from: "gelu_tanh(gate) * up",
            to: "1.1 * gelu_tanh(gate) * up",
        },
    ),
    (
        plain_products,
        FaultInjection { kernel: "matvec", from: "0u, params.n_groups", to: "0u, params.n_groups - 1u" },
    ),
    (makes_logits, FaultInjection { kernel: "logits", from: "softcap(sum", to: "softcap(1.01 * sum" }),
    (
        attends,
        FaultInjection { kernel: "attention_decode", from: "* params.scale", to: "* (1.01 * params.scale)" },
    ),
    (
        attends,
        FaultInjection { kernel: "attention_reduce", from: "total += weight * m_l.y", to: "total += m_l.y" },
    ),
];

pub(crate) fn tests() -> Vec<Test> {
    let adapter = gpu::adapter();
    let on_gpu = |name: &str, test: fn(&Bench) -> Result<(), Failed>| {
        needing(name, gpu::NEED, adapter, move |()| test(&Bench::open(GpuOptions::default())?))
    };
    vec![
        on_gpu("norm_matvec in every format", normed_products),
        on_gpu("norm_matvec of two formats", two_formats),
        on_gpu("norm_gate_up_matvec in every format, of two formats, and in three dispatches", gated),
        on_gpu("matvec in every format", plain_products),
        on_gpu("logits and their blocks", makes_logits),
        on_gpu("attention_decode and attention_reduce", attends),
        on_gpu("matrices split by rows", |_| in_parts()),
        needing("a mistake in a kernel is noticed", gpu::NEED, adapter, |()| notices(&PLANTED)),
    ]
}

const EPS: f32 = 1e-6;
/// f32 sums in another order, for inputs of about 1 and weights up to 8.
const CLOSE: f32 = 4e-3;

/// The input that the products really see: codes if the arithmetic and the format are int8.
fn seen(x: &[f32], format: &Format, tuning: Tuning) -> Vec<f32> {
    if tuning.arithmetic == Arithmetic::F32 || !format.has_codes() {
        return x.to_vec();
    }
    let (codes, scales) = quantize(x);
    dequantized(&codes, &scales)
}

/// Largest change of a sum if the rounding of a few codes at a tie goes the other way, by one step each.
fn tolerance(tuning: Tuning) -> f32 {
    if tuning.arithmetic == Arithmetic::Int8 { 0.3 } else { CLOSE }
}

fn stack(b: &Bench, format: &'static Format, members: &[&[u8]], n_cols: usize, col: (u64, u64)) -> Matrix {
    let row_bytes = format.bytes_of(n_cols as u64) as usize;
    let named = |(i, blocks): (usize, &&[u8])| Slice {
        label: format!("member {i}"),
        n_rows: (blocks.len() / row_bytes) as u64,
    };
    let stack = FusedMatrix {
        slices: members.iter().enumerate().map(named).collect(),
        n_cols: n_cols as u64,
        format,
    };
    let matrix = Matrix::fused(&b.gpu, stack, col.0, col.1).unwrap();
    for (i, blocks) in members.iter().enumerate() {
        matrix.write_rows(&b.gpu, i, 0, blocks);
    }
    matrix
}

/// A residual stream, the vector added to it, and the norms between.
struct Input {
    x: Vec<f32>,
    y: Option<Vec<f32>>,
    has_post: bool,
    norms: Vec<f32>,
}

impl Input {
    fn new(b: &Bench, width: usize, y: bool, has_post: bool) -> Self {
        let n_norms = if has_post { 2 * width } else { width };
        Self {
            x: b.numbers(width, 2.0),
            y: y.then(|| b.numbers(width, 3.0)),
            has_post,
            norms: b.numbers(n_norms, 1.0),
        }
    }

    /// The new residual stream, and its norm.
    fn normed(&self) -> (Vec<f32>, Vec<f32>) {
        norm_input(&self.x, self.y.as_deref(), &self.norms, self.has_post, EPS)
    }

    /// x at quad 0, y after it, room for the new stream, then `room` values.
    fn acts(&self, b: &Bench, room: usize) -> Buffer {
        let mut values = self.x.clone();
        values.extend(self.y.clone().unwrap_or_else(|| vec![0.0; self.x.len()]));
        values.extend(vec![1e30; self.x.len() + room]);
        b.buffer(&values)
    }

    fn at<'a>(&self, norms: &'a Buffer) -> NormInput<'a> {
        let quads = (self.x.len() / 4) as u32;
        let y = self.y.as_ref().map(|_| quads);
        NormInput { x: 0, y, x_out: Some(2 * quads), norms, has_post: self.has_post, eps: EPS }
    }
}

const INPUTS: [(bool, bool); 4] = [(false, false), (true, false), (true, true), (false, true)];

/// Every tuning with one of the four kinds of input.
fn cases(i: usize) -> impl Iterator<Item = (Tuning, (bool, bool))> {
    Tuning::ALL.into_iter().enumerate().map(move |(j, tuning)| (tuning, INPUTS[(i + j) % 4]))
}

/// The rows of `members`, multiplied by `x` as the arithmetic sees it.
fn expect(members: &[(&Format, &[u8])], x: &[f32], tuning: Tuning, alike: bool) -> Vec<f32> {
    let rows = |(format, blocks): &(&Format, &[u8])| {
        let format = if alike { members[0].0 } else { format };
        product(format, blocks, x.len(), &seen(x, format, tuning))
    };
    members.iter().flat_map(rows).collect()
}

fn normed_products(b: &Bench) -> Result<(), Failed> {
    for (i, format) in FORMATS.into_iter().enumerate() {
        // 2304 is more than is staged at once, twice over.
        let width = if i % 3 == 0 { 2304 } else { 256 };
        let blocks: Vec<Vec<u8>> = [48, 16, 16].map(|rows| b.blocks(format, rows, width)).into();
        let members: Vec<&[u8]> = blocks.iter().map(Vec::as_slice).collect();
        let w = [stack(b, format, &members, width, (0, 80))];
        for (tuning, (y, has_post)) in cases(i) {
            let input = Input::new(b, width, y, has_post);
            let (acts, norms) = (input.acts(b, 80), b.buffer(&input.norms));
            let mut plan = b.plan();
            let out = (3 * width / 4) as u32;
            norm_matvec::record(&mut plan, &b.gpu, Acts { buffer: &acts, tuning }, &w, input.at(&norms), out);
            let found = b.run(&plan, 1, 0, &acts)?;
            let (r, normed) = input.normed();
            let what = format!("{} {tuning} {y} {has_post}", format.name);
            same(&format!("{what}, residual stream"), &r, &found[2 * width..3 * width], 1e-5)?;
            let pairs: Vec<(&Format, &[u8])> = members.iter().map(|m| (format, *m)).collect();
            same(&what, &expect(&pairs, &normed, tuning, true), &found[3 * width..], tolerance(tuning))?;
        }
    }
    Ok(())
}

const PAIRS: [(&Format, &Format); 6] =
    [(&Q4_K, &Q6_K), (&Q5_0, &Q8_0), (&Q5_K, &Q6_K), (&Q3_K, &Q5_K), (&F16, &F32), (&F16, &Q8_0)];

fn two_formats(b: &Bench) -> Result<(), Failed> {
    for (i, (first, second)) in PAIRS.into_iter().enumerate() {
        let (q, v) = (b.blocks(first, 48, 256), b.blocks(second, 20, 256));
        let w = [stack(b, first, &[&q], 256, (0, 68)), stack(b, second, &[&v], 256, (48, 68))];
        for (tuning, (y, has_post)) in cases(i) {
            let input = Input::new(b, 256, y, has_post);
            let (acts, norms) = (input.acts(b, 68), b.buffer(&input.norms));
            let mut plan = b.plan();
            norm_matvec::record(&mut plan, &b.gpu, Acts { buffer: &acts, tuning }, &w, input.at(&norms), 192);
            let found = b.run(&plan, 1, 0, &acts)?;
            let expected = expect(&[(first, &q), (second, &v)], &input.normed().1, tuning, false);
            let what = format!("{} and {} {tuning}", first.name, second.name);
            same(&what, &expected, &found[768..], tolerance(tuning))?;
        }
    }
    Ok(())
}

/// The codes that lie behind f32 activations, as the values they stand for.
fn decoded(words: &[f32]) -> Vec<f32> {
    let group = |group: &[f32]| {
        let codes = group[..4].iter().flat_map(|w| w.to_bits().to_le_bytes());
        codes.map(|code| f32::from(code.cast_signed()) * group[4]).collect::<Vec<_>>()
    };
    words.chunks_exact(8).flat_map(group).collect()
}

fn gated(b: &Bench) -> Result<(), Failed> {
    let alike = FORMATS.into_iter().map(|f| (f, f)).chain(PAIRS);
    for (i, (first, second)) in alike.enumerate() {
        let (width, n) = (256, 48);
        // Small weights keep the products in the range in which GELU bends.
        let (gate, up) = (b.blocks(first, n, width), b.blocks(second, n, width));
        let w = if first == second {
            vec![stack(b, first, &[&gate, &up], width, (0, 96))]
        } else {
            vec![stack(b, first, &[&gate], width, (0, 96)), stack(b, second, &[&up], width, (48, 96))]
        };
        // Each is compiled twice, so one number of lanes and one arithmetic must do for each.
        for (tuning, (y, has_post)) in cases(i).skip(i % 4).take(1) {
            let mut input = Input::new(b, width, y, has_post);
            input.norms.iter_mut().for_each(|w| *w *= 0.02);
            let (acts, norms) = (input.acts(b, n + n / 2 + 2 * n), b.buffer(&input.norms));
            let mut plan = b.plan();
            let gated = (3 * width / 4) as u32;
            let out = Out { gated: Span { values: gated, codes: gated + 12 }, gate_up: gated + 18 };
            norm_gate_up_matvec::record(
                &mut plan,
                &b.gpu,
                Acts { buffer: &acts, tuning },
                &w,
                input.at(&norms),
                out,
            );
            let found = b.run(&plan, 1, 0, &acts)?;
            let normed = input.normed().1;
            let halves = expect(&[(first, &gate), (second, &up)], &normed, tuning, false);
            let expected = geglu_prefill::geglu(&halves[..n], &halves[n..]);
            let what = format!("{} and {} {tuning}", first.name, second.name);
            let from = 3 * width;
            same(&what, &expected, &found[from..from + n], tolerance(tuning))?;
            let largest = expected.iter().fold(0f32, |m, x| m.max(x.abs()));
            let codes = decoded(&found[from + n..from + n + n / 2]);
            same(&format!("{what}, codes"), &found[from..from + n], &codes, largest / 250.0 + 1e-6)?;
        }
    }
    Ok(())
}

fn plain_products(b: &Bench) -> Result<(), Failed> {
    for (i, format) in FORMATS.into_iter().enumerate() {
        let (n_cols, n_rows) = (if i % 2 == 0 { 768 } else { 256 }, 36);
        let blocks = b.blocks(format, n_rows, n_cols);
        let w = b.matrix(format, &blocks, n_cols)?;
        for tuning in Tuning::ALL {
            let x = b.numbers(n_cols, 1.0);
            let (codes, scales) = quantize(&x);
            let mut values = x.clone();
            for (codes, scale) in codes.chunks_exact(16).zip(&scales) {
                let word =
                    |c: &[i8]| f32::from_bits(u32::from_le_bytes([0, 1, 2, 3].map(|i| c[i].cast_unsigned())));
                values.extend(codes.chunks_exact(4).map(word));
                values.extend([scale[0], scale[1], 0.0, 0.0]);
            }
            let out = (values.len() / 4) as u32;
            values.extend(vec![1e30; n_rows]);
            let acts = b.buffer(&values);
            let mut plan = b.plan();
            matvec::record(
                &mut plan,
                &b.gpu,
                Acts { buffer: &acts, tuning },
                &w,
                Span { values: 0, codes: (n_cols / 4) as u32 },
                out,
            );
            let found = b.run(&plan, 1, 0, &acts)?;
            let expected = product(format, &blocks, n_cols, &seen(&x, format, tuning));
            // The codes are given, so int8 is as near as f32.
            same(&format!("{} {tuning}", format.name), &expected, &found[4 * out as usize..], CLOSE)?;
        }
    }
    Ok(())
}

fn makes_logits(b: &Bench) -> Result<(), Failed> {
    for (i, (format, n_vocab, cap)) in
        [(&Q6_K, 97, 30.0), (&Q8_0, 1024, 0.0), (&F16, 31, 0.0), (&Q4_K, 130, 0.0)].into_iter().enumerate()
    {
        let blocks = b.blocks(format, n_vocab, 256);
        let w = b.matrix(format, &blocks, 256)?;
        for (tuning, (y, has_post)) in cases(i).skip(i % 2).step_by(2) {
            let input = Input::new(b, 256, y, has_post);
            let (acts, norms) = (input.acts(b, 0), b.buffer(&input.norms));
            let (out, maxima) = (b.empty(n_vocab), b.empty(n_vocab.div_ceil(32)));
            let mut plan = b.plan();
            let at = NormInput { x_out: None, ..input.at(&norms) };
            logits::record(&mut plan, &b.gpu, Acts { buffer: &acts, tuning }, &w, at, (&out, &maxima), cap);
            let found = b.run(&plan, 1, 0, &out)?;
            let mut expected = expect(&[(format, &blocks)], &input.normed().1, tuning, true);
            if cap > 0.0 {
                softcap_logits(&mut expected, cap);
            }
            let what = format!("{n_vocab} logits {} {tuning}", format.name);
            same(&what, &expected, &found, tolerance(tuning))?;
            let found_maxima = b.run(&plan, 1, 0, &maxima)?;
            same(&format!("{what}, blocks"), &block_max(&found), &found_maxima, 0.0)?;
        }
    }
    a_block_with_nan(b)
}

/// The maximum of a block with a logit that is not finite is not finite either.
fn a_block_with_nan(b: &Bench) -> Result<(), Failed> {
    let mut weights = b.numbers(64 * 16, 1.0);
    weights[40 * 16] = f32::NAN;
    let w = b.matrix(&F32, bytemuck::cast_slice(&weights), 16)?;
    for tuning in Tuning::ALL {
        let input = Input::new(b, 16, false, false);
        let (acts, norms) = (input.acts(b, 0), b.buffer(&input.norms));
        let (out, maxima) = (b.empty(64), b.empty(2));
        let mut plan = b.plan();
        let at = NormInput { x_out: None, ..input.at(&norms) };
        logits::record(&mut plan, &b.gpu, Acts { buffer: &acts, tuning }, &w, at, (&out, &maxima), 0.0);
        let found = b.run(&plan, 1, 0, &maxima)?;
        if !found[0].is_finite() || found[1].is_finite() {
            return Err(format!("maxima {found:?} of a block of numbers and one with NaN").into());
        }
    }
    Ok(())
}

fn attends(b: &Bench) -> Result<(), Failed> {
    // H, K, C, window, cap, norms.
    let cases = [
        (8, 1, 256, None, 0.0, false),
        (4, 1, 256, Some(40), 0.0, true),
        (8, 4, 64, Some(16), 50.0, false),
        (4, 4, 128, None, 0.0, false),
        (2, 1, 16, None, 30.0, true),
        (6, 2, 512, None, 0.0, true),
    ];
    for kv in [KvType::F32, KvType::F16] {
        for case in cases {
            for position in [0, 1, 63, 64, 200, 2100] {
                attends_at(b, kv, case, position)?;
            }
        }
    }
    Ok(())
}

type Case = (usize, usize, usize, Option<usize>, f32, bool);

fn attends_at(b: &Bench, kv: KvType, case: Case, position: usize) -> Result<(), Failed> {
    let (n_heads, n_kv_heads, head_dim, window, cap, has_norms) = case;
    // A ring if there is a window.
    let n_slots = window.map_or(2112, |w| w + 8);
    let row = n_kv_heads * head_dim;
    let cache = KvCache::allocate(&b.gpu, "test", KvShape { kv, n_slots, n_kv_heads, head_dim })?;
    let round = |x: Vec<f32>| match kv {
        KvType::F16 => x.into_iter().map(|x| half::f16::from_f32(x).to_f32()).collect(),
        KvType::F32 => x,
    };
    let (mut keys, mut values): (Vec<f32>, Vec<f32>) =
        (round(b.numbers(n_slots * row, 1.0)), round(b.numbers(n_slots * row, 1.0)));
    for (buffer, kept) in [(&cache.parts[0].keys, &keys), (&cache.parts[0].values, &values)] {
        match kv {
            KvType::F32 => b.gpu.write(buffer, 0, bytemuck::cast_slice(kept)),
            KvType::F16 => {
                let halves: Vec<u16> = kept.iter().map(|x| half::f16::from_f32(*x).to_bits()).collect();
                b.gpu.write(buffer, 0, bytemuck::cast_slice(&halves));
            }
        }
    }
    let n_q = n_heads * head_dim;
    let qkv = b.numbers(n_q + 2 * row, 1.0);
    let norms = b.numbers(2 * head_dim, 1.5);
    let mut acts = qkv.clone();
    acts.extend(vec![1e30; n_q + n_q / 2]);
    let acts = b.buffer(&acts);
    let rotary = Rotary { base: 10_000.0, divisor: 1.0 };
    let table = rotary.upload(&b.gpu, head_dim / 2, position + 1)?;
    let norms_gpu = b.buffer(&norms);
    let partials = b.empty(partial_bytes(n_heads, head_dim) as usize / 4);
    let shape = Shape { n_heads, window, scale: 0.2, softcap: cap };
    let at = Acts { buffer: &acts, tuning: Tuning { arithmetic: Arithmetic::F32, lanes: Lanes::One } };
    let mut plan = b.plan();
    let heads = Heads { qkv: 0, norms: has_norms.then_some(&norms_gpu), rope_table: &table, eps: EPS };
    attention_decode::record(&mut plan, &b.gpu, at, heads, &cache, &partials, shape);
    let (out, codes) = ((qkv.len() / 4) as u32, ((qkv.len() + n_q) / 4) as u32);
    attention_reduce::record(
        &mut plan,
        &b.gpu,
        at,
        &partials,
        (n_heads, head_dim, window),
        Span { values: out, codes },
    );
    let found = b.run(&plan, 1, position, &acts)?;

    let normed = |x: &[f32], w: &[f32]| if has_norms { rms_norm(x, w, EPS) } else { x.to_vec() };
    let q = rope(&normed(&qkv[..n_q], &norms[..head_dim]), n_q, head_dim, position, rotary);
    let k = rope(&normed(&qkv[n_q..n_q + row], &norms[head_dim..]), row, head_dim, position, rotary);
    let slot = position % n_slots * row;
    keys[slot..slot + row].copy_from_slice(&round(k));
    values[slot..slot + row].copy_from_slice(&round(qkv[n_q + row..].to_vec()));
    let cached = Cached { keys: &keys, values: &values, n_slots, n_kv_heads, head_dim };
    let expected = attention(&q, cached, position, shape);
    let what = format!("{case:?} {kv:?} at {position}");
    let mixed = &found[qkv.len()..qkv.len() + n_q];
    // A key at a tie of f16 may be rounded the other way.
    same(&what, &expected, mixed, if kv == KvType::F16 { 2e-3 } else { 2e-4 })?;
    let codes = decoded(&found[qkv.len() + n_q..]);
    let largest = expected.iter().fold(0f32, |m, x| m.max(x.abs()));
    same(&format!("{what}, codes"), mixed, &codes, largest / 250.0)?;
    // The next token finds the newest key and value: run it once more, over the same.
    same(
        &format!("{what}, again"),
        &expected,
        &b.run(&plan, 1, position, &acts)?[qkv.len()..qkv.len() + n_q],
        2e-3,
    )
}

/// Matrices that no binding holds whole, fused ones too.
fn in_parts() -> Result<(), Failed> {
    let options = GpuOptions { max_binding_bytes: Some(65_536), ..GpuOptions::default() };
    let b = Bench::open(options)?;
    for (i, format) in [&Q4_K, &Q6_K, &Q8_0, &F32].into_iter().enumerate() {
        let n = 65_536 / format.bytes_of(256) as usize * 3 / 16 * 16;
        let (gate, up) = (b.blocks(format, n, 256), b.blocks(format, n, 256));
        let w = vec![stack(&b, format, &[&gate, &up], 256, (0, 2 * n as u64))];
        if w[0].parts.len() < 2 {
            return Err(format!("{} was not split", format.name).into());
        }
        for (tuning, (y, has_post)) in cases(i).skip(i).take(1) {
            let mut input = Input::new(&b, 256, y, has_post);
            input.norms.iter_mut().for_each(|w| *w *= 0.02);
            let (acts, norms) = (input.acts(&b, 2 * n + n + n / 2), b.buffer(&input.norms));
            let at = Acts { buffer: &acts, tuning };
            let mut plan = b.plan();
            norm_matvec::record(&mut plan, &b.gpu, at, &w, input.at(&norms), 192);
            let gated = 192 + (n / 2) as u32;
            let codes = gated + (n / 4) as u32;
            let out = Out { gated: Span { values: gated, codes }, gate_up: 0 };
            norm_gate_up_matvec::record(&mut plan, &b.gpu, at, &w, input.at(&norms), out);
            let found = b.run(&plan, 1, 0, &acts)?;
            let halves = expect(&[(format, &gate), (format, &up)], &input.normed().1, tuning, true);
            let what = format!("{} {tuning} in {} parts", format.name, w[0].parts.len());
            same(&what, &halves, &found[768..768 + 2 * n], tolerance(tuning))?;
            let expected = geglu_prefill::geglu(&halves[..n], &halves[n..]);
            let from = 768 + 2 * n;
            same(&format!("{what}, gated"), &expected, &found[from..from + n], tolerance(tuning))?;
            let largest = expected.iter().fold(0f32, |m, x| m.max(x.abs()));
            let codes = decoded(&found[from + n..]);
            same(&format!("{what}, codes"), &found[from..from + n], &codes, largest / 250.0 + 1e-6)?;
        }
    }
    Ok(())
}
