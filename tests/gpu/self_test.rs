//! Self-test of a load: wrong kernels are replaced or refused. Results that are not finite end a generation.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use crate::support::chat_model::Bytes;
use crate::support::goldens::data;
use crate::support::gpu::{NEED, adapter, here, load};
use crate::support::suite::{Test, needing};
use gemma_web::engine::{Effort, Engine, GenerateOptions, GpuFacts, LoadOptions, SelfTest, Tested};
use gemma_web::gpu::device::Counters;
use gemma_web::gpu::options::FaultInjection;
use gemma_web::gpu::{GpuOptions, Tuning};
use gemma_web::quant::KvType;
use gemma_web::{Cancel, Error, gguf};
use libtest_mimic::Failed;
use pollster::block_on;

/// Every generation, and mixtures of one and of several formats.
const MODELS: [&str; 5] = [
    "tiny-gemma1-mha-q4_k_m",
    "tiny-gemma2-q4_k_m",
    "tiny-gemma3-f16",
    "tiny-gemma3-q8_0",
    "tiny-gemma3-q4_k_m",
];

pub(crate) fn tests() -> Vec<Test> {
    let adapter = adapter();
    let on_gpu =
        |name: &str, test: fn() -> Result<(), Failed>| needing(name, NEED, adapter, move |()| test());
    vec![
        on_gpu("what is right passes, whatever the variants, and once", passes),
        on_gpu("what was found elsewhere counts for nothing", remembers),
        on_gpu("it takes one submission and no further pipeline", costs),
        on_gpu("a wrong variant is replaced, and never tried again", replaces),
        on_gpu("a kernel without another variant fails the load", fails),
        on_gpu("without a self-test a wrong kernel runs", off),
        on_gpu("a weight that is no number ends the generation", nan_weights),
    ]
}

fn options(tuning: Tuning, kv: KvType) -> LoadOptions {
    LoadOptions {
        tuning: Some(tuning),
        kv,
        context_length: Some(64),
        self_test: SelfTest::Full,
        ..LoadOptions::default()
    }
}

fn tiny(model: &str, options: &LoadOptions) -> gemma_web::Result<Engine> {
    load(&data(&format!("tiny/{model}.gguf")), options)
}

fn passes() -> Result<(), Failed> {
    for (i, model) in MODELS.into_iter().enumerate() {
        let caches = [KvType::F16, KvType::F32].into_iter().cycle();
        for (j, (tuning, kv)) in Tuning::ALL.into_iter().zip(caches).enumerate() {
            let engine = tiny(model, &options(tuning, kv))?;
            let GpuFacts { variants, tuning: runs, .. } = engine.info().gpu.unwrap();
            let what = format!("{model} {tuning} {kv:?}: {variants:?}");
            assert!(variants.replaced.is_empty() && runs == tuning, "{what}");
            let (tested, n) = (engine.tested().clone(), variants.kernels.len());
            assert!(n >= 12 && tested.passed.len() == n && tested.failed.is_empty(), "{what}: {tested:?}");
            assert_eq!((variants.self_test.tested, variants.self_test.known), (n, 0), "{what}");
            // The engine of one variant and cache for each model is loaded again.
            if (i + j) % Tuning::ALL.len() != 0 {
                continue;
            }
            let again = |self_test| -> Result<(usize, usize, u64), Failed> {
                let options = LoadOptions { self_test, tested: tested.clone(), ..options(tuning, kv) };
                let engine = tiny(model, &options)?;
                let Effort { tested, known, .. } = engine.info().gpu.unwrap().variants.self_test;
                Ok((tested, known, engine.stats().counters.dispatches))
            };
            let (off, fast, full) = (again(SelfTest::Off)?, again(SelfTest::Fast)?, again(SelfTest::Full)?);
            assert_eq!(
                ((off.0, off.1), (fast.0, fast.1), (full.0, full.1)),
                ((0, 0), (0, n), (n, 0)),
                "{what}"
            );
            assert!(off.2 == fast.2 && full.2 > fast.2, "{what}: {off:?} {fast:?} {full:?}");
        }
    }
    Ok(())
}

/// Findings of another adapter, or with other head sizes, do not count.
fn remembers() -> Result<(), Failed> {
    let engine = tiny("tiny-gemma3-q8_0", &options(Tuning::ALL[0], KvType::F16))?;
    let tested = engine.tested().clone();
    let effort = |model: &str, tested: Tested| -> Result<Effort, Failed> {
        let options =
            LoadOptions { self_test: SelfTest::Fast, tested, ..options(Tuning::ALL[0], KvType::F16) };
        Ok(tiny(model, &options)?.info().gpu.unwrap().variants.self_test)
    };
    assert_eq!(effort("tiny-gemma3-q8_0", tested.clone())?.tested, 0);
    let elsewhere = Tested { by: format!("{} ", tested.by), ..tested.clone() };
    assert_eq!(effort("tiny-gemma3-q8_0", elsewhere)?.known, 0);
    assert_eq!(effort("tiny-gemma1-q8_0", tested)?.known, 0);
    Ok(())
}

/// One submission, one read-back, and no pipeline more than the model has.
fn costs() -> Result<(), Failed> {
    let counted = |self_test| -> Result<(Counters, Effort, usize), Failed> {
        let options = LoadOptions { self_test, ..options(Tuning::ALL[3], KvType::F16) };
        let engine = tiny("tiny-gemma3-q4_k_m", &options)?;
        Ok((engine.stats().counters, engine.info().gpu.unwrap().variants.self_test, engine.n_pipelines()?))
    };
    let ((off, _, n_off), (full, effort, n_full)) = (counted(SelfTest::Off)?, counted(SelfTest::Full)?);
    assert_eq!((full.submits, full.passes), (off.submits + 1, off.passes + 1));
    assert_eq!(n_full, n_off);
    // Some kernels have a second case: another window, another way to choose.
    let dispatches = (full.dispatches - off.dispatches) as usize;
    assert!(dispatches >= effort.tested && dispatches <= 2 * effort.tested, "{dispatches} of {effort:?}");
    Ok(())
}

/// Local layers would see a key too few.
const WINDOW: FaultInjection = FaultInjection {
    kernel: "attention_decode F16",
    from: "first_key(position, params.window)",
    to: "select(0u, 1u + first_key(position, params.window), params.window > 0u)",
};
const INT8: FaultInjection = FaultInjection { kernel: "int8", from: "dot4I8Packed(", to: "-dot4I8Packed(" };

/// Wrong texts of kernels, each with a tuning that runs it, the kernel that is found, and its replacement.
fn replaces() -> Result<(), Failed> {
    let of = |name: &str| name.parse::<Tuning>().unwrap();
    let cases = [
        (INT8, "int8/1", "f32/1"),
        (
            FaultInjection { kernel: "norm_matvec Q8_0 f32 32", from: "return sum", to: "return 1.01 * sum" },
            "f32/32",
            "f32/1",
        ),
        (
            FaultInjection {
                kernel: "attention_prefill F16 to int8/32",
                from: "params.scale",
                to: "(0.9 * params.scale)",
            },
            "int8/32",
            "f32/32",
        ),
    ];
    for (fault, from, to) in cases {
        let gpu = GpuOptions { inject: Some(fault), ..GpuOptions::default() };
        let options = LoadOptions { gpu, ..options(of(from), KvType::F16) };
        let engine = tiny("tiny-gemma3-q8_0", &options)?;
        let info = engine.info().gpu.unwrap();
        let what = format!("{fault:?}: {:?}", info.variants);
        assert_eq!(info.tuning, of(to), "{what}");
        assert!(!info.variants.replaced.is_empty(), "{what}");
        assert!(
            info.variants.replaced.iter().all(|r| fault.kernel.split(' ').all(|word| format!(
                "{} {}",
                r.kernel, r.variant
            )
            .contains(word))),
            "{what}"
        );
        // Known from the start the next time, whether the choice is kept too or not.
        for tuning in [of(from), of(to)] {
            let (tuning, tested) = (Some(tuning), engine.tested().clone());
            let again = LoadOptions { self_test: SelfTest::Fast, tested, tuning, ..options.clone() };
            let second = tiny("tiny-gemma3-q8_0", &again)?.info().gpu.unwrap();
            assert_eq!(second.tuning, of(to), "{what}");
            assert_eq!(second.variants.self_test.tested, 0, "{what}");
            assert_eq!(second.variants.replaced, info.variants.replaced, "{what}");
        }
    }
    for fault in [
        WINDOW,
        FaultInjection { kernel: "attention_decode F16", from: "params.scale", to: "(0.5 * params.scale)" },
    ] {
        let gpu = GpuOptions { inject: Some(fault), ..GpuOptions::default() };
        let options = LoadOptions { gpu, ..options(Tuning::ALL[0], KvType::F16) };
        let variants = tiny("tiny-gemma3-q8_0", &options)?.info().gpu.unwrap().variants;
        assert_eq!((variants.kv, variants.replaced.len()), (KvType::F32, 1), "{fault:?}: {variants:?}");
    }
    Ok(())
}

/// A small mistake for each kernel that has no other variant.
const ONLY: [FaultInjection; 4] = [
    FaultInjection { kernel: "sample", from: "theirs > key", to: "theirs < key" },
    FaultInjection { kernel: "attention_reduce", from: "weight * m_l.y", to: "0.9 * weight * m_l.y" },
    FaultInjection { kernel: "embed", from: "params.scale", to: "(1.01 * params.scale)" },
    FaultInjection { kernel: "norm_add", from: "params.eps", to: "(params.eps + 1.0)" },
];

fn fails() -> Result<(), Failed> {
    for fault in ONLY {
        let gpu = GpuOptions { inject: Some(fault), ..GpuOptions::default() };
        match tiny("tiny-gemma3-q8_0", &LoadOptions { gpu, ..options(Tuning::ALL[0], KvType::F32) }) {
            Err(Error::SelfTestFailed { kernel, adapter, error, .. }) => {
                assert!(
                    [fault.kernel, "attention_decode"].contains(&kernel.as_str())
                        && error > 1e-3
                        && !adapter.is_empty(),
                    "{kernel} {error} {adapter}"
                );
            }
            other => return Err(format!("{fault:?}: {:?}", other.map(|_| ())).into()),
        }
    }
    Ok(())
}

fn off() -> Result<(), Failed> {
    let gpu = GpuOptions { inject: Some(ONLY[2]), ..GpuOptions::default() };
    tiny("tiny-gemma3-q8_0", &LoadOptions { gpu, self_test: SelfTest::Off, ..LoadOptions::default() })?;
    Ok(())
}

/// One scale of each kind of tensor, in every arithmetic, chosen by the GPU and by the CPU, in a model of each generation in turn.
fn nan_weights() -> Result<(), Failed> {
    let names = ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down", "attn_norm"];
    let tensors =
        names.map(|name| format!("blk.0.{name}.weight")).into_iter().chain(["token_embd.weight".to_owned()]);
    for (i, tensor) in tensors.enumerate() {
        for (j, model) in ["tiny-gemma1-q8_0", "tiny-gemma2-q4_0", "tiny-gemma3-q8_0"].into_iter().enumerate()
        {
            let mut bytes = std::fs::read(data(&format!("tiny/{model}.gguf")))?;
            let (header, _) = block_on(gguf::read_header(&mut Bytes(bytes.clone()), &Cancel::default()))?;
            let found = header.tensor(&tensor).unwrap();
            // The scale of a block comes first. The fortieth token is in no text here: only its logit is wrong.
            let row = if i == 8 { 40 * found.format.bytes_of(found.shape[0]) } else { 0 };
            let at = (found.offset + row) as usize;
            match found.format.name {
                "F32" => bytes[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes()),
                "Q6_K" => bytes[at + 208..at + 210].copy_from_slice(&0x7e00_u16.to_le_bytes()),
                _ => bytes[at..at + 2].copy_from_slice(&0x7e00_u16.to_le_bytes()),
            }
            let runs = Tuning::ALL.into_iter().zip([None; 4]).chain([(Tuning::ALL[i % 4], Some(1))]);
            // Each load compiles every kernel.
            for (_, (tuning, logprobs)) in runs.enumerate().filter(|(run, _)| (i + run) % 3 == j) {
                let options = here(&LoadOptions { self_test: SelfTest::Off, ..options(tuning, KvType::F16) });
                let mut engine =
                    block_on(Engine::load(Bytes(bytes.clone()), &options, &Cancel::default(), &mut |_| ()))?;
                let request = GenerateOptions { max_tokens: 4, logprobs, ..GenerateOptions::default() };
                let mut text = String::new();
                let ended =
                    block_on(engine.generate(&[2, 10, 20], &request, &Cancel::default(), &mut |piece| {
                        text += &piece.text;
                    }));
                let what = format!("{model} {tensor} {tuning} {logprobs:?}");
                assert!(matches!(ended, Err(Error::NumericError { position: 3, .. })), "{what}: {ended:?}");
                assert!(text.is_empty(), "{what}: {text}");
            }
        }
    }
    Ok(())
}
