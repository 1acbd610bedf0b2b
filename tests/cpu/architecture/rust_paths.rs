//! The paths (`a::b::c`) that Rust source text mentions, without a compiler: enough of the syntax to see imports.

/// A path and the line it starts on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) line: usize,
    pub(crate) segments: Vec<String>,
}

#[derive(Debug, PartialEq)]
enum Token {
    Word(String),
    Colons,
    Other(char),
}

/// Every path in `source`, with the braces of `use a::{b, c}` multiplied out. Comments and literals are not source.
pub(crate) fn paths(source: &str) -> Vec<Path> {
    let tokens = tokens(source);
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        at = if matches!(tokens[at].1, Token::Word(_)) { path(&tokens, at, &[], &mut found) } else { at + 1 };
    }
    found
}

/// Reads the path that starts at `at` behind `prefix`, and returns where it ends.
fn path(tokens: &[(usize, Token)], mut at: usize, prefix: &[String], found: &mut Vec<Path>) -> usize {
    let line = tokens[at].0;
    let mut segments = prefix.to_vec();
    while let Some((_, Token::Word(word))) = tokens.get(at) {
        segments.push(word.clone());
        at += 1;
        if !matches!(tokens.get(at), Some((_, Token::Colons))) {
            break;
        }
        at += 1;
    }
    if at > 0 && tokens[at - 1].1 == Token::Colons && matches!(tokens.get(at), Some((_, Token::Other('{')))) {
        return group(tokens, at + 1, &segments, found);
    }
    found.push(Path { line, segments });
    at
}

/// Reads `b, c::{d, e}}` behind `prefix`, and returns where it ends.
fn group(tokens: &[(usize, Token)], mut at: usize, prefix: &[String], found: &mut Vec<Path>) -> usize {
    while at < tokens.len() {
        match tokens[at].1 {
            Token::Word(_) => at = path(tokens, at, prefix, found),
            Token::Other('}') => return at + 1,
            _ => at += 1,
        }
    }
    at
}

fn tokens(source: &str) -> Vec<(usize, Token)> {
    let code: Vec<char> = blank(source).chars().collect();
    let (mut tokens, mut line, mut at) = (Vec::new(), 1, 0);
    while at < code.len() {
        let start = at;
        let c = code[at];
        at += 1;
        if c == '\n' {
            line += 1;
        } else if c == ':' && code.get(at) == Some(&':') {
            at += 1;
            tokens.push((line, Token::Colons));
        } else if c.is_alphanumeric() || c == '_' {
            while at < code.len() && (code[at].is_alphanumeric() || code[at] == '_') {
                at += 1;
            }
            tokens.push((line, Token::Word(code[start..at].iter().collect())));
        } else if !c.is_whitespace() {
            tokens.push((line, Token::Other(c)));
        }
    }
    tokens
}

/// The text with comments, strings and character literals replaced by spaces; lines stay where they are.
pub(crate) fn blank(source: &str) -> String {
    let text: Vec<char> = source.chars().collect();
    let mut out = String::with_capacity(source.len());
    let mut at = 0;
    while at < text.len() {
        let end = literal_or_comment(&text, at);
        if end == at {
            out.push(text[at]);
            at += 1;
        } else {
            out.extend(text[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    out
}

/// Where the comment or literal that starts at `at` ends; `at` itself where none starts.
fn literal_or_comment(text: &[char], at: usize) -> usize {
    let find = |from: usize, wanted: &str| {
        let wanted: Vec<char> = wanted.chars().collect();
        let hit = (from..text.len()).find(|i| text[*i..].starts_with(&wanted));
        hit.map_or(text.len(), |i| i + wanted.len())
    };
    let after_word = at > 0 && (text[at - 1].is_alphanumeric() || text[at - 1] == '_');
    match (text[at], text.get(at + 1)) {
        ('/', Some('/')) => find(at, "\n") - usize::from(find(at, "\n") < text.len()),
        ('/', Some('*')) => find(at + 2, "*/"),
        ('"', _) => quoted(text, at, '"'),
        ('r', Some('"' | '#')) if !after_word => {
            let n_hashes = text[at + 1..].iter().take_while(|c| **c == '#').count();
            if text.get(at + 1 + n_hashes) != Some(&'"') {
                return at; // a raw identifier
            }
            find(at + 2 + n_hashes, &format!("\"{}", "#".repeat(n_hashes)))
        }
        // 'x' and '\n' are characters, 'x without a closing quote is a lifetime.
        ('\'', Some('\\')) => quoted(text, at, '\''),
        ('\'', _) if text.get(at + 2) == Some(&'\'') => at + 3,
        _ => at,
    }
}

fn quoted(text: &[char], start: usize, quote: char) -> usize {
    let mut at = start + 1;
    while at < text.len() && text[at] != quote {
        at += if text[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(text.len())
}
