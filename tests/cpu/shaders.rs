//! Checks of every kernel in every variant by naga, without a GPU: validity without optional capabilities, WebGPU's default limits, and
//! structs, constants and rules that Rust repeats.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::collections::BTreeMap;
use std::path::Path;

use crate::support::suite::{Test, test_fn};
use gemma_web::gpu::RunParams;
use gemma_web::gpu::shader::{FRAGMENTS, MatvecVariant, Variant, compose};
use gemma_web::kernels::attention_decode::{BLOCK, MAX_CHUNKS, n_chunks};
use gemma_web::kernels::every_variant;
use gemma_web::kernels::matvec_common::{KEPT, SECOND};
use gemma_web::kernels::norm_add::{ADDED, POST_NORM};
use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{
    AddressSpace, BinaryOperator, Expression, Function, Handle, Literal, Module, ShaderStage, Statement,
};

pub(crate) fn tests() -> Vec<Test> {
    vec![
        test_fn(every_kernel_format_and_variant_is_valid_at_default_limits),
        test_fn(the_validation_can_fail),
        test_fn(fragments_are_the_files_of_the_library),
        test_fn(uniforms_are_the_same_in_rust_and_wgsl),
        test_fn(another_struct_is_seen),
        test_fn(constants_are_the_same_in_rust_and_wgsl),
        test_fn(another_constant_is_seen),
        test_fn(keys_are_split_as_the_plan_expects),
    ]
}

/// WebGPU's default limits.
const MAX_INVOCATIONS: u32 = 256;
const MAX_WORKGROUP_BYTES: u32 = 16_384;
const MAX_STORAGE_BUFFERS: usize = 8;

/// Capability that naga demands for `unpack2x16float`. WebGPU always has it: it is not `shader-f16`.
const CAPABILITIES: Capabilities = Capabilities::SHADER_FLOAT16_IN_FLOAT32;

fn complaint(name: &str, text: &str) -> Option<String> {
    complaint_with(name, text, CAPABILITIES)
}

/// Capabilities that variants with subgroups need besides.
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

/// The composed kernel of that name, in its first variant.
fn module_of(kernel: &str) -> Module {
    let (kernel, variant) = every_variant().find(|(k, _)| k.name == kernel).unwrap();
    naga::front::wgsl::parse_str(&compose(kernel, variant)).unwrap()
}

fn source(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// Every file in shaders/lib is in the table of fragments under its own name.
fn fragments_are_the_files_of_the_library() {
    let lib = Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders/lib");
    let mut files = Vec::new();
    for folder in ["", "matvec/"] {
        for entry in std::fs::read_dir(lib.join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            files.extend(name.strip_suffix(".wgsl").map(|name| format!("{folder}{name}")));
        }
    }
    files.sort();
    let mut names: Vec<&str> = FRAGMENTS.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    assert_eq!(names, files);
    for (name, text) in FRAGMENTS {
        let file = source(&format!("shaders/lib/{name}.wgsl"));
        assert_eq!(*text, file, "{name}");
    }
}

// Structs.

/// A field's name and type, `u32` or `f32`.
type Field = (String, String);

/// The fields of a struct as the Rust source declares it; none if it does not.
fn rust_fields(source: &str, name: &str) -> Vec<Field> {
    let body = source.split(&format!("struct {name} {{\n")).nth(1).unwrap_or_default();
    let lines = body.lines().map(str::trim).take_while(|line| *line != "}");
    lines
        .filter(|line| !line.starts_with("//"))
        .map(|line| line.trim_start_matches("pub ").trim_end_matches(',').split_once(": ").unwrap())
        .map(|(field, of)| (field.to_owned(), of.to_owned()))
        .collect()
}

/// The fields of a struct of the module, four bytes each without a gap.
fn wgsl_fields(module: &Module, name: &str) -> Vec<Field> {
    let found = module.types.iter().find(|(_, ty)| ty.name.as_deref() == Some(name));
    let Some((_, naga::Type { inner: naga::TypeInner::Struct { members, span }, .. })) = found else {
        panic!("no struct {name}");
    };
    assert_eq!(*span as usize, 4 * members.len(), "{name}");
    let fields = members.iter().enumerate().map(|(i, member)| {
        assert_eq!(member.offset as usize, 4 * i, "{name}");
        let of = match module.types[member.ty].inner {
            naga::TypeInner::Scalar(naga::Scalar::U32) => "u32",
            naga::TypeInner::Scalar(naga::Scalar::F32) => "f32",
            ref other => panic!("{name} has {other:?}"),
        };
        (member.name.clone().unwrap(), of.to_owned())
    });
    fields.collect()
}

/// The Rust source that declares a kernel's `Params`, or none for kernels that write a few numbers.
fn declaration(kernel: &str, variant: Variant) -> Option<String> {
    let own = source(&format!("src/kernels/{kernel}.rs"));
    match variant {
        _ if own.contains("struct Params {") => Some(own),
        Variant::Matvec(_) => Some(source("src/kernels/matvec_common.rs")),
        Variant::Weights(_) => Some(source("src/kernels/matmul.rs")),
        _ => None,
    }
}

fn uniforms_are_the_same_in_rust_and_wgsl() {
    let kernels: BTreeMap<&str, Variant> = every_variant().map(|(k, variant)| (k.name, variant)).collect();
    let mut without = Vec::new();
    for (kernel, variant) in kernels {
        match declaration(kernel, variant) {
            Some(rust) => {
                let expected = rust_fields(&rust, "Params");
                assert!(!expected.is_empty(), "{kernel}");
                assert_eq!(wgsl_fields(&module_of(kernel), "Params"), expected, "{kernel}");
            }
            None => without.push(kernel),
        }
    }
    assert_eq!(without, ["geglu_decode", "geglu_prefill"]);
    let step = rust_fields(&source("src/gpu/plan.rs"), "RunParams");
    assert_eq!(wgsl_fields(&module_of("embed"), "Step"), step);
    let settings = rust_fields(&source("src/kernels/sample.rs"), "Settings");
    assert_eq!(wgsl_fields(&module_of("sample"), "Settings"), settings);
}

fn another_struct_is_seen() {
    let module = naga::front::wgsl::parse_str("struct P { n: u32, eps: f32, }").unwrap();
    let rust = |fields: &str| rust_fields(&format!("pub struct P {{\n    /// One.\n{fields}}}\n"), "P");
    assert_eq!(wgsl_fields(&module, "P"), rust("    pub n: u32,\n    eps: f32,\n"));
    for other in
        ["n: u32,\n", "eps: f32,\nn: u32,\n", "n: u32,\neps: u32,\n", "n: u32,\neps: f32,\npad: u32,\n"]
    {
        assert_ne!(wgsl_fields(&module, "P"), rust(other), "{other}");
    }
}

// Constants.

/// The value of a constant of the module.
fn constant(module: &Module, name: &str) -> Option<u32> {
    let (_, found) = module.constants.iter().find(|(_, c)| c.name.as_deref() == Some(name))?;
    match module.global_expressions[found.init] {
        Expression::Literal(Literal::U32(value)) => Some(value),
        _ => None,
    }
}

fn constants_are_the_same_in_rust_and_wgsl() {
    let flags = [("ADDED", ADDED), ("POST_NORM", POST_NORM), ("KEPT", KEPT), ("SECOND", SECOND)];
    for (kernel, flags) in [("norm_matvec", &flags[..]), ("norm_add", &flags[..2])] {
        let module = module_of(kernel);
        for (name, value) in flags {
            assert_eq!(constant(&module, name), Some(*value), "{name} of {kernel}");
        }
    }
    let chunks = naga::front::wgsl::parse_str(&source("shaders/lib/chunks.wgsl")).unwrap();
    assert_eq!(constant(&chunks, "BLOCK").map(u64::from), Some(BLOCK));
    assert_eq!(constant(&chunks, "MAX_CHUNKS").map(u64::from), Some(MAX_CHUNKS));
    for (kernel, variant) in every_variant() {
        if let Variant::Matvec(MatvecVariant { tuning, second: None, .. }) = variant {
            let module = naga::front::wgsl::parse_str(&compose(kernel, variant)).unwrap();
            let (lanes, unit) = (constant(&module, "LANES").unwrap(), constant(&module, "UNIT").unwrap());
            assert_eq!(
                u64::from(4 * lanes / unit),
                tuning.lanes.rows(),
                "{} {}",
                kernel.name,
                variant.name()
            );
        }
    }
}

fn another_constant_is_seen() {
    let module = naga::front::wgsl::parse_str("const ADDED: u32 = 2u;").unwrap();
    assert_eq!(constant(&module, "ADDED"), Some(2));
    assert_eq!(constant(&module, "KEPT"), None);
}

// Functions of numbers.

/// A call under evaluation: as much of naga's language as shaders/lib/chunks.wgsl needs. Truth values are 0 and 1.
struct Call<'a> {
    module: &'a Module,
    function: &'a Function,
    arguments: Vec<u32>,
    results: BTreeMap<Handle<Expression>, u32>,
    locals: BTreeMap<Handle<naga::LocalVariable>, u32>,
}

impl Call<'_> {
    fn of(module: &Module, name: &str, arguments: &[u32]) -> u32 {
        let (handle, _) = module.functions.iter().find(|(_, f)| f.name.as_deref() == Some(name)).unwrap();
        Call::run(module, handle, arguments.to_vec())
    }

    fn run(module: &Module, handle: Handle<Function>, arguments: Vec<u32>) -> u32 {
        let function = &module.functions[handle];
        let (results, locals) = (BTreeMap::new(), BTreeMap::new());
        let mut call = Call { module, function, arguments, results, locals };
        call.block(&function.body).unwrap()
    }

    /// The value that the block returns, if any.
    fn block(&mut self, block: &naga::Block) -> Option<u32> {
        for statement in block {
            let returned = match statement {
                Statement::Emit(_) => None,
                Statement::Block(inner) => self.block(inner),
                Statement::If { condition, accept, reject } => {
                    if self.value(*condition) == 0 {
                        self.block(reject)
                    } else {
                        self.block(accept)
                    }
                }
                Statement::Store { pointer, value } => {
                    let Expression::LocalVariable(to) = self.function.expressions[*pointer] else { panic!() };
                    let value = self.value(*value);
                    self.locals.insert(to, value);
                    None
                }
                Statement::Call { function, arguments, result } => {
                    let arguments = arguments.iter().map(|a| self.value(*a)).collect();
                    let value = Call::run(self.module, *function, arguments);
                    self.results.insert(result.unwrap(), value);
                    None
                }
                Statement::Return { value } => Some(self.value(value.unwrap())),
                other => panic!("{other:?}"),
            };
            if returned.is_some() {
                return returned;
            }
        }
        None
    }

    fn value(&self, handle: Handle<Expression>) -> u32 {
        match self.function.expressions[handle] {
            Expression::Literal(Literal::U32(value)) => value,
            Expression::Literal(Literal::Bool(value)) => u32::from(value),
            Expression::Constant(c) => {
                constant(self.module, self.module.constants[c].name.as_ref().unwrap()).unwrap()
            }
            Expression::FunctionArgument(i) => self.arguments[i as usize],
            Expression::CallResult(_) => self.results[&handle],
            Expression::Load { pointer } => {
                let Expression::LocalVariable(from) = self.function.expressions[pointer] else { panic!() };
                self.locals[&from]
            }
            Expression::Select { condition, accept, reject } => {
                self.value(if self.value(condition) == 0 { reject } else { accept })
            }
            Expression::Binary { op, left, right } => {
                let (left, right) = (self.value(left), self.value(right));
                match op {
                    BinaryOperator::Add => left.wrapping_add(right),
                    BinaryOperator::Subtract => left.wrapping_sub(right),
                    BinaryOperator::Multiply => left.wrapping_mul(right),
                    BinaryOperator::Divide => left / right,
                    BinaryOperator::Greater => u32::from(left > right),
                    BinaryOperator::GreaterEqual => u32::from(left >= right),
                    other => panic!("{other:?}"),
                }
            }
            ref other => panic!("{other:?}"),
        }
    }
}

/// The first position and window, if there are any, for which the shader splits the keys differently from the plan.
fn other_split(wgsl: &str) -> Option<(u32, u32)> {
    let module = naga::front::wgsl::parse_str(wgsl).unwrap();
    let mut positions: Vec<u32> = (0..200).collect();
    positions.extend([511, 512, 1023, 1024, 2046, 2047, 2048, 2049, 4095, 4096, 8191, 8192, 131_071]);
    let windows = [0, 1, 63, 64, 65, 512, 1024, 4096];
    let mut cases = positions.iter().flat_map(|position| windows.map(|window| (*position, window)));
    cases.find(|&(position, window)| {
        let n_keys = position + 1 - Call::of(&module, "first_key", &[position, window]);
        let params = RunParams { position, ..RunParams::default() };
        u64::from(Call::of(&module, "n_chunks", &[n_keys])) != n_chunks(params, window.into())
    })
}

fn keys_are_split_as_the_plan_expects() {
    let wgsl = source("shaders/lib/chunks.wgsl");
    assert_eq!(other_split(&wgsl), None);
    for (from, to) in [
        ("MAX_CHUNKS: u32 = 32u", "MAX_CHUNKS: u32 = 16u"),
        ("BLOCK: u32 = 64u", "BLOCK: u32 = 32u"),
        ("position >= window", "position > window"),
        ("(n_keys + per_chunk - 1u)", "n_keys"),
    ] {
        assert!(wgsl.contains(from), "{from}");
        assert!(other_split(&wgsl.replace(from, to)).is_some(), "{to} is not seen");
    }
}
