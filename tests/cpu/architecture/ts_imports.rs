//! The imports among the files of www/lib, types included, and the walls between its folders.

use super::circles::Imports;
use super::layering::Files;

/// A folder of www/lib, and those it may import from.
const MAY_IMPORT: [(&str, &str); 4] = [
    ("types", "types"),
    ("shared", "shared types"),
    ("engine", "engine shared types"),
    ("page", "page shared types"),
];

/// An import as it is written.
#[derive(Debug, PartialEq, Eq)]
struct Import {
    line: usize,
    target: String,
    /// By `import()`, which loads only when it runs.
    is_dynamic: bool,
}

pub(crate) fn ts_imports(files: &Files) -> Imports {
    let mut found = Imports::new();
    for (path, text) in files {
        for import in imports(path, text).into_iter().filter(|import| files.contains_key(&import.target)) {
            let lines = found.entry(path.clone()).or_default();
            lines.entry(import.target).or_insert(import.line);
        }
    }
    found
}

/// One line for each import through a wall. One import is allowed: the dynamic one by which a page without a worker loads
/// the engine.
pub(crate) fn broken_walls(files: &Files) -> Vec<String> {
    let mut found = Vec::new();
    let mut doors = Vec::new();
    for (path, text) in files {
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| Some(*name) == folder(path)) else {
            continue;
        };
        for import in imports(path, text) {
            let Some(target) = folder(&import.target) else { continue };
            let place = format!("{path}:{}: imports {}", import.line, import.target);
            if import.is_dynamic && folder(path) == Some("page") && target == "engine" {
                doors.push(place);
            } else if MAY_IMPORT.iter().any(|(name, _)| *name == target)
                && !allowed.split(' ').any(|name| name == target)
            {
                found.push(format!("{place}, but may import from [{allowed}] only"));
            }
        }
    }
    if doors.len() > 1 {
        found.push(format!(
            "{} dynamic imports of the engine, one is enough: {}",
            doors.len(),
            doors.join("; ")
        ));
    }
    found
}

/// `www/lib/page/rpc.ts` is in `page`.
fn folder(path: &str) -> Option<&str> {
    Some(path.strip_prefix("www/lib/")?.split_once('/')?.0)
}

/// Every import of a file by a relative address.
fn imports(path: &str, text: &str) -> Vec<Import> {
    let code = without_comments(text);
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(open) = code[at..].find(['\'', '"']).map(|found| at + found) {
        let quote = &code[open..=open];
        let Some(close) = code[open + 1..].find(quote).map(|found| open + 1 + found) else { break };
        let before = code[..open].trim_end();
        let is_dynamic = before.ends_with("import(");
        let is_import = is_dynamic || before.ends_with("from") || before.ends_with("import");
        let address = &code[open + 1..close];
        if is_import && address.starts_with('.') {
            let line = 1 + code[..open].matches('\n').count();
            found.push(Import { line, target: joined(path, address), is_dynamic });
        }
        at = close + 1;
    }
    found
}

/// The file that an address in `path` means, with the ending that it has before it is compiled.
fn joined(path: &str, address: &str) -> String {
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in address.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    let whole = parts.join("/");
    whole.strip_suffix(".js").map_or(whole.clone(), |stem| format!("{stem}.ts"))
}

/// The text with spaces for comments. Strings stay, on one line each, and templates are left as they are.
fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let n_bytes = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |at| at + 2)
        } else {
            let n_bytes = if matches!(c, '\'' | '"') { string_len(rest, c) } else { c.len_utf8() };
            out.push_str(&rest[..n_bytes]);
            rest = &rest[n_bytes..];
            continue;
        };
        out.extend(rest[..n_bytes].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        rest = &rest[n_bytes..];
    }
    out
}

/// Length of the string that `rest` begins with; one byte if no quote closes it on its line.
fn string_len(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            '\n' => break,
            c if c == quote && !escaped => return at + 1,
            _ => escaped = c == '\\' && !escaped,
        }
    }
    1
}
