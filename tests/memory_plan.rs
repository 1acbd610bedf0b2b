//! The memory plan against what is really allocated, to the byte, at generous and at absurdly low limits.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod common;

use common::goldens::data;
use common::gpu::{NEED, adapter, load};
use common::trial::needing;
use gemma_web::Cancel;
use gemma_web::gguf::{Header, read_header};
use gemma_web::gpu::{GpuOptions, Limits};
use gemma_web::model::gpu::memory::plan;
use gemma_web::model::memory::Verdict;
use gemma_web::session::{KvType, LoadOptions, SelfTest};
use gemma_web::source::file::FileSource;
use libtest_mimic::{Arguments, Failed, Trial};
use pollster::block_on;

const MODELS: [&str; 5] = [
    "tiny-gemma1-f16",
    "tiny-gemma1-mha-q4_k_m",
    "tiny-gemma2-q4_0",
    "tiny-gemma3-q4_k_m",
    "tiny-gemma3-q8_0",
];

fn main() {
    let args = Arguments::from_args();
    let adapter = adapter();
    let mut trials: Vec<Trial> = Vec::new();
    for model in MODELS {
        let test = move |()| allocated_as_planned(model);
        trials.push(needing(&format!("{model} takes what was planned"), NEED, adapter, test));
    }
    trials.push(Trial::test("verdicts", verdicts));
    libtest_mimic::run(&args, trials).exit();
}

fn header(model: &str) -> Result<Header, Failed> {
    let mut source = FileSource::open(data(&format!("tiny/{model}.gguf")))?;
    Ok(block_on(read_header(&mut source, &Cancel::default()))?.0)
}

/// No limit; bindings of 80 KiB, so that matrices and, in f32, caches of several heads are split.
const LOW: [Option<u64>; 2] = [None, Some(80 << 10)];

fn allocated_as_planned(model: &str) -> Result<(), Failed> {
    let header = header(model)?;
    for max_binding_bytes in LOW {
        for (kv, context) in [(KvType::F16, 150), (KvType::F32, 64)] {
            let gpu = GpuOptions { max_binding_bytes, ..GpuOptions::default() };
            let options = LoadOptions {
                context_length: Some(context),
                prefill_chunk: 12,
                kv,
                gpu,
                // Its matrices are small against any adapter's limits, but not against these.
                self_test: SelfTest::Off,
                ..LoadOptions::default()
            };
            let engine = load(&data(&format!("tiny/{model}.gguf")), &options)?;
            let info = engine.info();
            let plan = plan(&header, &options, &info.adapter.limits)?;
            let what = format!("{model}, {kv:?}, {max_binding_bytes:?}");
            assert_eq!(plan.verdict, Verdict::Fits, "{what}");
            assert_eq!(plan.weights, info.gpu_bytes.weights, "weights of {what}");
            assert_eq!(plan.kv, info.gpu_bytes.kv, "cache of {what}");
            assert_eq!(plan.scratch, info.gpu_bytes.scratch, "scratch of {what}");
            assert_eq!(plan.total, plan.weights + plan.kv + plan.scratch, "total of {what}");
        }
    }
    Ok(())
}

fn verdicts() -> Result<(), Failed> {
    let header = header("tiny-gemma2-q4_0")?;
    let of = |max_binding_bytes, context| -> Result<Verdict, Failed> {
        let limits = Limits { max_binding_bytes, ..Limits::default() };
        let options =
            LoadOptions { context_length: Some(context), prefill_chunk: 16, ..LoadOptions::default() };
        Ok(plan(&header, &options, &limits)?.verdict)
    };
    assert_eq!(of(1 << 20, 2048)?, Verdict::Fits);
    // A head of a global layer takes 128 bytes a position: 128 KiB hold 1024 of them.
    assert_eq!(of(128 << 10, 2048)?, Verdict::FitsWithContext { max_context_length: 1024 });
    assert_eq!(of(128 << 10, 1000)?, Verdict::Fits);
    match of(1024, 64)? {
        Verdict::DoesNotFit { needs, offers: 1024, .. } if needs > 1024 => Ok(()),
        other => Err(format!("{other:?}").into()),
    }
}
