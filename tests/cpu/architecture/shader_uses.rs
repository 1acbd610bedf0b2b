//! Check of the lines `// Uses:` of shaders against the words in their code.

use super::layering::Files;

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

/// A shader names the fragments whose functions, types, constants and variables it uses, no more; a kernel names all of them. A fragment
/// need not name the declarations that it leaves to its kernels (a buffer, a size): without them, the composed text is not valid.
pub(crate) fn shader_uses(files: &Files, found: &mut Vec<String>) {
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

/// Names that a shader declares outside its functions.
fn declared(text: &str) -> Vec<&str> {
    let outside = |line: &&str| {
        ["fn ", "struct ", "const ", "var<", "@group"].iter().any(|start| line.starts_with(start))
    };
    let name = |line| {
        let words = words(line);
        let keyword = words.iter().position(|(word, ..)| ["fn", "struct", "const"].contains(word));
        // A variable's name is the word before a colon.
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
