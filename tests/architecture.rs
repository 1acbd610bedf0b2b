//! The shape of the house, read from the files: who may import whom, which words stay in which rooms, and that a kernel
//! or a format has all its parts. The checker (common/house.rs) works on (path, text) pairs, so that it is itself tested
//! to see violations.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

#[path = "common/house.rs"]
mod house;
#[path = "common/rust_paths.rs"]
mod rust_paths;

use std::path::Path;

use house::{Files, MAX_LINES, violations};

#[test]
fn the_house_stands() {
    let mut files = Files::new();
    for folder in ["src", "shaders", "tests"] {
        read_folder(Path::new(env!("CARGO_MANIFEST_DIR")), folder, &mut files);
    }
    assert!(files.len() > 20, "only {} files were read", files.len());
    let found = violations(&files);
    assert!(found.is_empty(), "{} violations:\n{}", found.len(), found.join("\n"));
}

/// The reading order in README.md and in the tour of src/lib.rs is that of the table, and names rooms that exist.
#[test]
fn the_picture_is_the_same_everywhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let order = ["source", "gguf", "quant", "gpu", "kernels", "model", "sampler", "engine"];
    for room in order {
        let exists =
            root.join("src").join(room).is_dir() || root.join("src").join(format!("{room}.rs")).is_file();
        assert!(exists, "src/{room} does not exist");
    }
    for (file, marks) in [("README.md", ["    ", " "]), ("src/lib.rs", ["`", "`"])] {
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        let mut rest =
            &text[text.find("Data flows one way").unwrap_or_else(|| panic!("{file}: no picture"))..];
        for room in order {
            let at = rest.find(&format!("{}{room}{}", marks[0], marks[1]));
            rest = &rest[at.unwrap_or_else(|| panic!("{file}: `{room}` is not where it should be"))..];
        }
    }
}

fn read_folder(root: &Path, folder: &str, files: &mut Files) {
    // A missing folder holds no files; the number of files read is asserted.
    let Ok(entries) = std::fs::read_dir(root.join(folder)) else {
        return;
    };
    for entry in entries {
        let entry = entry.unwrap();
        let name = format!("{folder}/{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            read_folder(root, &name, files);
        } else if name.ends_with(".rs") || name.ends_with(".wgsl") {
            files.insert(name, std::fs::read_to_string(entry.path()).unwrap());
        }
    }
}

// The checker sees what it should.

fn sound_house() -> Files {
    let head = "// y = x\n// Shapes: x [T]\n// more\n// Bindings: 0 x\n// Dispatch: T\n// Reference: none\n";
    let files = [
        ("src/lib.rs", "pub mod error;\npub use error::Error;"),
        ("src/error.rs", "pub enum Error {}"),
        ("src/quant/mod.rs", "use crate::error::Error;\nmod q4_0;"),
        ("src/quant/q4_0.rs", "use super::error_table;"),
        ("src/gpu/mod.rs", "use wgpu::Device; // use crate::model::Config;"),
        ("src/kernels/mod.rs", "use crate::{error::Error, gpu::Tensor};"),
        ("src/kernels/add.rs", "const S: &str = \"wgpu::Device crate::model\"; use super::Kernel;"),
        ("src/bin/gemma/main.rs", "use gemma_web::engine::Engine; use std::fs;"),
        ("shaders/add.wgsl", head),
        ("shaders/formats/q4_0.wgsl", "fn weights16() {}"),
    ];
    files.into_iter().map(|(path, text)| (path.to_owned(), text.to_owned())).collect()
}

#[test]
fn a_sound_house_has_no_violations() {
    assert_eq!(violations(&sound_house()), [""; 0]);
}

#[test]
fn planted_violations_are_seen() {
    let four = "// y = x\n// Shapes: x\n// Dispatch: T\n// Bindings: 0 x\n// Reference: none\n";
    let no_formula = "// Shapes: x\n// Bindings: 0 x\n// Dispatch: T\n// Reference: none\n";
    let long = "\n".repeat(MAX_LINES + 1);
    let note = concat!("// TO", "DO later");
    let planted = [
        ("src/gpu/mod.rs", "use crate::model::Config;", "src/gpu/mod.rs:1: `gpu` may not use `crate::model`"),
        (
            "src/quant/mod.rs",
            "use crate::{\n  error::E,\n  gpu::{T, U}};",
            "src/quant/mod.rs:3: `quant` may not use `crate::gpu`",
        ),
        (
            "src/quant/q4_0.rs",
            "fn f() { crate::gguf::parse() }",
            "src/quant/q4_0.rs:1: `quant` may not use `crate::gguf`",
        ),
        (
            "src/quant/q4_0.rs",
            "use super::super::gguf::T;",
            "src/quant/q4_0.rs:1: `quant` may not use `crate::gguf`",
        ),
        ("src/error.rs", "use super::cancel::Cancel;", "src/error.rs:1: `error` may not use `crate::cancel`"),
        (
            "src/bin/gemma/main.rs",
            "use gemma_web::kernels;",
            "src/bin/gemma/main.rs:1: `bin` may not use `crate::kernels`",
        ),
        (
            "src/kernels/mod.rs",
            "fn f(d: &wgpu::Device) {}",
            "src/kernels/mod.rs:1: `wgpu` stays in [src/gpu/]",
        ),
        (
            "src/kernels/mod.rs",
            "use std::{sync::Arc, fs::File};",
            "`std::fs` stays in [src/source/native/ src/bin/]",
        ),
        ("src/gpu/mod.rs", "use std::thread;", "src/gpu/mod.rs:1: `std::thread` stays in ["),
        ("src/engine/mod.rs", "use js_sys::Promise;", "src/engine/mod.rs:1: `js_sys` stays in"),
        ("src/helpers.rs", "", "src/helpers.rs: module `helpers` has no row"),
        ("src/error.rs", &long, "src/error.rs: 351 lines, at most 350"),
        ("src/error.rs", note, "src/error.rs:1: TO"),
        ("shaders/mul.wgsl", "", "shaders/mul.wgsl has no src/kernels/mul.rs"),
        ("src/kernels/mul.rs", "", "src/kernels/mul.rs has no shaders/mul.wgsl"),
        ("src/quant/q5_0.rs", "", "src/quant/q5_0.rs has no shaders/formats/q5_0.wgsl"),
        ("src/quant/float.rs", "", "src/quant/float.rs has no shaders/formats/bf16.wgsl"),
        ("shaders/formats/q8_0.wgsl", "", "shaders/formats/q8_0.wgsl has no src/quant/q8_0.rs"),
        ("shaders/add.wgsl", four, "shaders/add.wgsl: its opening comment has no `// Dispatch:`"),
        ("shaders/add.wgsl", no_formula, "shaders/add.wgsl: does not open with"),
    ];
    for (path, text, expected) in planted {
        let mut files = sound_house();
        files.insert(path.to_owned(), text.to_owned());
        let found = violations(&files);
        assert!(
            found.iter().any(|line| line.contains(expected)),
            "{path} {text:?}: not seen; found {found:#?}"
        );
    }
}

#[test]
fn literals_and_comments_are_not_code() {
    let source = "let a = 'x'; let b = '\\''; fn f<'a>() {} /* wgpu::A */ let c = r#\"wgpu::B \"c\" \"#; \"\\\"wgpu::C\"; real::D";
    let paths = rust_paths::paths(source);
    assert!(paths.iter().all(|p| p.segments[0] != "wgpu"), "{paths:?}");
    assert!(paths.iter().any(|p| p.segments == ["real", "D"]), "{paths:?}");
}

/// Every row of the table "What happens when …" in README.md names a test that is there.
#[test]
fn what_happens_is_tested() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("README.md")).unwrap();
    let table = text.split("| What happens when … |").nth(1).unwrap_or_else(|| panic!("no table"));
    let rows: Vec<&str> = table.lines().skip(2).take_while(|line| line.starts_with('|')).collect();
    assert!(rows.len() >= 20, "{} rows", rows.len());
    for row in rows {
        let shown_by = row.trim_end_matches([' ', '|']).rsplit(" | ").next().unwrap_or_default();
        let links: Vec<&str> = shown_by.split("](").skip(1).collect();
        assert!(!links.is_empty(), "no test in: {row}");
        for link in links {
            let (path, title) = link.split_once(" \"").unwrap_or_else(|| panic!("no title in: {row}"));
            let title = title.split("\")").next().unwrap_or_default();
            let test = std::fs::read_to_string(root.join(path)).unwrap_or_else(|_| panic!("no file {path}"));
            assert!(!title.is_empty() && test.contains(title), "{path} has no test \"{title}\"");
        }
    }
}
