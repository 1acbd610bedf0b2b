//! The `gemma` command from outside: what it prints where, its exit codes, and what it says to bad input.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

#[path = "../common/mod.rs"]
mod common;
mod downloads;
mod files;
mod generation;
#[path = "../common/gguf_writer.rs"]
mod gguf_writer;
#[path = "../common/http_server.rs"]
mod http_server;
#[path = "../common/split.rs"]
mod split;
mod usage;

use std::io::Write;
use std::process::{Command, Stdio};

use common::goldens::data;
use common::gpu;
use common::trial::needing;
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;

/// What a call of the command left behind.
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

/// The exact variants of the kernels: the fastest ones are measured, and tests run beside each other.
const EXACT: [&str; 2] = ["--tuning", "f32/1"];

fn gemma(args: &[&str]) -> Outcome {
    let runs = args.first().is_some_and(|name| ["run", "chat", "eval", "perplexity", "bench"].contains(name));
    let tuning: &[&str] = if runs && !args.contains(&"--tuning") { &EXACT } else { &[] };
    gemma_with_input(&[args, tuning].concat(), "")
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
    let args = Arguments::from_args();
    let adapter = gpu::adapter();
    let free = |name: &str, test: fn()| Trial::test(name, move || passed(test));
    let on_gpu = |name: &str, test: fn()| needing(name, gpu::NEED, adapter, move |()| passed(test));
    let trials = vec![
        free("tokenize prints ids without BOS", files::tokenize_prints_ids),
        free("inspect prints the file", files::inspect_prints_the_file),
        free("synthetic models have no file", files::synthetic_models_have_no_file),
        free("synth writes the same bytes", files::synth_writes_the_same_bytes),
        free("bad files are refused by name", files::bad_files_are_refused),
        free("models are read from addresses", downloads::addresses_are_read),
        free("bad addresses are refused", downloads::bad_addresses_are_refused),
        free("wrong usage exits with 2", usage::wrong_usage),
        free("a closed pipe is no error", usage::closed_pipe),
        free("no adapter is an error with a remedy", usage::no_adapter),
        free("help goes to standard output", usage::help),
        on_gpu("eval prints the golden logits", generation::eval_prints_logits),
        on_gpu("eval adds BOS once to a prompt", generation::eval_adds_bos),
        on_gpu("run prints JSON or text", generation::run_prints),
        on_gpu("run repeats itself with a seed", generation::run_is_repeatable),
        on_gpu("run takes biases and penalties", generation::run_takes_biases),
        on_gpu("chat answers each line", generation::chat_answers),
        on_gpu("perplexity of a window", generation::perplexity_of_a_window),
        on_gpu("a checksum is checked", downloads::a_checksum_is_checked),
        on_gpu("a killed download goes on", downloads::a_killed_download_goes_on),
        on_gpu("two processes share a download", downloads::two_processes_share_a_download),
        on_gpu("shards are found by one name", downloads::shards_are_found_by_one_name),
        on_gpu("bench reports speeds and counts", generation::bench_reports),
        on_gpu("requests that the model cannot fulfil", generation::impossible_requests),
    ];
    libtest_mimic::run(&args, trials).exit();
}

fn passed(test: fn()) -> Result<(), Failed> {
    test();
    Ok(())
}
