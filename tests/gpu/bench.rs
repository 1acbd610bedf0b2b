//! The benchmark itself: it reads the bytes that it reports, counts the work that it runs, checks before it times, and can be stopped.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use crate::support::chat_model::Bytes;
use crate::support::goldens::data;
use crate::support::gpu::{NEED, adapter, here, load};
use crate::support::suite::{Test, needing};
use gemma_web::bench::{BenchOptions, Protocol, Spread, roofline};
use gemma_web::engine::{Engine, LoadOptions};
use gemma_web::gpu::profile::Method;
use gemma_web::gpu::{Command, Gpu, GpuOptions, MemoryKind, Plan, RunParams};
use gemma_web::kernels::read_bandwidth::{n_sums, read_bandwidth, record};
use gemma_web::{Cancel, Error, gguf};
use libtest_mimic::Failed;
use pollster::block_on;

pub(crate) fn tests() -> Vec<Test> {
    let on_gpu =
        |name: &str, test: fn() -> Result<(), Failed>| needing(name, NEED, adapter(), move |()| test());
    vec![
        on_gpu("read_bandwidth sums every word once", sums),
        on_gpu("the roofline is checked", reads_memory),
        on_gpu("llama-bench: a prompt alone, a generation alone", llama_bench),
        on_gpu("litert: a generation behind its prompt", litert),
        on_gpu("a profile lists every dispatch, with timestamps and without", profiles),
        on_gpu("a benchmark is stopped", stops),
        on_gpu("impossible benchmarks are refused", refuses),
        on_gpu("what gives no numbers is not timed", checks_first),
    ]
}

const MODEL: &str = "tiny/tiny-gemma3-q4_k_m.gguf";

fn engine(context: usize, gpu: GpuOptions) -> Result<Engine, Failed> {
    let options = LoadOptions { context_length: Some(context), gpu, ..LoadOptions::default() };
    Ok(load(&data(MODEL), &options)?)
}

/// A benchmark that takes a moment.
fn small() -> BenchOptions {
    BenchOptions {
        prompt_tokens: Some(70),
        generated_tokens: Some(6),
        repetitions: 2,
        warmups: 1,
        roofline: false,
        kernels: false,
        ..BenchOptions::default()
    }
}

fn sums() -> Result<(), Failed> {
    let gpu = block_on(Gpu::open(&GpuOptions::default()))?;
    for n_vectors in [1, 255, 256, 257, 8191, 8192, 8193, 40_001] {
        let words: Vec<u32> = (0..4 * n_vectors as u32).map(|i| i.wrapping_mul(2_654_435_769) ^ 77).collect();
        let x = gpu.storage(MemoryKind::Scratch, "x", 4 * words.len() as u64)?;
        gpu.write(&x, 0, bytemuck::cast_slice(&words));
        let y = gpu.tensor("y", n_sums(n_vectors), 1)?;
        let staging = gpu.staging("y", y.bytes());
        let mut plan = Plan::new(&gpu, "test");
        record(&mut plan, &gpu, &x, &y, n_vectors);
        let step = RunParams { n_tokens: 1, position: 5, ..RunParams::default() };
        gpu.run(&[Command::Plan(&plan, step), Command::copy(&y, &staging, y.bytes())])?;
        let found = block_on(gpu.read_f32(&staging, y.bytes()))?;
        assert_eq!(found, read_bandwidth(&words, 5), "{n_vectors} vectors");
    }
    Ok(())
}

fn reads_memory() -> Result<(), Failed> {
    let gpu = block_on(Gpu::open(&GpuOptions::default()))?;
    let found = block_on(roofline(&gpu, &Cancel::default()))?;
    assert!(found.gigabytes_per_second > 0.0 && found.bytes >= 64 << 20, "{found:?}");
    assert!(found.runs.iter().all(|run| *run <= found.gigabytes_per_second), "the best: {found:?}");
    assert_eq!(gpu.bytes_of(MemoryKind::Scratch), 0, "nothing stays behind");
    Ok(())
}

fn ordered(spread: &Spread, n_runs: usize) {
    assert_eq!(spread.runs.len(), n_runs, "{spread:?}");
    assert!(0.0 < spread.min && spread.min <= spread.median && spread.median <= spread.max, "{spread:?}");
}

fn llama_bench() -> Result<(), Failed> {
    let mut engine = engine(160, GpuOptions::default())?;
    let (mut seen, options) = (Vec::new(), BenchOptions { depths: vec![0, 100], roofline: true, ..small() });
    let report = block_on(engine.bench(&options, &Cancel::default(), &mut |p| seen.push((p.done, p.total))))?;
    assert_eq!(report.gate.tokens.len(), 8, "{:?}", report.gate);
    assert_eq!(report.gate.compared, 4, "{:?}", report.gate);
    let prompt = report.prompt.unwrap();
    ordered(&prompt.tokens_per_second, 2);
    assert!(prompt.tokens == 70 && prompt.teraflops > 0.0, "{prompt:?}");
    let generation = report.generation.unwrap();
    ordered(&generation.tokens_per_second, 2);
    assert_eq!((generation.tokens, generation.depth), (6, 1), "after BOS");
    assert!(generation.of_roofline.is_some_and(|part| part > 0.0), "{generation:?}");
    let each = report.per_token.unwrap();
    assert!(each.dispatches > 0.0 && each.objects == 0.0, "{each:?}");
    let depths: Vec<_> = report.depths.iter().map(|test| test.depth).collect();
    assert_eq!(depths, [0, 100]);
    assert!(report.depths[1].bytes_per_token > report.depths[0].bytes_per_token, "{:?}", report.depths);
    // At a depth a token is decoded as in `generate`: with as many dispatches, and as few bytes read back.
    let counts = &report.depths[1].counts;
    for (found, each) in [(counts.dispatches, each.dispatches), (counts.bytes_read, each.bytes_read)] {
        let expected = 7.0 * each;
        assert!((found as f64 - expected).abs() <= each, "{found} for 7 tokens, {each} for each");
    }
    // Tied: the embedding is the logits' matrix, so that a token reads the whole file but its header.
    let formats: u64 = report.model.formats.iter().map(|(_, bytes)| bytes).sum();
    assert_eq!(report.file.weight_bytes_per_token, formats);
    assert_eq!(report.file.name, "tiny-gemma3-q4_k_m.gguf");
    let (done, total): (Vec<_>, Vec<_>) = seen.into_iter().unzip();
    assert!(done.iter().copied().eq(1..=total[0]), "{done:?} of {total:?}");
    Ok(())
}

fn litert() -> Result<(), Failed> {
    let mut engine = engine(100, GpuOptions::default())?;
    let options = BenchOptions { protocol: Protocol::LiteRt, ..small() };
    let report = block_on(engine.bench(&options, &Cancel::default(), &mut |_| ()))?;
    let (prompt, generation) = (report.prompt.unwrap(), report.generation.unwrap());
    ordered(&prompt.first_token_ms, 2);
    assert_eq!((prompt.tokens, generation.tokens, generation.depth), (70, 6, 70));
    Ok(())
}

fn profiles() -> Result<(), Failed> {
    let mut calls = Vec::new();
    for without_timestamps in [true, false] {
        let mut engine = engine(100, GpuOptions { without_timestamps, ..GpuOptions::default() })?;
        let options = BenchOptions { kernels: true, ..small() };
        let report = block_on(engine.bench(&options, &Cancel::default(), &mut |_| ()))?;
        let (kernels, each) = (report.kernels.unwrap(), report.per_token.unwrap());
        let granted = report.features.contains(&"timestamp-query");
        assert!(!(granted && without_timestamps), "none were asked for");
        for profile in [&kernels.decode, &kernels.prompt] {
            assert_eq!(profile.method == Method::Timestamps, granted, "{:?}", profile.method);
            assert!(profile.kernels.iter().map(|row| row.us).sum::<f64>() > 0.0, "{profile:?}");
        }
        let n_calls: u64 = kernels.decode.kernels.iter().map(|row| row.calls).sum();
        assert_eq!(n_calls as f64, each.dispatches, "every dispatch of a token");
        // The embedding's matrix is read as the logits' alone.
        let matrices: u64 = kernels.decode.kernels.iter().map(|row| row.matrix_bytes).sum();
        let weights = report.file.weight_bytes_per_token;
        assert!(matrices > weights * 9 / 10 && matrices < weights * 11 / 10, "{matrices} of {weights}");
        calls.push(n_calls);
    }
    assert_eq!(calls[0], calls[1]);
    Ok(())
}

fn stops() -> Result<(), Failed> {
    let mut engine = engine(160, GpuOptions::default())?;
    let cancel = Cancel::default();
    let mut n_steps = 0;
    let stopped = block_on(engine.bench(&small(), &cancel, &mut |_| {
        n_steps += 1;
        cancel.cancel();
    }));
    assert!(matches!(stopped, Err(Error::Aborted)), "{stopped:?}");
    assert_eq!(n_steps, 1, "nothing is done afterwards");
    block_on(engine.bench(&small(), &Cancel::default(), &mut |_| ()))?;
    Ok(())
}

fn refuses() -> Result<(), Failed> {
    let mut engine = engine(60, GpuOptions::default())?;
    let cases = [
        (BenchOptions { repetitions: 0, ..small() }, "repetitions"),
        (BenchOptions { warmups: 1_000_000, ..small() }, "warmups"),
        (BenchOptions { generated_tokens: Some(0), depths: vec![1], ..small() }, "generatedTokens"),
        (small(), "contextLength"),
        (BenchOptions { prompt_tokens: Some(1), depths: vec![59], ..small() }, "contextLength"),
    ];
    for (options, named) in cases {
        match block_on(engine.bench(&options, &Cancel::default(), &mut |_| ())) {
            Err(Error::InvalidOption { option, .. }) => assert_eq!(option, named),
            other => return Err(format!("{named}: {other:?}").into()),
        }
    }
    Ok(())
}

fn checks_first() -> Result<(), Failed> {
    let mut bytes = std::fs::read(data(MODEL))?;
    let (header, _) = block_on(gguf::read_header(&mut Bytes(bytes.clone()), &Cancel::default()))?;
    let at = header.tensor("output_norm.weight").unwrap().offset as usize;
    bytes[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    let options = here(&LoadOptions { context_length: Some(160), ..LoadOptions::default() });
    let mut engine = block_on(Engine::load(Bytes(bytes), &options, &Cancel::default(), &mut |_| ()))?;
    let mut n_steps = 0;
    let refused = block_on(engine.bench(&small(), &Cancel::default(), &mut |_| n_steps += 1));
    assert!(matches!(refused, Err(Error::NumericError { .. } | Error::Inconsistent { .. })), "{refused:?}");
    assert_eq!(n_steps, 0);
    Ok(())
}
