//! Output of the command: the result and nothing else on standard output, the rest on standard error.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use gemma_web::Error;
use serde::Serialize;
use serde_json::{Value, json};

/// Reason for a command to stop early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The work failed: exit code 1.
    Failed(Error),
    /// The command line asks for something impossible: exit code 2, as clap exits.
    Usage(Error),
    /// Nobody reads standard output any more, as in `gemma … | head`: exit code 0, in silence.
    PipeClosed,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::InvalidOption { option, found, expected } => {
                Self::usage(&as_flag(&option), found, expected)
            }
            other => Self::Failed(other),
        }
    }
}

impl Failure {
    /// An option whose value turned out to be impossible.
    pub(crate) fn usage(option: &str, found: impl Display, expected: impl Into<String>) -> Self {
        Self::Usage(Error::invalid_option(option, found, expected))
    }

    /// Prints the reason to standard error, as `error: message`, or with `--json` as
    /// `{"error": {"code", "message", …what was measured}}`.
    pub(crate) fn report(&self, as_json: bool) -> ExitCode {
        let (error, code) = match self {
            Self::Failed(error) => (error, 1),
            Self::Usage(error) => (error, 2),
            Self::PipeClosed => return ExitCode::SUCCESS,
        };
        if as_json {
            let mut fields = serde_json::to_value(error).unwrap_or_else(|_| json!({}));
            fields["message"] = Value::String(error.to_string());
            note(json!({ "error": fields }));
        } else {
            note(format_args!("error: {error}"));
        }
        ExitCode::from(code)
    }
}

/// `topP`, as the library names an option, as `--top-p`.
fn as_flag(option: &str) -> String {
    match option {
        "contextLength" => return "--context".to_owned(),
        "generatedTokens" => return "--n-gen".to_owned(),
        _ if option.starts_with('-') => return option.to_owned(),
        _ => {}
    }
    let mut flag = "--".to_owned();
    for c in option.chars() {
        if c.is_ascii_uppercase() || c == '_' {
            flag.push('-');
        }
        flag.extend(Some(c.to_ascii_lowercase()).filter(|c| *c != '_'));
    }
    flag
}

/// Writes a piece of the result and flushes it, so that a reader sees it at once.
pub(crate) fn print(text: impl Display) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    write!(stdout, "{text}").and_then(|()| stdout.flush()).map_err(|e| match e.kind() {
        io::ErrorKind::BrokenPipe => Failure::PipeClosed,
        _ => Failure::Failed(Error::Io { path: "standard output".to_owned(), why: e.to_string() }),
    })
}

/// Writes the result as one line of JSON.
pub(crate) fn print_json(result: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(result);
    let text = text.map_err(|e| Error::Internal { what: format!("the result is no JSON: {e}") })?;
    print(text + "\n")
}

/// Writes a line to standard error. If that is closed, nobody is left to read it.
pub(crate) fn note(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Whether a person watches standard error: only then are there progress bars.
pub(crate) fn is_watched() -> bool {
    io::stderr().is_terminal()
}

#[cfg(test)]
mod tests {
    use super::as_flag;

    #[test]
    fn options_are_named_as_on_the_command_line() {
        assert_eq!(as_flag("topP"), "--top-p");
        assert_eq!(as_flag("max_tokens"), "--max-tokens");
        assert_eq!(as_flag("temperature"), "--temperature");
        assert_eq!(as_flag("contextLength"), "--context");
        assert_eq!(as_flag("--ids"), "--ids");
    }
}
