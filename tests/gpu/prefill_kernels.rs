//! The kernels of the prefill on the native adapter against their CPU twins, over awkward lengths and several tokens.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use crate::support::gpu;
use crate::support::kernel_bench::{Bench, Planted, notices, same};
use crate::support::suite::{Test, needing};
use gemma_web::gpu::layout::KvShape;
use gemma_web::gpu::options::FaultInjection;
use gemma_web::gpu::{Arithmetic, Buffer, Gpu, GpuOptions, KvCache, Lanes, Matrix, Plan, Tuning};
use gemma_web::kernels::attention_prefill::Shape;
use gemma_web::kernels::norm_add::{Norms, norm_add, rms_norm};
use gemma_web::kernels::qk_norm_rope::{Heads, kv_write};
use gemma_web::kernels::quantize::{dequantized, quantize};
use gemma_web::kernels::rope_table::{Rotary, rope};
use gemma_web::kernels::{
    attention_prefill, geglu_prefill, matmul, matmul_direct, matmul_int8, norm_add as norm_add_kernel,
    qk_norm_rope,
};
use gemma_web::quant::{FORMATS, Format, KvType};
use libtest_mimic::Failed;

/// Small mistakes, each with the comparison that must notice it.
const PLANTED: [Planted; 5] = [
    (norm_adds, FaultInjection { kernel: "norm_add", from: "+ params.eps", to: "+ params.eps + 0.01" }),
    (
        rotates,
        FaultInjection { kernel: "qk_norm_rope", from: "% params.n_slots", to: "% (params.n_slots - 1u)" },
    ),
    (
        multiplies,
        FaultInjection { kernel: "matmul_direct", from: "w.offset * a.sum", to: "w.offset * a.sum * 1.1" },
    ),
    (
        multiplies,
        FaultInjection {
            kernel: "matmul_int8 Q4_0",
            from: "dot4I8Packed(a.x, b.x)",
            to: "dot4I8Packed(a.x, b.y)",
        },
    ),
    (makes_int8, FaultInjection { kernel: "geglu_prefill", from: "127.0 / largest", to: "126.0 / largest" }),
];

pub(crate) fn tests() -> Vec<Test> {
    let adapter = gpu::adapter();
    let on_gpu = |name: &str, test: fn(&Bench) -> Result<(), Failed>| {
        needing(name, gpu::NEED, adapter, move |()| test(&Bench::open(GpuOptions::default())?))
    };
    vec![
        on_gpu("norm_add", norm_adds),
        on_gpu("qk_norm_rope", rotates),
        on_gpu("geglu_prefill and attention_prefill in int8", makes_int8),
        on_gpu("products with int8 activations in every format", multiplies),
        on_gpu("products of a matrix split by rows", |_| splits()),
        on_gpu("qk_norm_rope into a cache split by heads", |_| rotates_in_parts()),
        needing("a mistake in a kernel is noticed", gpu::NEED, adapter, |()| notices(&PLANTED)),
    ]
}

/// Codes and scales: groups of eight words, sixteen bytes and two f32 of them in use.
fn codes(words: &[f32]) -> (Vec<i8>, Vec<[f32; 2]>) {
    let bytes =
        |group: &[f32]| group[..4].iter().flat_map(|w| w.to_bits().to_le_bytes()).collect::<Vec<u8>>();
    let codes = words.chunks_exact(8).flat_map(bytes).map(|byte| byte as i8).collect();
    (codes, words.chunks_exact(8).map(|group| [group[4], group[5]]).collect())
}

/// Every code within half a step of `x`: at a tie two codes are right, so the codes themselves are not compared.
fn quantized(what: &str, x: &[f32], (codes, scales): (Vec<i8>, Vec<[f32; 2]>)) -> Result<(), Failed> {
    let (_, expected) = quantize(x);
    for (g, (found, [scale, sum])) in codes.chunks_exact(16).zip(&scales).enumerate() {
        let exact = expected[g][0];
        if (scale - exact).abs() > 1e-5 * exact {
            return Err(format!("{what}: scale {g} is {scale}, expected {exact}").into());
        }
        let codes: i32 = found.iter().map(|c| i32::from(*c)).sum();
        if (sum - scale * codes as f32).abs() > 1e-6 * sum.abs() {
            return Err(format!("{what}: sum {g} is {sum}, expected {scale} x {codes}").into());
        }
        for (i, code) in found.iter().enumerate() {
            let distance = (f64::from(*code) * f64::from(exact) - f64::from(x[16 * g + i])).abs();
            if distance > 0.502 * f64::from(exact) + 1e-30 {
                return Err(format!("{what}: code {i} of group {g} is {code}, {distance} off").into());
            }
        }
    }
    Ok(())
}

/// int8 activations as a kernel writes them.
fn uploaded(b: &Bench, (codes, scales): &(Vec<i8>, Vec<[f32; 2]>)) -> Buffer {
    let group = |(codes, scales): (&[i8], &[f32; 2])| {
        let words = codes
            .chunks_exact(4)
            .map(|c| f32::from_bits(u32::from_le_bytes([c[0], c[1], c[2], c[3]].map(|c| c as u8))));
        words.chain(*scales).chain([0.0; 2]).collect::<Vec<f32>>()
    };
    let words: Vec<f32> = codes.chunks_exact(16).zip(scales).flat_map(group).collect();
    b.buffer(&words)
}

/// A product with int8 activations.
type Int8Product = fn(&mut Plan, &Gpu, &Matrix, &Buffer, &Buffer);
const INT8: [(&str, Int8Product); 2] =
    [("matmul_int8", matmul_int8::record), ("matmul_direct", matmul_direct::record)];

/// Numbers of tokens around the blocks of 8, 16 and 64.
const TOKENS: [usize; 7] = [1, 7, 17, 32, 33, 64, 83];

fn product_agrees(b: &Bench, format: &'static Format, n_rows: usize, n_cols: usize) -> Result<usize, Failed> {
    let blocks = b.blocks(format, n_rows, n_cols);
    let w = b.matrix(format, &blocks, n_cols)?;
    for t in TOKENS {
        let x = b.numbers(t * n_cols, 1.0);
        let quantized = quantize(&x);
        let to = uploaded(b, &quantized);
        // Sums of up to 768 products of size 8: f32 rounding of the partial sums.
        let max_abs = 2e-6 * 8.0 * n_cols as f32;
        let what = |name: &str| format!("{name} {} {n_rows} x {n_cols}, {t} tokens", format.name);
        if format.name == "Q4_0" {
            let (mut plan, x_gpu, y) = (b.plan(), b.buffer(&x), b.empty(t * n_rows));
            matmul::record(&mut plan, &b.gpu, &w, &x_gpu, &y);
            let expected = matmul::matmul(format, &blocks, n_cols, &x);
            same(&what("matmul"), &expected, &b.run(&plan, t, 0, &y)?, max_abs)?;
        }
        let expected = matmul::matmul(format, &blocks, n_cols, &dequantized(&quantized.0, &quantized.1));
        for (name, record) in INT8 {
            // The fragments are the same in both; the tile takes long to compile on drivers that run on the CPU.
            if name == "matmul_int8" && !["Q4_0", "Q8_0", "Q2_K"].contains(&format.name) {
                continue;
            }
            let (mut plan, y) = (b.plan(), b.empty(t * n_rows));
            record(&mut plan, &b.gpu, &w, &to, &y);
            same(&what(name), &expected, &b.run(&plan, t, 0, &y)?, max_abs)?;
        }
    }
    Ok(w.parts.len())
}

fn multiplies(b: &Bench) -> Result<(), Failed> {
    for format in FORMATS.into_iter().filter(|f| f.has_codes()) {
        let unit = format.block_len.max(16);
        for (n_rows, n_cols) in [(1, unit), (15, 3 * unit), (150, 768)] {
            if n_cols % unit == 0 {
                product_agrees(b, format, n_rows, n_cols)?;
            }
        }
    }
    Ok(())
}

/// The same results with bindings of at most 16 KiB.
fn splits() -> Result<(), Failed> {
    let options = GpuOptions {
        max_binding_bytes: Some(64 << 10),
        max_buffer_bytes: Some(128 << 10),
        ..GpuOptions::default()
    };
    let b = Bench::open(options)?;
    for format in FORMATS.into_iter().filter(|f| ["Q4_0", "Q6_K"].contains(&f.name)) {
        let n_rows = 65_536 / format.bytes_of(256) as usize * 3 / 16 * 16 + 17;
        let blocks = b.blocks(format, n_rows, 256);
        let w = b.matrix(format, &blocks, 256)?;
        if w.parts.len() < 2 {
            return Err(format!("{} was not split", format.name).into());
        }
        let x = b.numbers(3 * 256, 1.0);
        let quantized = quantize(&x);
        let to = uploaded(&b, &quantized);
        let expected = matmul::matmul(format, &blocks, 256, &dequantized(&quantized.0, &quantized.1));
        for (name, record) in INT8 {
            let (mut plan, y) = (b.plan(), b.empty(3 * n_rows));
            record(&mut plan, &b.gpu, &w, &to, &y);
            same(&format!("{name} {} split", format.name), &expected, &b.run(&plan, 3, 0, &y)?, 5e-3)?;
        }
    }
    Ok(())
}

/// Width, tokens, whether something is added, whether it is normalised first.
fn norm_adds(b: &Bench) -> Result<(), Failed> {
    for (n, t, adds, has_post) in
        [(16, 1, true, false), (640, 3, true, true), (2304, 2, false, true), (1040, 2, false, false)]
    {
        let (mut out, mut x) = (b.numbers(n * t, 3.0), b.numbers(n * t, 9.0));
        if n > 16 {
            // A group of zeros, and one that counts as zeros in int8.
            for x in [&mut out, &mut x] {
                x[..16].fill(0.0);
                x[16..32].fill(1e-34);
            }
        }
        let weights = b.numbers(if has_post { 2 * n } else { n }, 2.0);
        let (post, norm) = weights.split_at(weights.len() - n);
        let mut sum = x.clone();
        let expected = norm_add(adds.then_some(&out), &mut sum, has_post.then_some(post), norm, 1e-6);
        let (out_gpu, weights_gpu) = (b.buffer(&out), b.buffer(&weights));
        let norms = Norms { weights: &weights_gpu, has_post, d_model: n, eps: 1e-6 };
        let what = format!("norm_add {n} x {t}, adds {adds}, post {has_post}");
        let record = |plan: &mut Plan, x: &Buffer, rows: (&Buffer, Arithmetic)| {
            norm_add_kernel::record(plan, &b.gpu, "norm_add", (&out_gpu, x, adds), norms, rows);
        };
        let (x_gpu, rows) = (b.buffer(&x), b.empty(n * t));
        let mut plan = b.plan();
        record(&mut plan, &x_gpu, (&rows, Arithmetic::F32));
        same(&what, &expected, &b.run(&plan, t, 0, &rows)?, 1e-4)?;
        same(&what, &sum, &read(b, &x_gpu)?, 1e-5)?;
        let (x_gpu, to) = (b.buffer(&x), b.empty(t * n / 2));
        let mut plan = b.plan();
        record(&mut plan, &x_gpu, (&to, Arithmetic::Int8));
        quantized(&what, &expected, codes(&b.run(&plan, t, 0, &to)?))?;
    }
    Ok(())
}

/// Contents of a buffer.
fn read(b: &Bench, buffer: &Buffer) -> Result<Vec<f32>, Failed> {
    b.run(&b.plan(), 1, 0, buffer)
}

/// Results of the f32 variants, in int8.
fn makes_int8(b: &Bench) -> Result<(), Failed> {
    let (n, t) = (1040, 3);
    let gate_up = b.buffer(&b.numbers(2 * n * t, 3.0));
    in_int8(b, "geglu", (n, t), |plan, to| {
        geglu_prefill::record(plan, &b.gpu, "geglu_prefill", &gate_up, to, n);
    })?;
    let (h, k, c, n_slots) = (8, 2, 64, 24);
    let cache =
        KvCache::allocate(&b.gpu, "test", KvShape { kv: KvType::F32, n_slots, n_kv_heads: k, head_dim: c })?;
    for kept in [&cache.parts[0].keys, &cache.parts[0].values] {
        b.gpu.write(kept, 0, bytemuck::cast_slice(&b.numbers(n_slots * k * c, 1.0)));
    }
    let q = b.buffer(&b.numbers(t * h * c, 1.0));
    let shape = Shape { n_heads: h, window: Some(16), scale: 0.125, softcap: 0.0 };
    for lanes in [Lanes::One, Lanes::ThirtyTwo] {
        in_int8(b, "attention", (h * c, t), |plan, (to, arithmetic)| {
            let to = (to, Tuning { arithmetic, lanes });
            attention_prefill::record(plan, &b.gpu, "attention_prefill", &q, &cache, to, shape);
        })?;
    }
    Ok(())
}

fn in_int8(
    b: &Bench,
    what: &str,
    (n, t): (usize, usize),
    record: impl Fn(&mut Plan, (&Buffer, Arithmetic)),
) -> Result<(), Failed> {
    let run = |len: usize, arithmetic: Arithmetic| {
        let (mut plan, to) = (b.plan(), b.empty(len));
        record(&mut plan, (&to, arithmetic));
        b.run(&plan, t, 21, &to)
    };
    quantized(what, &run(n * t, Arithmetic::F32)?, codes(&run(n * t / 2, Arithmetic::Int8)?))
}

/// Query heads, KV heads, head size, slots, whether heads are normalised.
type Case = (usize, usize, usize, usize, bool);

fn rotates(b: &Bench) -> Result<(), Failed> {
    let cases: [Case; 4] =
        [(4, 1, 256, 40, true), (8, 4, 64, 24, false), (2, 2, 16, 100, true), (3, 1, 512, 24, true)];
    for case in cases {
        for kv in [KvType::F32, KvType::F16] {
            rotates_at(b, case, kv, 0)?;
            rotates_at(b, case, kv, 21)?;
        }
    }
    Ok(())
}

/// The same over a cache whose binding limit is a head.
fn rotates_in_parts() -> Result<(), Failed> {
    let b = Bench::open(GpuOptions { max_binding_bytes: Some(32_768), ..GpuOptions::default() })?;
    rotates_at(&b, (8, 4, 64, 128, true), KvType::F32, 99)
}

/// Seven tokens from `position` on.
fn rotates_at(b: &Bench, case: Case, kv: KvType, position: usize) -> Result<(), Failed> {
    let (h, k, c, n_slots, has_norms) = case;
    let (t, eps, rotary) = (7, 1e-6, Rotary { base: 10_000.0, divisor: 1.0 });
    let cache = KvCache::allocate(&b.gpu, "test", KvShape { kv, n_slots, n_kv_heads: k, head_dim: c })?;
    let table = rotary.upload(&b.gpu, c / 2, position + t)?;
    let (qkv, norms) = (b.numbers(t * (h + 2 * k) * c, 2.0), b.numbers(2 * c, 2.0));
    let (qkv_gpu, norms_gpu, q_rotated) = (b.buffer(&qkv), b.buffer(&norms), b.empty(t * h * c));
    let heads =
        Heads { qkv: &qkv_gpu, n_heads: h, norms: has_norms.then_some(&norms_gpu), eps, table: &table };
    let mut plan = b.plan();
    qk_norm_rope::record(&mut plan, &b.gpu, "qk_norm_rope", heads, &cache, &q_rotated);
    let found = b.run(&plan, t, position, &q_rotated)?;

    let columns = |from: usize, n: usize| -> Vec<f32> {
        qkv.chunks_exact((h + 2 * k) * c).flat_map(|row| row[from * c..(from + n) * c].to_vec()).collect()
    };
    let turned = |x: Vec<f32>, w: &[f32], n: usize| {
        rope(&if has_norms { rms_norm(&x, w, eps) } else { x }, n * c, c, position, rotary)
    };
    let what = format!("qk_norm_rope {case:?} {kv:?} at {position}");
    same(&what, &turned(columns(0, h), &norms[..c], h), &found, 5e-6)?;
    let row = k * c;
    let (mut keys, mut values) = (vec![0.0; n_slots * row], vec![0.0; n_slots * row]);
    kv_write(&turned(columns(h, k), &norms[c..], k), &mut keys, row, n_slots, position, kv);
    kv_write(&columns(h + k, k), &mut values, row, n_slots, position, kv);
    for part in &cache.parts {
        let of_part = |all: &[f32]| -> Vec<f32> {
            let from = part.first_head * c;
            all.chunks_exact(row).flat_map(|slot| slot[from..from + part.n_heads * c].to_vec()).collect()
        };
        for (expected, buffer) in [(&keys, &part.keys), (&values, &part.values)] {
            let words = read(b, buffer)?;
            let found: Vec<f32> = match kv {
                KvType::F32 => words,
                KvType::F16 => words.iter().flat_map(|w| halves(w.to_bits())).collect(),
            };
            // A rotated key that differs in its last f32 bit may round to the next f16.
            same(&what, &of_part(expected), &found, if kv == KvType::F16 { 8e-3 } else { 5e-6 })?;
        }
    }
    Ok(())
}

fn halves(word: u32) -> [f32; 2] {
    [word as u16, (word >> 16) as u16].map(|bits| half::f16::from_bits(bits).to_f32())
}
