//! The `gemma` command from outside: its output, its exit codes, and its answers to bad input.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

mod downloads;
mod files;
mod generation;
mod http_server;
mod processor;
#[path = "../support/mod.rs"]
mod support;
mod usage;

use std::io::Write;
use std::process::{Command, Stdio};

use gemma_web::engine::DeviceChoice;
use serde_json::Value;
use support::goldens::data;

/// The device that models run on unless the command says otherwise.
const DEVICE: DeviceChoice = DeviceChoice::Auto;

/// Outcome of a call of the command.
struct Outcome {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn gemma_with_input(args: &[&str], input: &str) -> Outcome {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gemma"));
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that does not read its input may have closed it.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    Outcome {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The GPU with the exact variants of its kernels. Left open, the faster device and variants are measured, and tests run
/// beside each other.
const EXACT: [&str; 4] = ["--device", "gpu", "--tuning", "f32/1"];

fn gemma(args: &[&str]) -> Outcome {
    let runs = args.first().is_some_and(|name| ["run", "chat", "eval", "perplexity", "bench"].contains(name));
    let more = match (runs, args.contains(&"--tuning")) {
        (false, _) => &[][..],
        (true, false) => &EXACT,
        (true, true) => &EXACT[..2],
    };
    gemma_with_input(&[args, more].concat(), "")
}

impl Outcome {
    fn succeeded(&self) -> &Self {
        assert_eq!(self.code, Some(0), "stderr: {}", self.stderr);
        self
    }

    /// The one line of JSON that standard output must be.
    fn json(&self) -> Value {
        self.succeeded();
        assert_eq!(self.stdout.lines().count(), 1, "one line of JSON: {}", self.stdout);
        serde_json::from_str(&self.stdout).unwrap()
    }
}

fn model(name: &str) -> String {
    data(&format!("tiny/{name}.gguf")).to_str().unwrap().to_owned()
}

fn main() {
    support::suite::run([
        ("files", files::tests()),
        ("downloads", downloads::tests()),
        ("usage", usage::tests()),
        ("generation", generation::tests()),
        ("processor", processor::tests()),
    ])
}
