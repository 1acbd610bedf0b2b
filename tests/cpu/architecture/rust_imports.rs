//! The imports among the files of src, without a compiler: each path that a file mentions is followed to the file that
//! defines its item, through re-exports.

use std::collections::BTreeMap;

use super::circles::Imports;
use super::layering::Files;
use super::rust_paths::{Path, blank, paths};

/// Longest chain of re-exports to follow.
const MAX_DEPTH: usize = 12;

/// The modules of a crate and what their files mention.
#[derive(Default)]
struct Crate<'a> {
    /// Module path to file.
    files: BTreeMap<Vec<String>, &'a str>,
    mentions: BTreeMap<&'a str, Vec<Path>>,
}

/// The imports of the library and of the command. Declarations of modules and re-exports of what lies below are none.
pub(crate) fn rust_imports(files: &Files) -> Imports {
    let mut library = Crate::default();
    for (path, text) in files.iter().filter(|(path, _)| path.starts_with("src/") && path.ends_with(".rs")) {
        library.files.insert(module_of(path), path);
        library.mentions.insert(path, paths(&without_tests(text)));
    }
    let mut found = Imports::new();
    for (module, file) in &library.files {
        let mut add = |imported: &str, line: usize| {
            if imported != *file {
                let lines = found.entry((*file).to_owned()).or_default();
                lines.entry(imported.to_owned()).or_insert(line);
            }
        };
        for mention in &library.mentions[file] {
            let Some(imported) = library.file_of(module, &mention.segments, 0) else { continue };
            let is_below = module_of(imported).starts_with(module);
            if !(is_below && mention.import.as_ref().is_some_and(|import| import.is_pub)) {
                add(imported, mention.line);
            }
        }
    }
    found
}

/// `src/gpu/mod.rs` is `gpu`, `src/lib.rs` the root. The command is a module here, `bin`: its files lie in one folder.
fn module_of(path: &str) -> Vec<String> {
    let mut module: Vec<&str> = path.trim_start_matches("src/").trim_end_matches(".rs").split('/').collect();
    if module.last().is_some_and(|last| matches!(*last, "mod" | "lib" | "main" | "command")) {
        module.pop();
    }
    module.into_iter().map(str::to_owned).collect()
}

impl<'a> Crate<'a> {
    /// The file that defines the item that `segments` name in a module; `None` for another crate, a local name, or a
    /// folder of modules as a whole, whose items are mentioned elsewhere.
    fn file_of(&self, module: &[String], segments: &[String], depth: usize) -> Option<&'a str> {
        let (mut at, rest) = self.start(module, segments)?;
        for (n, name) in rest.iter().enumerate() {
            let deeper = [&at[..], std::slice::from_ref(name)].concat();
            if self.files.contains_key(&deeper) {
                at = deeper;
                continue;
            }
            let file = *self.files.get(&at)?;
            if let Some(path) = self.import(file, name).filter(|_| depth < MAX_DEPTH) {
                let whole = [&path.segments[..], &rest[n + 1..]].concat();
                return self.file_of(&at, &whole, depth + 1);
            }
            return Some(file);
        }
        self.files.get(&at).copied().filter(|file| !file.ends_with("/mod.rs"))
    }

    /// The module that a path starts from, and the segments that follow. A path of one name is none.
    fn start<'s>(&self, module: &[String], segments: &'s [String]) -> Option<(Vec<String>, &'s [String])> {
        let first = segments.first()?;
        match first.as_str() {
            "crate" if module.first().is_some_and(|first| first == "bin") => {
                Some((module[..2.min(module.len())].to_vec(), &segments[1..]))
            }
            "crate" | "gemma_web" => Some((Vec::new(), &segments[1..])),
            "self" => Some((module.to_vec(), &segments[1..])),
            "super" => {
                let n_up = segments.iter().take_while(|segment| *segment == "super").count();
                Some((module[..module.len().checked_sub(n_up)?].to_vec(), &segments[n_up..]))
            }
            name => {
                let is_known = self.files.contains_key(&[module, &[name.to_owned()]].concat())
                    || self.files.get(module).is_some_and(|file| self.import(file, name).is_some());
                (segments.len() > 1 && is_known).then(|| (module.to_vec(), segments))
            }
        }
    }

    /// The path that a file's `use` gives this name to.
    fn import(&self, file: &str, name: &str) -> Option<&Path> {
        let mentions = self.mentions.get(file)?;
        mentions.iter().find(|path| {
            path.import.as_ref().is_some_and(|import| import.name == name) && path.segments != [name]
        })
    }
}

/// Unit tests may import from everywhere.
fn without_tests(text: &str) -> String {
    let mut code = blank(text);
    while let Some(begin) = code.find("#[cfg(test)]") {
        let mut depth = 0;
        let close = code[begin..].char_indices().find_map(|(at, c)| {
            depth += i32::from(c == '{') - i32::from(c == '}');
            (depth == 0 && matches!(c, '}' | ';')).then_some(begin + at + 1)
        });
        let end = close.unwrap_or(code.len());
        let lines = code[begin..end].matches('\n').count();
        code.replace_range(begin..end, &"\n".repeat(lines));
    }
    code
}
