//! The kernels of the prefill on the native adapter against their CPU twins, over awkward lengths and several tokens.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod common;

use common::gpu;
use common::kernel_bench::{Bench, same};
use common::trial::needing;
use gemma_web::gpu::{Buffer, Gpu, GpuOptions, Matrix, Plan};
use gemma_web::kernels::quantize::{Codes, dequantized, quantize};
use gemma_web::kernels::{matmul, matmul_direct, matmul_int8, matvec, quantize as quantize_kernel};
use gemma_web::quant::{FORMATS, Format};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    let args = Arguments::from_args();
    let adapter = gpu::adapter();
    let trial = |name: &str, test: fn(&Bench) -> Result<(), Failed>| {
        needing(name, gpu::NEED, adapter, move |()| test(&Bench::open(GpuOptions::default())?))
    };
    let trials: Vec<Trial> = vec![
        trial("quantize", quantizes),
        trial("products with int8 activations in every format", multiplies),
        trial("products of a matrix split by rows", |_| splits()),
    ];
    libtest_mimic::run(&args, trials).exit();
}

/// Codes and scales read back.
fn codes(b: &Bench, plan: &Plan, n_tokens: usize, to: &Codes) -> Result<(Vec<i8>, Vec<[f32; 2]>), Failed> {
    let words = b.run(plan, n_tokens, 0, &to.codes)?;
    let scales = b.run(plan, n_tokens, 0, &to.scales)?;
    let bytes = words.iter().flat_map(|w| w.to_bits().to_le_bytes()).map(|byte| byte as i8).collect();
    Ok((bytes, scales.chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect()))
}

/// Every code within half a step of `x`: at a tie two codes are right, so the codes themselves are not compared.
fn quantized(what: &str, x: &[f32], (codes, scales): (Vec<i8>, Vec<[f32; 2]>)) -> Result<(), Failed> {
    let (_, expected) = quantize(x);
    for (g, (found, [scale, sum])) in codes.chunks_exact(16).zip(&scales).enumerate() {
        let exact = expected[g][0];
        if (scale - exact).abs() > 1e-6 * exact {
            return Err(format!("{what}: scale {g} is {scale}, expected {exact}").into());
        }
        let codes: i32 = found.iter().map(|c| i32::from(*c)).sum();
        if (sum - scale * codes as f32).abs() > 1e-6 * sum.abs() {
            return Err(format!("{what}: sum {g} is {sum}, expected {scale} x {codes}").into());
        }
        for (i, code) in found.iter().enumerate() {
            let distance = (f64::from(*code) * f64::from(exact) - f64::from(x[16 * g + i])).abs();
            if distance > 0.5001 * f64::from(exact) + 1e-30 {
                return Err(format!("{what}: code {i} of group {g} is {code}, {distance} off").into());
            }
        }
    }
    Ok(())
}

fn quantizes(b: &Bench) -> Result<(), Failed> {
    for (n, t) in [(16, 1), (48, 3), (640, 2), (1040, 5)] {
        let mut x = b.numbers(n * t, 4.0);
        x[..16].fill(0.0);
        x[n * t - 16..].fill(1e-35); // counts as zeros
        x[n * t - 1] = if t > 1 { -1e5 } else { 0.0 };
        let (x_gpu, to) = (b.buffer(&x), Codes::allocate(&b.gpu, "x", t, n)?);
        let mut plan = b.plan();
        quantize_kernel::record(&mut plan, &b.gpu, "quantize", &x_gpu, &to, n);
        quantized(&format!("quantize {n} x {t}"), &x, codes(b, &plan, t, &to)?)?;
    }
    Ok(())
}

/// A product with int8 activations.
type Int8Product = fn(&mut Plan, &Gpu, &Matrix, &Codes, &Buffer);
const INT8: [(&str, Int8Product); 2] =
    [("matmul_int8", matmul_int8::record), ("matmul_direct", matmul_direct::record)];

/// Numbers of tokens around the blocks of 8, 16 and 64.
const TOKENS: [usize; 7] = [1, 7, 17, 32, 33, 64, 83];

fn product_agrees(b: &Bench, format: &'static Format, n_rows: usize, n_cols: usize) -> Result<usize, Failed> {
    let blocks = b.blocks(format, n_rows, n_cols);
    let w = b.matrix(format, &blocks, n_cols)?;
    for t in TOKENS {
        let x = b.numbers(t * n_cols, 1.0);
        let (x_gpu, to) = (b.buffer(&x), Codes::allocate(&b.gpu, "x", t, n_cols)?);
        let mut plan = b.plan();
        quantize_kernel::record(&mut plan, &b.gpu, "quantize", &x_gpu, &to, n_cols);
        let (codes, scales) = codes(b, &plan, t, &to)?;
        // Sums of up to 768 products of size 8: f32 rounding of the partial sums.
        let max_abs = 2e-6 * 8.0 * n_cols as f32;
        let what = |name: &str| format!("{name} {} {n_rows} x {n_cols}, {t} tokens", format.name);
        if format.name == "Q4_0" {
            let y = b.empty(t * n_rows);
            matmul::record(&mut plan, &b.gpu, &w, &x_gpu, &y);
            let expected = matvec::matvec(format, &blocks, n_cols, &x);
            same(&what("matmul"), &expected, &b.run(&plan, t, 0, &y)?, max_abs)?;
        }
        let expected = matvec::matvec(format, &blocks, n_cols, &dequantized(&codes, &scales));
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

/// The same results where no binding may exceed 16 KiB.
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
        let (x_gpu, to) = (b.buffer(&x), Codes::allocate(&b.gpu, "x", 3, 256)?);
        let mut plan = b.plan();
        quantize_kernel::record(&mut plan, &b.gpu, "quantize", &x_gpu, &to, 256);
        let (codes, scales) = codes(&b, &plan, 3, &to)?;
        let expected = matvec::matvec(format, &blocks, 256, &dequantized(&codes, &scales));
        for (name, record) in INT8 {
            let (mut plan, y) = (b.plan(), b.empty(3 * n_rows));
            record(&mut plan, &b.gpu, &w, &to, &y);
            same(&format!("{name} {} split", format.name), &expected, &b.run(&plan, 3, 0, &y)?, 5e-3)?;
        }
    }
    Ok(())
}
