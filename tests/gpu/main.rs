//! Tests that run on a GPU: kernels against their twins, models against exact logits, the engine and its sessions.
//! Without an adapter they are reported as ignored.

use gemma_web::engine::DeviceChoice;

mod bench;
#[path = "../engine/context_limit.rs"]
mod context_limit;
#[path = "../engine/context_overflow.rs"]
mod context_overflow;
mod decode_kernels;
#[path = "../engine/embed_and_score.rs"]
mod embed_and_score;
mod error_scopes;
mod full_size_models;
mod gpu_work_per_token;
#[path = "../engine/hostile_sessions.rs"]
mod hostile_sessions;
mod kernels;
mod lost_device;
mod memory_plan;
#[path = "../engine/options.rs"]
mod options;
mod prefill_kernels;
mod quant_golden;
#[path = "../engine/real_model.rs"]
mod real_model;
mod sample_kernel;
#[path = "../engine/saved_sessions.rs"]
mod saved_sessions;
mod self_test;
#[path = "../engine/sessions.rs"]
mod sessions;
#[path = "../support/mod.rs"]
mod support;
mod synthetic;
#[path = "../engine/tiny_models.rs"]
mod tiny_models;

/// The device that the models of these tests run on.
const DEVICE: DeviceChoice = DeviceChoice::Gpu;

fn main() {
    let mut real = real_model::tests().into_iter();
    let mut some = |n| real.by_ref().take(n).collect();
    // The longest stand first, so that no thread works alone in the end, and apart from each other: two tests that begin with the same
    // kernels compile them twice.
    support::suite::run([
        ("real_model", some(2)),
        ("kernels", kernels::tests()),
        ("real_model", some(1)),
        ("prefill_kernels", prefill_kernels::tests()),
        ("real_model", some(1)),
        ("decode_kernels", decode_kernels::tests()),
        ("real_model", some(usize::MAX)),
        ("full_size_models", full_size_models::tests()),
        ("synthetic", synthetic::tests()),
        ("hostile_sessions", hostile_sessions::tests()),
        ("quant_golden", quant_golden::tests()),
        ("sample_kernel", sample_kernel::tests()),
        ("tiny_models", tiny_models::tests()),
        ("memory_plan", memory_plan::tests()),
        ("gpu_work_per_token", gpu_work_per_token::tests()),
        ("error_scopes", error_scopes::tests()),
        ("self_test", self_test::tests()),
        ("bench", bench::tests()),
        ("context_limit", context_limit::tests()),
        ("context_overflow", context_overflow::tests()),
        ("embed_and_score", embed_and_score::tests()),
        ("options", options::tests()),
        ("sessions", sessions::tests()),
        ("saved_sessions", saved_sessions::tests()),
        ("lost_device", lost_device::tests()),
    ])
}
