//! Layers, confined words and paired files of src and shaders: the rules and their checker.

use super::shader_uses::shader_uses;
use std::collections::BTreeMap;

use super::rust_paths;

/// One direction: a module may use those in its row (and itself), so imports run only backwards along
/// source, gguf, quant, gpu, kernels, model, sampler, engine, bench, web / command.
const MAY_USE: [(&str, &str); 17] = [
    ("error", ""),
    ("cancel", "error"),
    ("quant", "error"),
    ("source", "error cancel quant"),
    ("gguf", "error cancel quant source"),
    ("tokenizer", "error gguf"),
    ("chat", "error gguf tokenizer"),
    ("gpu", "error cancel quant"),
    ("cpu", "error cancel quant"),
    ("kernels", "error cancel quant gpu"),
    ("model", "error cancel quant source gguf gpu cpu kernels"),
    ("sampler", "error cancel quant gpu kernels"),
    ("engine", "error cancel quant source gguf tokenizer chat gpu kernels model sampler"),
    ("bench", "error cancel gpu kernels model sampler engine"),
    ("web", "error cancel quant source gguf tokenizer chat gpu model sampler engine bench"),
    ("bin", "error cancel quant source gguf tokenizer chat gpu model sampler engine bench"),
    ("lib", "error cancel quant source gguf tokenizer chat gpu kernels model sampler engine bench web"),
];

/// Path beginnings that stay in these files and folders.
const CONFINED: [(&str, &str); 11] = [
    ("wgpu", "src/gpu/"),
    ("web_sys", "src/web/ src/source/web/ src/gpu/"),
    ("js_sys", "src/web/ src/source/web/ src/gpu/"),
    ("wasm_bindgen", "src/web/ src/source/web/ src/gpu/"),
    ("wasm_bindgen_futures", "src/web/ src/source/web/ src/gpu/"),
    ("serde_wasm_bindgen", "src/web/"),
    ("std::fs", "src/source/native/ src/bin/"),
    ("std::process", "src/bin/"),
    ("std::thread", "src/source/native/ src/cpu/threads.rs src/bin/"), // wasm32-unknown-unknown has none
    ("core::arch", "src/cpu/lanes/"),
    ("archmage", "src/cpu/lanes/"),
];

/// Files of `src/model` that may use `gpu` and `kernels`. The others hold for any device; the reference consists of twins.
const MODEL_ON_GPU: [&str; 2] = ["src/model/gpu/", "src/model/reference.rs"];
/// Files of `src/model` that may use `cpu`.
const MODEL_ON_CPU: &str = "src/model/cpu/";

pub(crate) const MAX_LINES: usize = 350;

/// Rust files in `src/kernels` that are no kernel, and in `src/quant` that are no format with a fragment of its own name.
const NO_KERNEL: [&str; 4] = ["mod", "quantize", "rope_table", "matvec_common"];
const NO_FORMAT: [&str; 6] = ["mod", "float", "format", "k_scales", "kv_type", "names"];
/// `src/quant/float.rs` holds three formats.
const FLOAT_FRAGMENTS: [&str; 3] = ["f32", "f16", "bf16"];

/// Path from the repository root, with `/`, to text.
pub(crate) type Files = BTreeMap<String, String>;

/// One line for each broken rule.
pub(crate) fn violations(files: &Files) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in files {
        if path.starts_with("src/") && path.ends_with(".rs") {
            imports(path, text, files, &mut found);
        }
        size_and_notes(path, text, &mut found);
    }
    pairs(files, &mut found);
    heads(files, &mut found);
    shader_uses(files, &mut found);
    found
}

/// The row of [`MAY_USE`] that a file belongs to.
fn module(path: &str) -> &str {
    let name = path.trim_start_matches("src/");
    name.split_once('/').map_or(name.trim_end_matches(".rs"), |(folder, _)| folder)
}

fn imports(path: &str, text: &str, files: &Files, found: &mut Vec<String>) {
    let own = module(path);
    let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == own) else {
        found.push(format!(
            "{path}: module `{own}` has no row in the table of tests/cpu/architecture/layering.rs"
        ));
        return;
    };
    for p in rust_paths::paths(text) {
        if let Some(used) = crate_module(path, &p.segments, files) {
            let known = MAY_USE.iter().any(|(name, _)| *name == used);
            if own == "model"
                && !MODEL_ON_GPU.iter().any(|p| path.starts_with(p))
                && ["gpu", "kernels"].contains(&used)
            {
                found.push(format!("{path}:{}: `crate::{used}` stays in {}", p.line, MODEL_ON_GPU[0]));
            }
            if own == "model" && used == "cpu" && !path.starts_with(MODEL_ON_CPU) {
                found.push(format!("{path}:{}: `crate::cpu` stays in {MODEL_ON_CPU}", p.line));
            }
            if known && used != own && !allowed.split(' ').any(|name| name == used) {
                found.push(format!("{path}:{}: `{own}` may not use `crate::{used}`", p.line));
            }
        }
        let full = p.segments.join("::");
        for (beginning, places) in CONFINED {
            let named = full == beginning || full.starts_with(&format!("{beginning}::"));
            if named && !places.split(' ').any(|place| !place.is_empty() && path.starts_with(place)) {
                found.push(format!("{path}:{}: `{beginning}` stays in [{places}]", p.line));
            }
        }
    }
}

/// The module of this crate that a path leads to. `super::name` counts if `name` is a module of the crate and no
/// sibling file: the depth of inline modules is not known here.
fn crate_module<'a>(path: &str, segments: &'a [String], files: &Files) -> Option<&'a str> {
    let name = segments.iter().find(|s| *s != "super" && *s != "self")?;
    match segments[0].as_str() {
        "crate" | "gemma_web" => segments.get(1).map(String::as_str),
        "super" => {
            let folder = path.rsplit_once('/')?.0;
            let is_file = |path: String| folder != "src" && files.contains_key(&path);
            let is_sibling =
                is_file(format!("{folder}/{name}.rs")) || is_file(format!("{folder}/{name}/mod.rs"));
            (!is_sibling).then_some(name)
        }
        _ => None,
    }
}

fn size_and_notes(path: &str, text: &str, found: &mut Vec<String>) {
    let n_lines = text.lines().count();
    // Tests may be long lists of cases.
    if n_lines > MAX_LINES && !path.starts_with("tests/") {
        found.push(format!("{path}: {n_lines} lines, at most {MAX_LINES}"));
    }
    for (line_ix, line) in text.lines().enumerate() {
        for note in [concat!("TO", "DO"), concat!("FIX", "ME")] {
            if line.contains(note) {
                found.push(format!("{path}:{}: {note}; do it or open an issue", line_ix + 1));
            }
        }
    }
}

/// Names of the files directly in `folder` with the ending `ext`.
fn names<'a>(files: &'a Files, folder: &'a str, ext: &'a str) -> impl Iterator<Item = &'a str> {
    let names = files.keys().filter_map(move |path| path.strip_prefix(folder)?.strip_suffix(ext));
    names.filter(|name| !name.contains('/'))
}

fn pairs(files: &Files, found: &mut Vec<String>) {
    let mut need = |there: bool, has: &str, needs: &str| {
        if !there {
            found.push(format!("{has} has no {needs}"));
        }
    };
    let exists = |path: &str| files.contains_key(path);
    for name in names(files, "shaders/", ".wgsl") {
        let twin = format!("src/kernels/{name}.rs");
        need(exists(&twin), &format!("shaders/{name}.wgsl"), &twin);
    }
    for name in names(files, "src/kernels/", ".rs").filter(|name| !NO_KERNEL.contains(name)) {
        let shader = format!("shaders/{name}.wgsl");
        need(exists(&shader), &format!("src/kernels/{name}.rs"), &shader);
    }
    for name in names(files, "src/quant/", ".rs").filter(|name| !NO_FORMAT.contains(name)) {
        let fragment = format!("shaders/formats/{name}.wgsl");
        need(exists(&fragment), &format!("src/quant/{name}.rs"), &fragment);
    }
    if exists("src/quant/float.rs") {
        for name in FLOAT_FRAGMENTS {
            let fragment = format!("shaders/formats/{name}.wgsl");
            need(exists(&fragment), "src/quant/float.rs", &fragment);
        }
    }
    for name in names(files, "shaders/formats/", ".wgsl").filter(|name| !FLOAT_FRAGMENTS.contains(name)) {
        let format = format!("src/quant/{name}.rs");
        need(exists(&format), &format!("shaders/formats/{name}.wgsl"), &format);
    }
}

/// Labels of the lines of a kernel's opening comment; the formula stands before them and has no label.
const HEAD: [&str; 5] = ["// Shapes:", "// Bindings:", "// Dispatch:", "// Reference:", "// Uses:"];

/// A kernel opens with its formula, shapes, bindings in order, dispatch size, reference and the fragments that it uses.
fn heads(files: &Files, found: &mut Vec<String>) {
    for name in names(files, "shaders/", ".wgsl") {
        let path = format!("shaders/{name}.wgsl");
        let mut head = files[&path].lines().take_while(|line| line.starts_with("//"));
        if head
            .next()
            .is_none_or(|formula| formula.len() < 6 || HEAD.iter().any(|label| formula.starts_with(label)))
        {
            found.push(format!("{path}: does not open with a comment line that holds its formula"));
        }
        for label in HEAD {
            // Consuming the lines asks for the labels in this order; each may run over several lines.
            if !head.any(|line| line.starts_with(label) && line.len() > label.len() + 1) {
                found.push(format!("{path}: its opening comment has no `{label}`"));
            }
        }
    }
}
