//! Violations that are planted in small trees, and that the checkers see.

use std::collections::BTreeSet;

use super::circles::circles;
use super::documents::missing_paths;
use super::headings::asking_heading;
use super::layering::{Files, MAX_LINES, violations};
use super::rust_imports::rust_imports;
use super::rust_paths;
use super::ts_imports::{broken_walls, ts_imports};
use crate::support::suite::{Test, test_fn};

pub(super) fn tests() -> Vec<Test> {
    vec![
        test_fn(a_sound_tree_has_no_violations),
        test_fn(planted_violations_are_seen),
        test_fn(planted_circles_in_rust_are_seen),
        test_fn(planted_circles_in_typescript_are_seen),
        test_fn(planted_holes_in_walls_are_seen),
        test_fn(planted_paths_in_documents_are_seen),
        test_fn(planted_headings_are_seen),
        test_fn(literals_and_comments_are_not_code),
        test_fn(names_of_imports_are_read),
    ]
}

fn tree<const N: usize>(files: [(&str, &str); N]) -> Files {
    files.into_iter().map(|(path, text)| (path.to_owned(), text.to_owned())).collect()
}

fn sound_tree() -> Files {
    let head = "// y = x\n// Shapes: x [T]\n// more\n// Bindings: 0 x\n// Dispatch: T\n// Reference: none\n\
                // Uses: two sums lanes\nconst N = LANES;\nfn add() { let two_of = two(workgroup_sum(N)); }";
    let files = [
        ("src/lib.rs", "pub mod error;\npub use error::Error;"),
        ("src/error.rs", "pub enum Error {}"),
        ("src/quant/mod.rs", "use crate::error::Error;\nmod q4_0;"),
        ("src/quant/q4_0.rs", "use super::error_table;"),
        ("src/gpu/mod.rs", "use wgpu::Device; // use crate::model::Config;"),
        ("src/kernels/mod.rs", "use crate::{error::Error, gpu::Tensor};"),
        ("src/kernels/add.rs", "const S: &str = \"wgpu::Device crate::model\"; use super::Kernel;"),
        ("src/bin/gemma.rs", "use gemma_web::engine::Engine; use std::fs;"),
        ("src/model/mod.rs", "mod gpu; pub use gpu::Runner;"),
        ("src/model/config.rs", "use super::gpu::Runner;"),
        ("src/model/gpu/mod.rs", "use crate::{gpu::Gpu, kernels::Kernel}; use super::config::Config;"),
        ("shaders/add.wgsl", head),
        ("shaders/formats/q4_0.wgsl", "fn weights16() {}"),
        (
            "shaders/lib/two.wgsl",
            "// Double.\n// Uses: sums\nfn two(x: u32) -> u32 { return workgroup_sum(x); }",
        ),
        ("shaders/lib/sums.wgsl", "fn workgroup_sum(own: u32) {}"),
        ("shaders/lib/sums_subgroups.wgsl", "fn workgroup_sum(own: u32) {}"),
        ("shaders/lib/kv_f16.wgsl", "@group(1) @binding(0) var<storage, read> keys: array<u32>;"),
    ];
    tree(files)
}

fn a_sound_tree_has_no_violations() {
    assert_eq!(violations(&sound_tree()), [""; 0]);
}

fn planted_violations_are_seen() {
    let four = "// y = x\n// Shapes: x\n// Dispatch: T\n// Bindings: 0 x\n// Reference: none\n// Uses: two\n";
    let no_formula = "// Shapes: x\n// Bindings: 0 x\n// Dispatch: T\n// Reference: none\n// Uses: two\n";
    let no_uses = "// y = x\n// Shapes: x\n// Bindings: 0 x\n// Dispatch: T\n// Reference: none\n";
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
            "src/bin/gemma.rs",
            "use gemma_web::kernels;",
            "src/bin/gemma.rs:1: `bin` may not use `crate::kernels`",
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
        (
            "src/model/config.rs",
            "use crate::gpu::Gpu;",
            "src/model/config.rs:1: `crate::gpu` stays in src/model/gpu/",
        ),
        (
            "src/model/config.rs",
            "use super::super::kernels;",
            "src/model/config.rs:1: `crate::kernels` stays in",
        ),
        (
            "src/engine/mod.rs",
            "use crate::bench::run;",
            "src/engine/mod.rs:1: `engine` may not use `crate::bench`",
        ),
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
        ("shaders/add.wgsl", no_uses, "shaders/add.wgsl: its opening comment has no `// Uses:`"),
        (
            "shaders/add.wgsl",
            "// Uses: sums two\nfn add() { two(1); }",
            "add.wgsl: it uses nothing of `sums`",
        ),
        ("shaders/add.wgsl", "// Uses: twice\nfn add() {}", "add.wgsl: it uses nothing of `twice`"),
        (
            "shaders/add.wgsl",
            "// Uses: two\nfn add() { let a = two(workgroup_sum(1)); }",
            "add.wgsl: it uses `workgroup_sum` of shaders/lib/sums.wgsl, which it does not name",
        ),
        (
            "shaders/add.wgsl",
            "// Uses: two\nfn add() { return two(keys[0]); }",
            "add.wgsl: it uses `keys` of shaders/lib/kv_f16.wgsl, which it does not name",
        ),
        ("shaders/lib/two.wgsl", "// Uses: sums\nfn two() {}", "two.wgsl: it uses nothing of `sums`"),
    ];
    for (path, text, expected) in planted {
        let mut files = sound_tree();
        files.insert(path.to_owned(), text.to_owned());
        let found = violations(&files);
        assert!(
            found.iter().any(|line| line.contains(expected)),
            "{path} {text:?}: not seen; found {found:#?}"
        );
    }
}

/// Re-exports, modules as a whole, names given by `use`, and unit tests close no circle.
fn tree_without_circles() -> Files {
    tree([
        ("src/lib.rs", "pub mod error; pub mod gpu; pub use error::Error;"),
        ("src/error.rs", "pub enum Error {}"),
        (
            "src/gpu/mod.rs",
            "pub mod buffer; pub mod device; pub use buffer::Buffer; pub(crate) use device::{Gpu as Device};",
        ),
        ("src/gpu/buffer.rs", "use super::Device; use crate::Error; fn f() -> gpu::Gpu {} use crate::gpu;"),
        (
            "src/gpu/device.rs",
            "use crate::{error::Error, gpu::device};\n#[cfg(test)]\nmod tests { use super::super::Buffer; fn f() { g() } }",
        ),
        ("src/bin/gemma.rs", "#[path = \"gemma/command.rs\"] mod command;"),
        ("src/bin/gemma/command.rs", "mod args; use args::Args;"),
        ("src/bin/gemma/args.rs", "use gemma_web::gpu::Buffer; pub struct Args;"),
    ])
}

fn planted_circles_in_rust_are_seen() {
    assert_eq!(circles(&rust_imports(&tree_without_circles())), [""; 0]);
    let planted = [
        (
            "src/gpu/device.rs",
            "\nuse super::Buffer;",
            "src/gpu/buffer.rs:1 -> src/gpu/device.rs:2 -> src/gpu/buffer.rs",
        ),
        (
            "src/gpu/device.rs",
            "fn f() { crate::gpu::buffer::g() }",
            "src/gpu/buffer.rs:1 -> src/gpu/device.rs:1",
        ),
        (
            "src/gpu/device.rs",
            "use super::buffer::{self}; fn f() { buffer::g() }",
            "src/gpu/buffer.rs:1 -> src/gpu/device.rs:1",
        ),
        ("src/error.rs", "\n\nuse crate::gpu::*;", "src/error.rs:3 -> src/gpu/mod.rs"),
        (
            "src/error.rs",
            "use crate::gpu::Buffer as B;",
            "src/error.rs:1 -> src/gpu/buffer.rs:1 -> src/error.rs",
        ),
        ("src/bin/gemma/args.rs", "use super::run;", "src/bin/gemma/args.rs:1 -> src/bin/gemma/command.rs:1"),
    ];
    for (path, text, expected) in planted {
        let mut files = tree_without_circles();
        files.insert(path.to_owned(), text.to_owned());
        if path == "src/error.rs" {
            files.insert(
                "src/gpu/mod.rs".to_owned(),
                "pub mod buffer; pub use buffer::Buffer; use crate::Error;".to_owned(),
            );
        }
        let found = circles(&rust_imports(&files));
        assert!(
            found.iter().any(|circle| circle.contains(expected)),
            "{path} {text:?}: not seen; found {found:#?}"
        );
    }
}

fn package_without_holes() -> Files {
    tree([
        ("www/lib/index.ts", "export { loadGemma } from './page/gemma.js';"),
        (
            "www/lib/page/gemma.ts",
            "import type { Model } from '../types/model.js'; import { a } from './rpc.js';",
        ),
        (
            "www/lib/page/rpc.ts",
            "// import x from '../engine/server.js'\nconst it = await import('../engine/server.js');",
        ),
        (
            "www/lib/engine/server.ts",
            "import { p } from \"../shared/protocol.js\"; import init from '../pkg/gemma_web.js';",
        ),
        (
            "www/lib/shared/protocol.ts",
            "/* from '../engine/server.js' */ const s = \"it's\"; export type { Model } from '../types/model.js';",
        ),
        ("www/lib/types/model.ts", "export interface Model {}"),
    ])
}

fn planted_circles_in_typescript_are_seen() {
    assert_eq!(circles(&ts_imports(&package_without_holes())), [""; 0]);
    let planted = [
        (
            "www/lib/types/model.ts",
            "\nexport type X = import('../page/gemma.js').X;",
            "www/lib/page/gemma.ts:1 -> www/lib/types/model.ts:2",
        ),
        (
            "www/lib/engine/server.ts",
            "import '../page/rpc.js';",
            "www/lib/engine/server.ts:1 -> www/lib/page/rpc.ts:2",
        ),
        ("www/lib/shared/protocol.ts", "import type {\n  A,\n} from '../page/rpc.js'; ", ""),
    ];
    for (path, text, expected) in planted {
        let mut files = package_without_holes();
        if expected.is_empty() {
            files.insert(
                "www/lib/page/rpc.ts".to_owned(),
                "export * from '../shared/protocol.js';".to_owned(),
            );
        }
        files.insert(path.to_owned(), text.to_owned());
        let found = circles(&ts_imports(&files));
        assert!(
            found.iter().any(|circle| circle.contains(expected)),
            "{path} {text:?}: not seen; found {found:#?}"
        );
    }
}

fn planted_holes_in_walls_are_seen() {
    assert_eq!(broken_walls(&package_without_holes()), [""; 0]);
    let planted = [
        (
            "www/lib/page/gemma.ts",
            "\nimport { s } from '../engine/server.js';",
            "gemma.ts:2: imports www/lib/engine/server.ts, but",
        ),
        (
            "www/lib/page/gemma.ts",
            "import type { S } from '../engine/server.js';",
            "gemma.ts:1: imports www/lib/engine/server.ts, but",
        ),
        ("www/lib/page/gemma.ts", "await import('../engine/server.js');", "2 dynamic imports of the engine"),
        (
            "www/lib/engine/server.ts",
            "import type { G } from '../page/gemma.js';",
            "server.ts:1: imports www/lib/page/gemma.ts",
        ),
        (
            "www/lib/engine/server.ts",
            "await import('../page/gemma.js');",
            "server.ts:1: imports www/lib/page/gemma.ts",
        ),
        (
            "www/lib/shared/protocol.ts",
            "export * from '../page/gemma.js';",
            "may import from [shared types] only",
        ),
        (
            "www/lib/shared/protocol.ts",
            "export * from '../engine/server.js';",
            "may import from [shared types] only",
        ),
        (
            "www/lib/types/model.ts",
            "import type { P } from '../shared/protocol.js';",
            "may import from [types] only",
        ),
    ];
    for (path, text, expected) in planted {
        let mut files = package_without_holes();
        files.insert(path.to_owned(), text.to_owned());
        let found = broken_walls(&files);
        assert!(
            found.iter().any(|line| line.contains(expected)),
            "{path} {text:?}: not seen; found {found:#?}"
        );
    }
}

fn planted_paths_in_documents_are_seen() {
    let paths = [
        "README.md",
        "CHANGELOG.md",
        "LICENSE",
        "src",
        "src/gpu",
        "src/gpu/buffer.rs",
        "www",
        "www/lib",
        "www/README.md",
    ];
    let paths: BTreeSet<String> = paths.map(str::to_owned).into();
    let sound = [
        (
            "README.md",
            "See [gpu](src/gpu/buffer.rs \"a test\"), [the licence](LICENSE#3), [it](https://x.org/src/none.rs) and [here](#there).",
        ),
        (
            "README.md",
            "`src/gpu`, buffer.rs, www/lib/; dist/site and src/kernels/NAME.rs, `src/*.rs`, `https://x.org/a.rs`, and/or.",
        ),
        ("www/README.md", "[up](../README.md), lib/ and `../src/gpu/buffer.rs`, not `./lib/pkg/a.ts`"),
        ("CHANGELOG.md", "`src/old.rs` is `src/gpu/buffer.rs`"),
    ];
    for (document, text) in sound {
        assert_eq!(missing_paths(document, text, &paths), [""; 0], "{document}: {text}");
    }
    let planted = [
        ("README.md", "\n[gpu](src/gpus/buffer.rs)", "README.md:2: there is no src/gpus/buffer.rs"),
        ("README.md", "in src/kernels or elsewhere", "README.md:1: there is no src/kernels"),
        ("README.md", "(see `matrix.rs`)", "there is no matrix.rs"),
        ("README.md", "`fuzz/README.md` says how", "there is no fuzz/README.md"),
        ("www/README.md", "[changes](CHANGELOG.md)", "there is no CHANGELOG.md"),
        ("CHANGELOG.md", "[gone](src/old.rs)", "there is no src/old.rs"),
    ];
    for (document, text, expected) in planted {
        let found = missing_paths(document, text, &paths);
        assert!(found.iter().any(|line| line.contains(expected)), "{text:?}: not seen; found {found:#?}");
    }
}

fn planted_headings_are_seen() {
    let sound = [
        "//! Buffers on the device.",
        "// Whoever reads this, and Howitzers",
        "#!/usr/bin/env node\n// @ts-check\n/**\n * The server.\n * What follows.\n */",
        "const from = 1;",
    ];
    for text in sound {
        assert_eq!(asking_heading("a.rs", text), None);
    }
    for text in [
        "//! What a buffer is.",
        "\n// How it works",
        "/** Which ones. */",
        "/**\n * Who asks.\n */",
        "use a::b;\n//! From there.",
    ] {
        assert!(asking_heading("a.rs", text).is_some(), "{text:?} is not seen");
    }
}

fn literals_and_comments_are_not_code() {
    let source = "let a = 'x'; let b = '\\''; fn f<'a>() {} /* wgpu::A */ let c = r#\"wgpu::B \"c\" \"#; \"\\\"wgpu::C\"; real::D";
    let paths = rust_paths::paths(source);
    assert!(paths.iter().all(|p| p.segments[0] != "wgpu"), "{paths:?}");
    assert!(paths.iter().any(|p| p.segments == ["real", "D"]), "{paths:?}");
}

fn names_of_imports_are_read() {
    let source = "pub(crate) use a::{b::C, d as E, f::{self, G}}; use h::*; fn i() { j::k() as l::M }";
    let found = rust_paths::paths(source).into_iter().map(|path| {
        let import = path.import.map_or("".to_owned(), |import| format!("{} {}", import.name, import.is_pub));
        format!("{} {import}", path.segments.join("::")).trim().to_owned()
    });
    let found: Vec<_> = found.filter(|path| path.contains("::") || path.contains(' ')).collect();
    let expected =
        ["a::b::C C true", "a::d E true", "a::f f true", "a::f::G G true", "h::* * false", "j::k", "l::M"];
    assert_eq!(found, expected);
}
