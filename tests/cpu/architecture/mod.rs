//! The architecture, read from the files: allowed imports, confined names, the parts of each kernel and format, and the
//! paths in documents. The checkers work on paths and texts, so that tests can show that each of them sees violations.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

mod circles;
mod documents;
mod headings;
mod layering;
mod planted;
mod rust_imports;
mod rust_paths;
mod shader_uses;
mod ts_imports;

use std::collections::BTreeSet;
use std::path::Path;

use crate::support::suite::{Test, test_fn};
use circles::circles;
use layering::{Files, violations};

pub(crate) fn tests() -> Vec<Test> {
    let mut list = vec![
        test_fn(layers_are_kept),
        test_fn(the_picture_is_the_same_everywhere),
        test_fn(no_circle_of_imports_in_src),
        test_fn(no_circle_of_imports_in_the_package),
        test_fn(page_and_engine_are_apart),
        test_fn(paths_in_documents_exist),
        test_fn(headings_name_what_is_there),
        test_fn(what_happens_is_tested),
    ];
    list.extend(planted::tests());
    list
}

/// Folders that are installed, built or fetched, and whatever lies in them.
const NOT_OURS: [&str; 7] = [".git", "target", "node_modules", "dist", "pkg", "corpus", "artifacts"];

/// Every file of the repository whose name ends in one of `endings`.
fn read(endings: &[&str]) -> Files {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let is_wanted = |path: &&String| endings.iter().any(|ending| path.ends_with(ending));
    let wanted = all_paths().into_iter().filter(|path| is_wanted(&path) && root.join(path).is_file());
    wanted.map(|path| (path.clone(), std::fs::read_to_string(root.join(path)).unwrap())).collect()
}

/// Every file and folder of the repository.
fn all_paths() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut found, mut folders) = (BTreeSet::new(), vec![String::new()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(root.join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if NOT_OURS.contains(&name.as_str()) {
                continue;
            }
            let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            if entry.file_type().unwrap().is_dir() {
                folders.push(path.clone());
            }
            found.insert(path);
        }
    }
    found
}

fn none(found: &[String]) {
    assert!(found.is_empty(), "{} violations:\n{}", found.len(), found.join("\n"));
}

fn layers_are_kept() {
    let files = read(&[".rs", ".wgsl"]);
    assert!(files.len() > 20, "only {} files were read", files.len());
    none(&violations(&files));
}

/// The reading order in src/README.md and in the tour of src/lib.rs is that of the table, and names folders that exist.
fn the_picture_is_the_same_everywhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let order = ["source", "gguf", "quant", "gpu", "kernels", "model", "sampler", "engine", "bench"];
    for module in order {
        let folder = root.join("src").join(module);
        assert!(folder.is_dir(), "{} does not exist", folder.display());
    }
    for (file, marks) in [("src/README.md", ["    ", " "]), ("src/lib.rs", ["`", "`"])] {
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        let mut rest =
            &text[text.find("Data flows one way").unwrap_or_else(|| panic!("{file}: no picture"))..];
        for module in order {
            let at = rest.find(&format!("{}{module}{}", marks[0], marks[1]));
            rest = &rest[at.unwrap_or_else(|| panic!("{file}: `{module}` is not where it should be"))..];
        }
    }
}

fn no_circle_of_imports_in_src() {
    let imports = rust_imports::rust_imports(&read(&[".rs"]));
    assert!(imports.values().map(|of_file| of_file.len()).sum::<usize>() > 300, "too few imports are seen");
    none(&circles(&imports));
}

/// The source files of the npm package.
fn package() -> Files {
    let mut files = read(&[".ts"]);
    files.retain(|path, _| path.starts_with("www/lib/"));
    files
}

fn no_circle_of_imports_in_the_package() {
    let imports = ts_imports::ts_imports(&package());
    assert!(imports.values().map(|of_file| of_file.len()).sum::<usize>() > 80, "too few imports are seen");
    none(&circles(&imports));
}

fn page_and_engine_are_apart() {
    let files = package();
    for folder in ["page", "engine", "shared", "types"] {
        let n_files = files.keys().filter(|path| path.starts_with(&format!("www/lib/{folder}/"))).count();
        assert!(n_files > 1, "www/lib/{folder} has {n_files} files");
    }
    none(&ts_imports::broken_walls(&files));
}

fn paths_in_documents_exist() {
    let paths = all_paths();
    let documents = read(&[".md"]);
    assert!(documents.len() > 5, "only {} documents were read", documents.len());
    let missing = documents.iter().flat_map(|(path, text)| documents::missing_paths(path, text, &paths));
    none(&missing.collect::<Vec<_>>());
}

fn headings_name_what_is_there() {
    let files = read(&[".rs", ".ts", ".tsx", ".wgsl", ".mjs"]);
    assert!(files.len() > 300, "only {} files were read", files.len());
    let asking = files.iter().filter_map(|(path, text)| headings::asking_heading(path, text));
    none(&asking.collect::<Vec<_>>());
}

/// Every row of the table "What happens when …" in README.md names a test that is there.
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
