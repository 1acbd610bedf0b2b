//! The paths (`a::b::c`) that Rust source text mentions, without a compiler: enough of the syntax to see imports.

/// A path and the line it starts on. The last segment of a glob is `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) line: usize,
    pub(crate) segments: Vec<String>,
    /// Of a path in a `use`.
    pub(crate) import: Option<Import>,
}

/// The name that a `use` gives to a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Import {
    pub(crate) name: String,
    pub(crate) is_pub: bool,
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
        at = match &tokens[at].1 {
            Token::Word(word) if word == "use" => {
                let is_pub = is_pub(&tokens[..at]);
                let first = found.len();
                let end = read_path(&tokens, at + 1, &Start { prefix: &[], in_use: true }, &mut found);
                found[first..].iter_mut().for_each(|path| name_import(path, is_pub));
                end
            }
            Token::Word(_) => read_path(&tokens, at, &Start { prefix: &[], in_use: false }, &mut found),
            _ => at + 1,
        };
    }
    found
}

/// Whether the tokens end in `pub`, or in `pub(crate)` and its like.
fn is_pub(before: &[(usize, Token)]) -> bool {
    let mut back = before.iter().rev().map(|(_, token)| token);
    let word = match back.next() {
        Some(Token::Other(')')) => back.find(|token| **token == Token::Other('(')).and_then(|_| back.next()),
        other => other,
    };
    word == Some(&Token::Word("pub".to_owned()))
}

/// A `use` names a path by what follows its `as`, or by its last segment, or by the one before a `self`.
fn name_import(path: &mut Path, is_pub: bool) {
    let renamed = path.segments.iter().position(|segment| segment == "as");
    let new_name = renamed.and_then(|at| path.segments.drain(at..).nth(1));
    if path.segments.len() > 1 && path.segments.last().is_some_and(|last| last == "self") {
        path.segments.pop();
    }
    let name = new_name.or_else(|| path.segments.last().cloned()).unwrap_or_default();
    path.import = Some(Import { name, is_pub });
}

/// The beginning of a path: the segments before a brace, and whether it is in a `use`.
struct Start<'a> {
    prefix: &'a [String],
    in_use: bool,
}

/// Reads the path at `at`, in a `use` with its `as` and the name behind it, and returns where it ends.
fn read_path(tokens: &[(usize, Token)], mut at: usize, start: &Start<'_>, found: &mut Vec<Path>) -> usize {
    let line = tokens.get(at).map_or(0, |(line, _)| *line);
    let mut segments = start.prefix.to_vec();
    while let Some((_, Token::Word(word))) = tokens.get(at) {
        segments.push(word.clone());
        at += 1;
        if !matches!(tokens.get(at), Some((_, Token::Colons))) {
            break;
        }
        at += 1;
    }
    let after_colons = at > 0 && tokens[at - 1].1 == Token::Colons;
    match tokens.get(at).map(|(_, token)| token) {
        Some(Token::Other('{')) if after_colons => {
            return read_group(tokens, at + 1, &Start { prefix: &segments, ..*start }, found);
        }
        Some(Token::Other('*')) if after_colons => {
            segments.push("*".to_owned());
            at += 1;
        }
        Some(Token::Word(word)) if start.in_use && word == "as" => {
            if let Some((_, Token::Word(name))) = tokens.get(at + 1) {
                segments.extend([word.clone(), name.clone()]);
                at += 2;
            }
        }
        _ => {}
    }
    if !segments.is_empty() {
        found.push(Path { line, segments, import: None });
    }
    at
}

/// Reads `b, c::{d, e}}`, and returns where it ends.
fn read_group(tokens: &[(usize, Token)], mut at: usize, start: &Start<'_>, found: &mut Vec<Path>) -> usize {
    while at < tokens.len() {
        match tokens[at].1 {
            Token::Word(_) => at = read_path(tokens, at, start, found),
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

/// End of the comment or literal that starts at `at`; `at` itself if none does.
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
