//! Layers, confined words and paired files of src and shaders: the rules and their checker.

use std::collections::BTreeMap;

use super::rust_paths;

/// One direction: a module may use those in its row (and itself), so imports run only backwards along
/// source, gguf, quant, gpu, kernels, model, sampler, engine, bench, web / command.
const MAY_USE: [(&str, &str); 16] = [
    ("error", ""),
    ("cancel", "error"),
    ("quant", "error"),
    ("source", "error cancel quant"),
    ("gguf", "error cancel quant source"),
    ("tokenizer", "error gguf"),
    ("chat", "error gguf tokenizer"),
    ("gpu", "error cancel quant"),
    ("kernels", "error cancel quant gpu"),
    ("model", "error cancel quant source gguf gpu kernels"),
    ("sampler", "error cancel quant gpu kernels"),
    ("engine", "error cancel quant source gguf tokenizer chat gpu kernels model sampler"),
    ("bench", "error cancel gpu kernels model sampler engine"),
    ("web", "error cancel quant source gguf tokenizer chat gpu model sampler engine bench"),
    ("bin", "error cancel quant source gguf tokenizer chat gpu model sampler engine bench"),
    ("lib", "error cancel quant source gguf tokenizer chat gpu kernels model sampler engine bench web"),
];

/// Path beginnings that stay in these files and folders.
const CONFINED: [(&str, &str); 9] = [
    ("wgpu", "src/gpu/"),
    ("web_sys", "src/web/ src/source/web/ src/gpu/"),
    ("js_sys", "src/web/ src/source/web/ src/gpu/"),
    ("wasm_bindgen", "src/web/ src/source/web/ src/gpu/"),
    ("wasm_bindgen_futures", "src/web/ src/source/web/ src/gpu/"),
    ("serde_wasm_bindgen", "src/web/"),
    ("std::fs", "src/source/native/ src/bin/"),
    ("std::process", "src/bin/"),
    ("std::thread", "src/source/native/ src/bin/"), // wasm32-unknown-unknown has none
];

/// What is true of a Gemma knows no device: of the files of `src/model` these may use `gpu` and `kernels`.
const MODEL_ON_GPU: &str = "src/model/gpu/";

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
            if own == "model" && !path.starts_with(MODEL_ON_GPU) && ["gpu", "kernels"].contains(&used) {
                found.push(format!("{path}:{}: `crate::{used}` stays in {MODEL_ON_GPU}", p.line));
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

/// The module of this crate that a path leads to. `super::name` counts where `name` is a module of the crate and no
/// sibling file: how deep inline modules nest is not known here.
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

const LIB: &str = "shaders/lib/";

/// A name after `// Uses:`, and the fragments that it stands for: the file of that name, and those whose names have an ending more.
fn fragments<'a>(files: &'a Files, name: &str) -> Vec<&'a str> {
    let folder = if name == "weights" { "shaders/formats/" } else { LIB };
    let stands_for = |path: &str| {
        let Some(file) = path.strip_prefix(folder).and_then(|file| file.strip_suffix(".wgsl")) else {
            return false;
        };
        name == "weights"
            || file.strip_prefix(name).is_some_and(|ending| ending.is_empty() || ending.starts_with('_'))
    };
    files.keys().map(String::as_str).filter(|path| stands_for(path)).collect()
}

/// A shader names the fragments whose functions, types, constants and variables it uses, no more; a kernel names all of them. What a
/// fragment leaves to its kernels (a buffer, a size) it need not name: a text in which it is missing is not valid.
fn shader_uses(files: &Files, found: &mut Vec<String>) {
    let shaders = || files.iter().filter(|(path, _)| path.ends_with(".wgsl"));
    let in_library = |path: &str| path.starts_with(LIB) || path.starts_with("shaders/formats/");
    let library: Vec<(&str, Vec<&str>)> = shaders()
        .filter(|(path, _)| in_library(path))
        .map(|(path, text)| (path.as_str(), declared(text)))
        .collect();
    let declares = |paths: &[&str], word: &str| {
        library.iter().any(|(path, words)| paths.contains(path) && words.contains(&word))
    };
    for (path, text) in shaders() {
        let used = foreign_words(text);
        let names = text.lines().find_map(|line| line.strip_prefix("// Uses:")).unwrap_or_default();
        let mut named = vec![path.as_str()];
        for name in names.split_whitespace() {
            let fragments = fragments(files, name);
            let lanes = name == "lanes" && used.contains(&"LANES");
            if !lanes && !used.iter().any(|word| declares(&fragments, word)) {
                found.push(format!("{path}: it uses nothing of `{name}`"));
            }
            named.extend(fragments);
        }
        for word in used.iter().filter(|_| !in_library(path)) {
            let somewhere = library.iter().find(|(_, words)| words.contains(word));
            let generated = *word == "LANES" && names.split(' ').any(|name| name == "lanes");
            if let Some((owner, _)) = somewhere.filter(|_| !generated && !declares(&named, word)) {
                found.push(format!("{path}: it uses `{word}` of {owner}, which it does not name"));
            }
        }
    }
}

/// Words of a shader outside comments, with the characters that stand before and after them.
fn words(text: &str) -> Vec<(&str, char, char)> {
    let mut found = Vec::new();
    for line in text.lines() {
        let code = line.split("//").next().unwrap_or_default();
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let mut from = 0;
        while let Some(start) = code[from..].find(is_word).map(|at| from + at) {
            let end = code[start..].find(|c| !is_word(c)).map_or(code.len(), |at| start + at);
            let before = code[..start].trim_end().chars().next_back().unwrap_or(' ');
            let after = code[end..].trim_start().chars().next().unwrap_or(' ');
            if !code[start..].starts_with(|c: char| c.is_ascii_digit()) {
                found.push((&code[start..end], before, after));
            }
            from = end;
        }
    }
    found
}

/// What a shader declares outside its functions.
fn declared(text: &str) -> Vec<&str> {
    let outside = |line: &&str| {
        ["fn ", "struct ", "const ", "var<", "@group"].iter().any(|start| line.starts_with(start))
    };
    let name = |line| {
        let words = words(line);
        let keyword = words.iter().position(|(word, ..)| ["fn", "struct", "const"].contains(word));
        // A variable's name is what a colon follows.
        keyword
            .map_or_else(|| words.iter().find(|(.., after)| *after == ':'), |at| words.get(at + 1))
            .map(|(word, ..)| *word)
    };
    text.lines().filter(outside).filter_map(name).collect()
}

/// Words that a shader does not declare itself, in or outside its functions. A function may have the name of a local variable.
fn foreign_words(text: &str) -> Vec<&str> {
    let all = words(text);
    let mut own = declared(text);
    let functions = own.clone();
    for pair in all.windows(2) {
        if ["let", "var", "const"].contains(&pair[0].0) {
            own.push(pair[1].0);
        }
    }
    own.extend(all.iter().filter(|(.., after)| *after == ':').map(|(word, ..)| *word));
    let foreign = |(word, before, after): &&(&str, char, char)| {
        *before != '.'
            && *before != '@'
            && (!own.contains(word) || *after == '(' && !functions.contains(word))
    };
    all.iter().filter(foreign).map(|(word, ..)| *word).collect()
}
