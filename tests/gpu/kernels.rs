//! Every kernel on the native adapter against its CPU twin, over awkward lengths and several tokens.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use crate::support::gpu;
use crate::support::kernel_bench::{Bench, Planted, notices, same};
use crate::support::suite::{Test, needing};
use gemma_web::gpu::layout::KvShape;
use gemma_web::gpu::options::FaultInjection;
use gemma_web::gpu::{
    Arithmetic, Command, GpuOptions, KvCache, Lanes, Matrix, MemoryKind, RunParams, Tuning,
};
use gemma_web::kernels::attention_prefill::{Cached, Shape, attention};
use gemma_web::kernels::qk_norm_rope::{Heads, kv_write};
use gemma_web::kernels::rope_table::{Rotary, rope};
use gemma_web::kernels::{
    attention_prefill, dequant, embed, geglu_prefill, matmul, qk_norm_rope, softcap_logits,
};
use gemma_web::quant::{FORMATS, Format, KvType};
use libtest_mimic::Failed;
use pollster::block_on;

/// Small mistakes, each with the comparison that must notice it.
const PLANTED: [Planted; 4] = [
    (
        multiplies,
        FaultInjection {
            kernel: "embed Q8_0",
            from: "params.scale * w[0]",
            to: "1.01 * params.scale * w[0]",
        },
    ),
    (
        attends,
        FaultInjection {
            kernel: "attention_prefill F32",
            from: "* params.scale",
            to: "* (1.01 * params.scale)",
        },
    ),
    (
        attends,
        FaultInjection { kernel: "qk_norm_rope", from: "return rotated4(", to: "return 1.01 * rotated4(" },
    ),
    (
        gates,
        FaultInjection {
            kernel: "geglu_prefill",
            from: "gelu_tanh(gate_up[gate])",
            to: "1.01 * gelu_tanh(gate_up[gate])",
        },
    ),
];

pub(crate) fn tests() -> Vec<Test> {
    let adapter = gpu::adapter();
    let on_gpu = |name: &str, test: fn(&Bench) -> Result<(), Failed>| {
        needing(name, gpu::NEED, adapter, move |()| test(&Bench::open(GpuOptions::default())?))
    };
    vec![
        on_gpu("a plan in pieces", runs_in_pieces),
        on_gpu("softcap_logits", caps),
        on_gpu("geglu_prefill", gates),
        on_gpu("qk_norm_rope and attention_prefill", attends),
        on_gpu("embed and matmul in every format", multiplies),
        needing("a mistake in a kernel is noticed", gpu::NEED, adapter, |()| notices(&PLANTED)),
        needing("a matrix split by rows", gpu::NEED, adapter, |()| splits()),
        needing("attention over a cache split by heads", gpu::NEED, adapter, |()| attends_in_parts()),
    ]
}

/// Each dispatch changes the result of the one before it, so that a missing or repeated dispatch is seen.
fn runs_in_pieces(b: &Bench) -> Result<(), Failed> {
    let x = b.numbers(100, 30.0);
    let run = |n_pieces: usize| -> Result<Vec<f32>, Failed> {
        let (mut plan, y) = (b.plan(), b.buffer(&x));
        for cap in [20.0, 10.0, 15.0, 5.0, 7.0] {
            softcap_logits::record(&mut plan, &b.gpu, &y, x.len(), cap);
        }
        let step = RunParams { n_tokens: 1, ..RunParams::default() };
        for piece in 0..n_pieces {
            b.gpu.run(&[Command::Piece(&plan, step, piece, n_pieces)])?;
        }
        b.run(&b.plan(), 1, 0, &y)
    };
    let expected: Vec<f32> = x
        .iter()
        .map(|x| [20.0, 10.0, 15.0, 5.0, 7.0].iter().fold(*x, |x, cap| softcap_logits::softcap(x, *cap)))
        .collect();
    for n_pieces in [1, 2, 3, 5, 16] {
        same(&format!("a plan in {n_pieces} pieces"), &expected, &run(n_pieces)?, 1e-5)?;
    }
    Ok(())
}

const TOKENS: [usize; 4] = [1, 3, 64, 65];

fn caps(b: &Bench) -> Result<(), Failed> {
    for (n, t) in [(1, 1), (63, 2), (65, 3), (1000, 2)] {
        let mut x = b.numbers(n * t, 200.0);
        x[0] = 1e9; // far beyond where an unguarded tanh gives NaN
        let x_gpu = b.buffer(&x);
        let mut plan = b.plan();
        softcap_logits::record(&mut plan, &b.gpu, &x_gpu, n, 30.0);
        let found = b.run(&plan, t, 0, &x_gpu)?;
        softcap_logits::softcap_logits(&mut x, 30.0);
        same(&format!("cap {n} x {t}"), &x, &found, 1e-4)?;
    }
    Ok(())
}

fn gates(b: &Bench) -> Result<(), Failed> {
    for (n, t) in [(16, 1), (240, 3), (2048, 2)] {
        let (mut gate, up) = (b.numbers(n * t, 6.0), b.numbers(n * t, 3.0));
        gate[0] = -60.0;
        gate[1] = 60.0;
        let rows = gate.chunks_exact(n).zip(up.chunks_exact(n));
        let gate_up: Vec<f32> = rows.flat_map(|(gate, up)| [gate, up].concat()).collect();
        let (gate_up, y) = (b.buffer(&gate_up), b.empty(n * t));
        let mut plan = b.plan();
        geglu_prefill::record(&mut plan, &b.gpu, "geglu_prefill", &gate_up, (&y, Arithmetic::F32), n);
        same(
            &format!("geglu_prefill {n} x {t}"),
            &geglu_prefill::geglu(&gate, &up),
            &b.run(&plan, t, 0, &y)?,
            2e-5,
        )?;
    }
    Ok(())
}

/// Query heads, KV heads, head size, slots, window, cap.
type Case = (usize, usize, usize, usize, Option<usize>, f32);

/// Writes `position` tokens in runs of 7 and then attends with a run of 5: keys, values and result against the twins.
fn attends(b: &Bench) -> Result<(), Failed> {
    let cases: [Case; 6] = [
        (1, 1, 16, 128, None, 0.0),
        (8, 1, 256, 128, None, 0.0),
        (8, 4, 64, 128, None, 50.0),
        (4, 4, 128, 128, Some(16), 0.0),
        (4, 2, 64, 24, Some(16), 0.0),
        (2, 1, 512, 300, Some(1), 0.0),
    ];
    for kv in [KvType::F32, KvType::F16] {
        for case in cases {
            for position in [0, 1, 15, 16, 17, 63, 64, 65, 99] {
                attends_at(b, kv, case, position)?;
            }
        }
    }
    Ok(())
}

/// The same over caches whose binding limit is a head (f32) or two (f16).
fn attends_in_parts() -> Result<(), Failed> {
    let options = GpuOptions { max_binding_bytes: Some(32_768), ..GpuOptions::default() };
    let b = Bench::open(options)?;
    let case = (8, 4, 64, 128, Some(40), 50.0);
    for (kv, n_parts) in [(KvType::F32, 4), (KvType::F16, 2)] {
        let shape = KvShape { kv, n_slots: 128, n_kv_heads: 4, head_dim: 64 };
        let found = KvCache::allocate(&b.gpu, "test", shape)?.parts.len();
        if found != n_parts {
            return Err(format!("{kv:?}: {found} parts, expected {n_parts}").into());
        }
        attends_at(&b, kv, case, 0)?;
        attends_at(&b, kv, case, 99)?;
    }
    Ok(())
}

fn attends_at(b: &Bench, kv: KvType, case: Case, position: usize) -> Result<(), Failed> {
    let (n_heads, n_kv_heads, head_dim, n_slots, window, cap) = case;
    let (rotary, row) = (Rotary { base: 10_000.0, divisor: 1.0 }, n_kv_heads * head_dim);
    let kv_shape = KvShape { kv, n_slots, n_kv_heads, head_dim };
    let cache = KvCache::allocate(&b.gpu, "test", kv_shape)?;
    let table = rotary.upload(&b.gpu, head_dim / 2, n_slots.max(position + 8))?;
    let (mut keys, mut values) = (vec![0.0; n_slots * row], vec![0.0; n_slots * row]);
    let mut write = |first: usize, n: usize| -> Result<(), Failed> {
        let (k, v) = (b.numbers(n * row, 1.0), b.numbers(n * row, 1.0));
        // Queries of zeros before them.
        let rows = k.chunks_exact(row).zip(v.chunks_exact(row));
        let qkv: Vec<f32> = rows.flat_map(|(k, v)| [&vec![0.0; n_heads * head_dim], k, v].concat()).collect();
        let (qkv, q_rotated) = (b.buffer(&qkv), b.empty(n * n_heads * head_dim));
        let heads = Heads { qkv: &qkv, n_heads, norms: None, eps: 0.0, table: &table };
        let mut plan = b.plan();
        qk_norm_rope::record(&mut plan, &b.gpu, "qk_norm_rope", heads, &cache, &q_rotated);
        b.run(&plan, n, first, &q_rotated)?;
        kv_write(&rope(&k, row, head_dim, first, rotary), &mut keys, row, n_slots, first, kv);
        kv_write(&v, &mut values, row, n_slots, first, kv);
        Ok(())
    };
    for first in (0..position).step_by(7) {
        write(first, 7.min(position - first))?;
    }
    write(position, 5)?;
    let q = b.numbers(5 * n_heads * head_dim, 1.0);
    let (q_gpu, o) = (b.buffer(&q), b.empty(q.len()));
    let shape = Shape { n_heads, window, scale: 1.0 / (head_dim as f32).sqrt(), softcap: cap };
    let cached = Cached { keys: &keys, values: &values, n_slots, n_kv_heads, head_dim };
    let what = format!("attention {case:?} {kv:?} at {position}");
    // pack2x16float may round either way if a rotated key differs in its last f32 bit.
    let max_abs = if kv == KvType::F16 { 1e-3 } else { 2e-5 };
    let expected = attention(&q, cached, position, shape);
    for lanes in [Lanes::One, Lanes::ThirtyTwo] {
        let (mut plan, to) = (b.plan(), (&o, Tuning { arithmetic: Arithmetic::F32, lanes }));
        attention_prefill::record(&mut plan, &b.gpu, "attention_prefill", &q_gpu, &cache, to, shape);
        same(&format!("{what} {lanes:?}"), &expected, &b.run(&plan, 5, position, &o)?, max_abs)?;
    }
    Ok(())
}

fn product_agrees(b: &Bench, format: &'static Format, n_rows: usize, n_cols: usize) -> Result<usize, Failed> {
    let blocks = b.blocks(format, n_rows, n_cols);
    let w = b.matrix(format, &blocks, n_cols)?;
    for t in TOKENS {
        let x = b.numbers(t * n_cols, 1.0);
        let (x_gpu, y) = (b.buffer(&x), b.empty(t * n_rows));
        let expected = matmul::matmul(format, &blocks, n_cols, &x);
        let mut plan = b.plan();
        matmul::record(&mut plan, &b.gpu, &w, &x_gpu, &y);
        let what = format!("matmul {} {n_rows} x {n_cols}, {t} tokens", format.name);
        // Sums of up to 2304 products of size 8: f32 rounding of the partial sums.
        same(&what, &expected, &b.run(&plan, t, 0, &y)?, 2e-6 * 8.0 * n_cols as f32)?;
        let ids: Vec<u32> = (0..t).map(|i| (i * 37 % n_rows) as u32).collect();
        let ids_gpu = b.gpu.storage(MemoryKind::Scratch, "ids", 4 * t as u64)?;
        b.gpu.write(&ids_gpu, 0, bytemuck::cast_slice(&ids));
        let x_gpu = b.empty(t * n_cols);
        let mut plan = b.plan();
        embed::record(&mut plan, &b.gpu, &w, &ids_gpu, &x_gpu, 16.0);
        let expected = embed::embed(&ids, format, &blocks, n_cols, 16.0);
        same(&format!("embed {}", format.name), &expected, &b.run(&plan, t, 0, &x_gpu)?, 0.0)?;
    }
    Ok(w.parts.len())
}

fn multiplies(b: &Bench) -> Result<(), Failed> {
    for format in FORMATS {
        let unit = format.block_len.max(16);
        for (n_rows, n_cols) in [(1, unit), (15, 3 * unit), (17, 256), (65, 768), (130, unit)] {
            if n_cols % unit == 0 {
                product_agrees(b, format, n_rows, n_cols)?;
            }
        }
    }
    Ok(())
}

/// The same results with bindings of at most 32 KiB.
fn splits() -> Result<(), Failed> {
    let options = GpuOptions {
        max_binding_bytes: Some(32_768),
        max_buffer_bytes: Some(65_536),
        ..GpuOptions::default()
    };
    let b = Bench::open(options)?;
    for format in FORMATS {
        let n_parts = product_agrees_small(&b, format)?;
        if n_parts < 2 {
            return Err(format!("{} was not split", format.name).into());
        }
    }
    Ok(())
}

fn product_agrees_small(b: &Bench, format: &'static Format) -> Result<usize, Failed> {
    let n_rows = 32_768 / format.bytes_of(256) as usize * 3 / 16 * 16 + 17;
    let blocks = b.blocks(format, n_rows, 256);
    let w = b.matrix(format, &blocks, 256)?;
    let x = b.numbers(3 * 256, 1.0);
    let (x_gpu, y) = (b.buffer(&x), b.empty(3 * n_rows));
    let expected = matmul::matmul(format, &blocks, 256, &x);
    let mut plan = b.plan();
    matmul::record(&mut plan, &b.gpu, &w, &x_gpu, &y);
    same(&format!("split {}", format.name), &expected, &b.run(&plan, 3, 0, &y)?, 4e-3)?;
    dequantises(b, &w, &blocks)?;
    Ok(w.parts.len())
}

/// Rows on both sides of the first seam.
fn dequantises(b: &Bench, w: &Matrix, blocks: &[u8]) -> Result<(), Failed> {
    let (first_row, n_rows) = (w.parts[0].range.n_rows - 1, 3);
    let x = b.empty(n_rows * w.n_cols as usize);
    let mut plan = b.plan();
    dequant::record(&mut plan, &b.gpu, w, &x);
    let staging = b.gpu.staging("test", x.bytes());
    let step = RunParams { n_tokens: n_rows as u32, first_row: first_row as u32, ..RunParams::default() };
    b.gpu.run(&[Command::Plan(&plan, step), Command::copy(&x, &staging, x.bytes())])?;
    let found = block_on(b.gpu.read_f32(&staging, x.bytes()))?;
    let mut expected = Vec::new();
    let start = (first_row * w.row_bytes()) as usize;
    w.format.decode(&blocks[start..][..n_rows * w.row_bytes() as usize], &mut expected);
    same(&format!("dequant {}", w.format.name), &expected, &found, 0.0)
}
