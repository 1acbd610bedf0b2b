//! The first doc line of each file: a noun phrase that names the thing.

/// Words that a heading does not begin with: they ask instead of naming.
const ASKING: [&str; 5] = ["What", "How", "Which", "Who", "From"];

/// The complaint about a file whose first comment begins with a word that asks.
pub(crate) fn asking_heading(path: &str, text: &str) -> Option<String> {
    let comment = text.lines().map(str::trim).find_map(comment)?;
    let first = comment.split(|c: char| !c.is_alphabetic()).next()?;
    ASKING.contains(&first).then(|| format!("{path}: its first line is \"{comment}\""))
}

/// The text of a comment line; `None` for code, an empty comment, and a comment that only tools read.
fn comment(line: &str) -> Option<&str> {
    let is_for_tools = line.starts_with("#!") || line.starts_with("/// <") || line.starts_with("// @ts-");
    let text = ["//!", "///", "//", "/**", "/*", "*"].iter().find_map(|mark| line.strip_prefix(mark))?;
    let text = text.trim_end_matches("*/").trim();
    (!is_for_tools && !text.is_empty()).then_some(text)
}
