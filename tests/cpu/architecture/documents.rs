//! The paths that documents name.

use std::collections::BTreeSet;

/// Endings of files that are written by hand; a word with such an ending is a file name.
const ENDINGS: [&str; 9] = [".rs", ".ts", ".tsx", ".wgsl", ".mjs", ".sh", ".toml", ".md", ".yml"];

/// Folders that are built or fetched, and a file whose absence a document mentions.
const ELSEWHERE: [&str; 6] = ["target", "dist", "node_modules", "pkg", "corpus", "build.rs"];

/// One line for each path in a document that is not there. `paths` has every file and folder of the repository.
///
/// Links count from the document's folder. Elsewhere a path counts from the root or from the document's folder, and a name
/// without a folder may be that of any file. A changelog names files that are gone: only its links count.
pub(crate) fn missing_paths(document: &str, text: &str, paths: &BTreeSet<String>) -> Vec<String> {
    let folder = document.rsplit_once('/').map_or("", |(folder, _)| folder);
    let is_there = |base: &str, path: &str| {
        resolved(base, path).is_some_and(|path| path.is_empty() || paths.contains(&path))
    };
    let mut found = Vec::new();
    for (line_ix, line) in text.lines().enumerate() {
        let mut missing = |path: &str| {
            let line = format!("{document}:{}: there is no {path}", line_ix + 1);
            if found.last() != Some(&line) {
                found.push(line);
            }
        };
        for link in links(line).filter(|link| !is_there(folder, link)) {
            missing(link);
        }
        if !document.ends_with("CHANGELOG.md") {
            for word in words(line).filter(|word| names_a_path(word, paths)) {
                let is_name = !word.contains('/');
                let is_known = is_there("", word)
                    || is_there(folder, word)
                    || is_name && paths.iter().any(|path| path.rsplit('/').next() == Some(word));
                if !is_known {
                    missing(word);
                }
            }
        }
    }
    found
}

/// Targets of links within the repository, without titles and headings.
fn links(line: &str) -> impl Iterator<Item = &str> {
    let targets = line.split("](").skip(1).filter_map(|rest| rest.split([')', ' ', '#']).next());
    targets.filter(|target| !target.is_empty() && !target.contains(':'))
}

/// Runs of characters that paths are made of. Addresses, options, patterns and names to be filled in (`NAME.rs`) are none.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let is_outside = |c: char| c.is_whitespace() || "`\"'()[]|,;=<>!?".contains(c);
    line.split(is_outside).map(|word| word.trim_end_matches(['.', ':', '/'])).filter(|word| {
        let is_placeholder =
            word.split(['/', '.']).any(|part| part.len() > 1 && part.chars().all(|c| c.is_ascii_uppercase()))
                && !word.ends_with(".md");
        !word.is_empty()
            && !word.contains("://")
            && !word.contains(['*', '{', '$', '~', '…', '@', ':'])
            && !is_placeholder
    })
}

/// A word with a folder of the repository in front, or with an ending of [`ENDINGS`].
fn names_a_path(word: &str, paths: &BTreeSet<String>) -> bool {
    let has_ending =
        ENDINGS.iter().any(|ending| word.strip_suffix(ending).is_some_and(|stem| !stem.is_empty()));
    let first = word.split('/').next().unwrap_or_default();
    let is_elsewhere = word.split('/').any(|part| ELSEWHERE.contains(&part));
    !is_elsewhere && (has_ending || word.contains('/') && paths.contains(first))
}

/// `path` from `folder`, without `.` and `..`; `None` for what lies outside the repository.
fn resolved(folder: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." {
            parts.pop()?;
        } else {
            parts.push(part);
        }
    }
    Some(parts.join("/"))
}
