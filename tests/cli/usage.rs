//! Wrong usage of the command, and surroundings that fail it.

use std::process::{Command, Stdio};

use crate::support::suite::{Test, test};

use crate::{gemma, model};

pub(crate) fn tests() -> Vec<Test> {
    vec![
        test("wrong usage exits with 2", wrong_usage),
        test("a closed pipe is no error", closed_pipe),
        test("help goes to standard output", help),
    ]
}

fn wrong_usage() {
    let model = model("tiny-gemma1-q4_0");
    let m = model.as_str();
    let cases: [(&[&str], &str); 25] = [
        (&["run", m, "-p", "a", "-n", "0"], "--max-tokens"),
        (&[], "Usage"),
        (&["frobnicate"], "frobnicate"),
        (&["run", m], "--prompt"),
        (&["run", m, "-p", "a", "--colour", "red"], "--colour"),
        (&["run", m, "-p", "a", "-n", "many"], "many"),
        (&["run", m, "-p", "a", "--temperature", "-1"], "--temperature"),
        (&["run", m, "-p", "a", "--temperature", "NaN"], "--temperature"),
        (&["run", m, "-p", "a", "--top-p", "1.5"], "--top-p"),
        (&["run", m, "-p", "a", "--min-p", "2"], "--min-p"),
        (&["run", m, "-p", "a", "--repetition-penalty", "0"], "--repetition-penalty"),
        (&["run", m, "-p", "a", "--frequency-penalty", "-3"], "--frequency-penalty"),
        (&["run", m, "-p", "a", "--logit-bias", "5:1"], "--logit-bias"),
        (&["run", m, "-p", "a", "--logit-bias", "5=1,6=101"], "101 for token 6"),
        (&["eval", m], "--ids"),
        (&["eval", m, "--ids", "2,x"], "x"),
        (&["eval", m, "--ids", "2", "-p", "a"], "cannot be used with"),
        (&["eval", m, "--ids", "2", "--top", "0"], "--top"),
        (&["eval", m, "--ids", "2", "--context", "0"], "--context"),
        (&["eval", "--ids", "2"], "<MODEL"),
        (&["bench", m, "--synthetic", "gemma-2b:q4_0"], "cannot be used with"),
        (&["bench", "--synthetic", "gemma-2b:q9"], "gemma-3-270m"),
        (&["bench", m, "--protocol", "mlperf"], "llama-bench"),
        (&["tokenize", "synthetic:gemma-9t:q4_0", "-p", "a"], "gemma-3-270m"),
        (&["synth", "gemma-2b", "-o", "no/such/folder/file"], "q4_k_m"),
    ];
    for (args, words) in cases {
        let outcome = gemma(args);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(2), ""), "{args:?}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(words), "{args:?}: {}", outcome.stderr);
    }
}

/// The Vulkan loader gets the path of a driver that does not exist. Metal and Direct3D cannot be removed like that.
/// `gemma inspect … | head -0` ends quietly.
fn closed_pipe() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gemma"));
    command.args(["inspect", &model("tiny-gemma3-f16")]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert_eq!(output.status.code(), Some(0));
}

fn help() {
    let outcome = gemma(&["--help"]);
    for command in ["run", "chat", "eval", "perplexity", "tokenize", "inspect", "bench"] {
        assert!(outcome.succeeded().stdout.contains(command), "{command} in {}", outcome.stdout);
    }
    assert_eq!(gemma(&["--version"]).succeeded().stdout, format!("gemma {}\n", env!("CARGO_PKG_VERSION")));
}
