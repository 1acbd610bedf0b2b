//! Every kernel in every variant through naga, without a GPU: parsed, validated without optional capabilities, and held to
//! WebGPU's default limits.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use crate::support::suite::{Test, test_fn};
use gemma_web::gpu::shader::{MatvecVariant, Variant, compose};
use gemma_web::kernels::every_variant;
use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{AddressSpace, ShaderStage};

pub(crate) fn tests() -> Vec<Test> {
    vec![
        test_fn(every_kernel_format_and_variant_is_valid_at_default_limits),
        test_fn(the_validation_can_fail),
    ]
}

/// WebGPU's default limits.
const MAX_INVOCATIONS: u32 = 256;
const MAX_WORKGROUP_BYTES: u32 = 16_384;
const MAX_STORAGE_BUFFERS: usize = 8;

/// What naga asks for before it lets `unpack2x16float` through. WebGPU always has it: it is no `shader-f16`.
const CAPABILITIES: Capabilities = Capabilities::SHADER_FLOAT16_IN_FLOAT32;

fn complaint(name: &str, text: &str) -> Option<String> {
    complaint_with(name, text, CAPABILITIES)
}

/// What variants with subgroups need on top.
const SUBGROUPS: Capabilities = CAPABILITIES.union(Capabilities::SUBGROUP);

fn complaint_with(name: &str, text: &str, capabilities: Capabilities) -> Option<String> {
    let module = match naga::front::wgsl::parse_str(text) {
        Ok(module) => module,
        Err(e) => return Some(e.emit_to_string(text)),
    };
    if let Err(e) = Validator::new(ValidationFlags::all(), capabilities)
        .subgroup_stages(naga::valid::ShaderStages::COMPUTE)
        .subgroup_operations(naga::valid::SubgroupOperationSet::all())
        .validate(&module)
    {
        return Some(e.emit_to_string(text));
    }
    let [entry] = module.entry_points.as_slice() else {
        return Some("not one entry point".to_owned());
    };
    if entry.name != name || entry.stage != ShaderStage::Compute {
        return Some(format!("the entry point is called {}", entry.name));
    }
    let invocations: u32 = entry.workgroup_size.iter().product();
    let mut layouter = naga::proc::Layouter::default();
    layouter.update(module.to_ctx()).unwrap();
    let of_space = |wanted: fn(&AddressSpace) -> bool| {
        module.global_variables.iter().filter(move |(_, v)| wanted(&v.space))
    };
    let shared: u32 = of_space(|s| *s == AddressSpace::WorkGroup).map(|(_, v)| layouter[v.ty].size).sum();
    let n_storage = of_space(|s| matches!(s, AddressSpace::Storage { .. })).count();
    let over = |what: &str, found: usize, limit: usize| {
        (found > limit).then(|| format!("{what}: {found}, limit {limit}"))
    };
    over("invocations", invocations as usize, MAX_INVOCATIONS as usize)
        .or_else(|| over("bytes of workgroup memory", shared as usize, MAX_WORKGROUP_BYTES as usize))
        .or_else(|| over("storage buffers", n_storage, MAX_STORAGE_BUFFERS))
}

fn every_kernel_format_and_variant_is_valid_at_default_limits() {
    let mut n = 0;
    let complaints: Vec<String> = every_variant()
        .inspect(|_| n += 1)
        .filter_map(|(kernel, variant)| {
            let with_subgroups = matches!(variant, Variant::Matvec(MatvecVariant { subgroups: true, .. }));
            let capabilities = if with_subgroups { SUBGROUPS } else { CAPABILITIES };
            let why = complaint_with(kernel.name, &compose(kernel, variant), capabilities)?;
            Some(format!("{} {}: {why}", kernel.name, variant.name()))
        })
        .collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert!(
        n >= 70,
        "only {n} variants: 4 kernels x 15 formats, 2 x 2 cache types and 6 plain ones are expected"
    );
}

fn the_validation_can_fail() {
    let sound = "@compute @workgroup_size(64) fn k() {}";
    assert_eq!(complaint("k", sound), None);
    assert!(complaint("other", sound).is_some(), "another name");
    assert!(complaint("k", "@compute @workgroup_size(512) fn k() {}").is_some(), "too many invocations");
    assert!(
        complaint("k", "@compute @workgroup_size(64) fn k() { let x: u32 = 1.5; }").is_some(),
        "a type error"
    );
    let greedy = "var<workgroup> a: array<f32, 4097>;\n@compute @workgroup_size(64) fn k() { a[0] = 1.0; }";
    assert!(complaint("k", greedy).is_some(), "too much workgroup memory");
    assert!(
        complaint("k", "enable f16; @compute @workgroup_size(64) fn k() { let x = 1.0h; }").is_some(),
        "an optional feature"
    );
}
