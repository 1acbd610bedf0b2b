//! The memory plan against the real allocations, to the byte, at generous and at absurdly low limits.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use crate::support::goldens::data;
use crate::support::gpu::{NEED, adapter, load};
use crate::support::suite::{Test, needing};
use gemma_web::Cancel;
use gemma_web::engine::{KvType, LoadOptions, SelfTest};
use gemma_web::gguf::{Header, read_header};
use gemma_web::gpu::GpuOptions;
use gemma_web::model::gpu::memory::plan;
use gemma_web::model::memory::Verdict;
use gemma_web::source::native::file::FileSource;
use libtest_mimic::Failed;
use pollster::block_on;

const MODELS: [&str; 5] = [
    "tiny-gemma1-f16",
    "tiny-gemma1-mha-q4_k_m",
    "tiny-gemma2-q4_0",
    "tiny-gemma3-q4_k_m",
    "tiny-gemma3-q8_0",
];

pub(crate) fn tests() -> Vec<Test> {
    let adapter = adapter();
    let mut list: Vec<Test> = Vec::new();
    for model in MODELS {
        let test = move |()| allocated_as_planned(model);
        list.push(needing(&format!("{model} takes what was planned"), NEED, adapter, test));
    }
    list
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
            let plan = plan(&header, &options, &info.gpu.unwrap().adapter.limits)?;
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
