//! The `gemma` command from outside: what it prints where, its exit codes, and what it says to bad input.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

mod common;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::goldens::{data, goldens};
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
    command
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
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

fn gemma(args: &[&str]) -> Outcome {
    gemma_with_input(args, "")
}

impl Outcome {
    fn succeeded(&self) -> &Self {
        assert_eq!(self.code, Some(0), "stderr: {}", self.stderr);
        self
    }

    /// The one line of JSON that standard output must be.
    fn json(&self) -> Value {
        self.succeeded();
        assert_eq!(
            self.stdout.lines().count(),
            1,
            "one line of JSON: {}",
            self.stdout
        );
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
        free("tokenize prints ids without BOS", tokenize_prints_ids),
        free("inspect prints the file", inspect_prints_the_file),
        free("bad files are refused by name", bad_files_are_refused),
        free("wrong usage exits with 2", wrong_usage),
        free("a closed pipe is no error", closed_pipe),
        free("no adapter is an error with a remedy", no_adapter),
        free("help goes to standard output", help),
        on_gpu("eval prints the golden logits", eval_prints_logits),
        on_gpu("eval adds BOS once to a prompt", eval_adds_bos),
        on_gpu("run prints JSON or text", run_prints),
        on_gpu("run repeats itself with a seed", run_is_repeatable),
        on_gpu("chat answers each line", chat_answers),
        on_gpu("perplexity of a window", perplexity_of_a_window),
        on_gpu("bench reports speeds and counts", bench_reports),
        on_gpu("requests that the model cannot fulfil", impossible_requests),
    ];
    libtest_mimic::run(&args, trials).exit();
}

fn passed(test: fn()) -> Result<(), Failed> {
    test();
    Ok(())
}

fn tokenize_prints_ids() {
    let goldens: Value =
        serde_json::from_str(&std::fs::read_to_string(data("tokenizer/tiny-B.json")).unwrap()).unwrap();
    let model = model("tiny-gemma3-q4_0");
    let ids = |text: &str| gemma(&["tokenize", &model, "-p", text, "--json"]).json()["ids"].clone();
    let strings = goldens["cases"].as_array().unwrap();
    for golden in strings
        .iter()
        .filter(|g| !g["text"].as_str().unwrap().contains('\0'))
        .take(12)
    {
        assert_eq!(ids(golden["text"].as_str().unwrap()), golden["ids"], "{golden}");
    }
    assert_eq!(ids(""), Value::Array(vec![]));
    let typed = gemma(&["tokenize", &model, "-p", "<end_of_turn>", "--special", "--json"]).json();
    assert_eq!(typed["ids"], serde_json::json!([106]));
    let plain = gemma(&["tokenize", &model, "-p", "<end_of_turn>"]);
    assert!(
        plain.succeeded().stdout.lines().count() > 1,
        "as text: {}",
        plain.stdout
    );
}

fn inspect_prints_the_file() {
    let page = gemma(&["inspect", &model("tiny-gemma2-q4_k_m"), "--json"]).json();
    assert_eq!(page["file"]["version"], 3);
    assert_eq!(page["metadata"]["general.architecture"], "gemma2");
    assert_eq!(page["verdict"]["supported"], true);
    let tensors = page["tensors"].as_array().unwrap();
    let embedding = tensors.iter().find(|t| t["name"] == "token_embd.weight").unwrap();
    assert_eq!(embedding["shape"], serde_json::json!([256, 1024]));
    assert_eq!(page["sizes"]["tensors"], tensors.len());
    assert!(page["hyperParameters"].is_object(), "{}", page["hyperParameters"]);
    assert!(page.to_string().len() < 40_000, "the vocabulary is cut short");
    let plain = gemma(&["inspect", &model("tiny-gemma2-q4_k_m")]);
    assert!(
        plain.succeeded().stdout.contains("token_embd.weight"),
        "{}",
        plain.stdout
    );
}

/// A file that is no good, written to the build's folder for temporary files.
fn bad_file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

/// Where `wanted` first stands in `bytes`.
fn position(bytes: &[u8], wanted: &[u8]) -> usize {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
        .unwrap()
}

fn bad_files_are_refused() {
    let good = std::fs::read(model("tiny-gemma1-mha-q4_0")).unwrap();
    let patched = |name: &str, patch: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        patch(&mut bytes);
        bad_file(name, &bytes)
    };
    // `gemma` and `llama` are equally long; the first one in the file is the value of general.architecture.
    let llama = patched("llama.gguf", &|bytes| {
        let key = position(bytes, b"general.architecture");
        let at = key + position(&bytes[key..], b"gemma");
        bytes[at..at + 5].copy_from_slice(b"llama");
    });
    let missing = patched("missing.gguf", &|bytes| {
        let at = position(bytes, b"blk.1.ffn_up.weight");
        bytes[at + 11] = b'!';
    });
    // attn_q is [256, 512]; turned round it has as many bytes.
    let turned = patched("turned.gguf", &|bytes| {
        let at = position(bytes, b"blk.0.attn_q.weight") + b"blk.0.attn_q.weight".len() + 4;
        bytes.copy_within(at..at + 8, at + 8);
        bytes[at..at + 8].copy_from_slice(&512_u64.to_le_bytes());
    });
    let cases = [
        (bad_file("header.gguf", &good[..1000]), "truncated", "truncated"),
        (
            bad_file("tensors.gguf", &good[..good.len() - 1000]),
            "truncated",
            "truncated",
        ),
        (
            bad_file("text.gguf", b"Once upon a time there was no model."),
            "not_gguf",
            "not a GGUF file",
        ),
        (bad_file("empty.gguf", b""), "truncated", "truncated"),
        (
            llama,
            "unsupported_architecture",
            "architecture \"llama\" is not supported",
        ),
        (missing, "missing_tensor", "\"blk.1.ffn_up.weight\" is missing"),
        (
            turned,
            "wrong_shape",
            "\"blk.0.attn_q.weight\" has shape [512, 256], expected [256, 512]",
        ),
        (PathBuf::from("no/such/model.gguf"), "io", "no/such/model.gguf"),
        (data("tiny"), "io", "not a regular file"),
    ];
    for (path, code, words) in cases {
        let path = path.to_str().unwrap();
        let plain = gemma(&["eval", path, "--ids", "2"]);
        assert_eq!(
            (plain.code, plain.stdout.as_str()),
            (Some(1), ""),
            "{path}: {}",
            plain.stderr
        );
        assert!(
            plain.stderr.starts_with("error: ") && plain.stderr.contains(words),
            "{path}: {}",
            plain.stderr
        );
        assert_eq!(
            plain.stderr.lines().count(),
            1,
            "{path}: one line: {}",
            plain.stderr
        );
        // The message goes on to say what can be done.
        let remedy = plain.stderr.trim_end().rsplit([';', ':']).next().unwrap();
        assert!(
            remedy.split(' ').count() > 3,
            "{path}: no remedy in {}",
            plain.stderr
        );

        let json = gemma(&["eval", path, "--ids", "2", "--json"]);
        assert_eq!((json.code, json.stdout.as_str()), (Some(1), ""), "{path}");
        let error: Value = serde_json::from_str(&json.stderr).unwrap();
        assert_eq!(error["error"]["code"], code, "{path}: {}", json.stderr);
        assert!(
            error["error"]["message"].as_str().unwrap().contains(words),
            "{path}: {}",
            json.stderr
        );
    }
    // The other commands refuse as well; two of them look no further than they need.
    let path = bad_file("text.gguf", b"Once upon a time there was no model.");
    let path = path.to_str().unwrap();
    for command in [
        &["run", path, "-p", "a"][..],
        &["chat", path],
        &["tokenize", path, "-p", "a"],
        &["inspect", path],
    ] {
        assert_eq!(gemma(command).code, Some(1), "{command:?}");
    }
}

fn wrong_usage() {
    let model = model("tiny-gemma1-q4_0");
    let m = model.as_str();
    let cases: [(&[&str], &str); 15] = [
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
        (&["eval", m], "--ids"),
        (&["eval", m, "--ids", "2,x"], "x"),
        (&["eval", m, "--ids", "2", "-p", "a"], "cannot be used with"),
        (&["eval", m, "--ids", "2", "--top", "0"], "--top"),
        (&["eval", m, "--ids", "2", "--context", "0"], "--context"),
    ];
    for (args, words) in cases {
        let outcome = gemma(args);
        assert_eq!(
            (outcome.code, outcome.stdout.as_str()),
            (Some(2), ""),
            "{args:?}: {}",
            outcome.stderr
        );
        assert!(outcome.stderr.contains(words), "{args:?}: {}", outcome.stderr);
    }
}

/// The Vulkan loader is told of a driver that does not exist. Metal and Direct3D cannot be taken away like that.
fn no_adapter() {
    if !cfg!(target_os = "linux") {
        return;
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_gemma"));
    command.args(["eval", &model("tiny-gemma1-q4_0"), "--ids", "2", "--json"]);
    for variable in ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"] {
        command.env(variable, "/nonexistent");
    }
    let output = command.output().unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(error["error"]["code"], "no_webgpu", "{error}");
    assert!(
        error["error"]["message"]
            .as_str()
            .unwrap()
            .contains("install a Vulkan"),
        "{error}"
    );
}

/// `gemma inspect … | head -0` ends quietly.
fn closed_pipe() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gemma"));
    command
        .args(["inspect", &model("tiny-gemma3-f16")])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert_eq!(output.status.code(), Some(0));
}

fn help() {
    let outcome = gemma(&["--help"]);
    for command in [
        "run",
        "chat",
        "eval",
        "perplexity",
        "tokenize",
        "inspect",
        "bench",
    ] {
        assert!(
            outcome.succeeded().stdout.contains(command),
            "{command} in {}",
            outcome.stdout
        );
    }
    assert_eq!(
        gemma(&["--version"]).succeeded().stdout,
        format!("gemma {}\n", env!("CARGO_PKG_VERSION"))
    );
}

fn eval_prints_logits() {
    let goldens = goldens("tiny/tiny-gemma3-q4_0");
    let prompt = goldens
        .prompts
        .iter()
        .find(|prompt| prompt.name == "text17")
        .unwrap();
    let ids = prompt
        .ids
        .iter()
        .map(u32::to_string)
        .collect::<Vec<_>>()
        .join(",");
    let page = gemma(&[
        "eval",
        &model("tiny-gemma3-q4_0"),
        "--ids",
        &ids,
        "--top",
        "20",
        "--kv",
        "f32",
        "--json",
    ])
    .json();
    let logits = page["logits"].as_array().unwrap();
    assert_eq!(logits.len(), 20);
    for (found, (id, logit)) in logits.iter().zip(&prompt.top20) {
        assert_eq!(found["id"], *id, "{page}");
        assert!(
            (found["logit"].as_f64().unwrap() - f64::from(*logit)).abs() < 2e-3,
            "{page}"
        );
    }
}

fn eval_adds_bos() {
    let model = model("tiny-gemma1-q4_0");
    let text = "Alice was beginning";
    let ids = gemma(&["tokenize", &model, "-p", text, "--json"]).json();
    let ids = ids["ids"]
        .as_array()
        .unwrap()
        .iter()
        .fold("2".to_owned(), |all, id| format!("{all},{id}"));
    let by_ids = gemma(&["eval", &model, "--ids", &ids, "--json"]).json();
    assert_eq!(gemma(&["eval", &model, "-p", text, "--json"]).json(), by_ids);
}

fn run_prints() {
    let model = model("tiny-gemma2-q4_0");
    let args = ["run", &model, "-p", "Alice was", "-n", "12", "--temperature", "0"];
    let page = gemma(&[&args[..], &["--json"]].concat()).json();
    assert_eq!(page["finishReason"], "length", "{page}");
    assert_eq!(page["tokens"].as_array().unwrap().len(), 12, "{page}");
    assert_eq!(page["usage"]["completionTokens"], 12, "{page}");
    for timing in [
        "promptMs",
        "firstTokenMs",
        "decodeMs",
        "promptPerSecond",
        "decodePerSecond",
    ] {
        assert!(
            page["timings"][timing].as_f64().is_some_and(|x| x >= 0.0),
            "{timing} in {page}"
        );
    }
    let plain = gemma(&args);
    assert_eq!(
        plain.succeeded().stdout,
        format!("{}\n", page["text"].as_str().unwrap())
    );
    assert!(
        plain.stderr.contains("per second"),
        "the timings: {}",
        plain.stderr
    );
    let turn = gemma(&[&args[..], &["--chat", "--json"]].concat()).json();
    assert_ne!(
        turn["usage"]["promptTokens"], page["usage"]["promptTokens"],
        "the turn format adds tokens"
    );
}

fn run_is_repeatable() {
    let model = model("tiny-gemma1-q4_0");
    let tokens = |seed: &str| {
        let args = [
            "run",
            &model,
            "-p",
            "Alice",
            "-n",
            "16",
            "--temperature",
            "2",
            "--seed",
            seed,
            "--json",
        ];
        gemma(&args).json()["tokens"].clone()
    };
    assert_eq!(tokens("7"), tokens("7"));
    assert_ne!(tokens("7"), tokens("8"), "another seed, another text");
}

fn chat_answers() {
    let model = model("tiny-gemma3-q4_0");
    let args = ["chat", &model, "-n", "4", "--temperature", "0", "--json"];
    let outcome = gemma_with_input(&args, "Hello!\n\nAnd now?\n");
    let replies: Vec<Value> = outcome
        .succeeded()
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(replies.len(), 2, "{}", outcome.stdout);
    let n_prompt = |reply: &Value| reply["usage"]["promptTokens"].as_u64().unwrap();
    assert!(
        n_prompt(&replies[1]) > n_prompt(&replies[0]),
        "the conversation grows: {}",
        outcome.stdout
    );
}

fn perplexity_of_a_window() {
    let text = data("real/ppl-text.txt");
    let (model, text) = (model("tiny-gemma3-q8_0"), text.to_str().unwrap());
    let page = gemma(&["perplexity", &model, "--file", text, "--tokens", "100", "--json"]).json();
    assert_eq!(page["tokens"], 100);
    let (perplexity, nll) = (
        page["perplexity"].as_f64().unwrap(),
        page["nll"].as_f64().unwrap(),
    );
    assert!((perplexity.ln() - nll).abs() < 1e-9 && nll > 0.0, "{page}");
    let too_many = gemma(&[
        "perplexity",
        &model,
        "--file",
        text,
        "--tokens",
        "100000",
        "--context",
        "64",
    ]);
    assert_eq!(too_many.code, Some(2), "{}", too_many.stderr);
    let no_text = gemma(&["perplexity", &model, "--file", "no/such/text"]);
    assert!(
        no_text.code == Some(1) && no_text.stderr.contains("no/such/text"),
        "{}",
        no_text.stderr
    );
}

fn bench_reports() {
    let page = gemma(&[
        "bench",
        &model("tiny-gemma1-q4_0"),
        "-p",
        "20",
        "-n",
        "6",
        "-r",
        "2",
        "--json",
    ])
    .json();
    for (test, n_tokens) in [("prompt", 20), ("generation", 6)] {
        let speed = &page[test]["tokensPerSecond"];
        assert_eq!(page[test]["tokens"], n_tokens, "{page}");
        assert_eq!(speed["runs"].as_array().unwrap().len(), 2, "{page}");
        let at = |name: &str| speed[name].as_f64().unwrap();
        assert!(
            0.0 < at("min") && at("min") <= at("median") && at("median") <= at("max"),
            "{page}"
        );
        assert!(
            page[test]["counts"]["dispatches"].as_u64().is_some_and(|n| n > 0),
            "{page}"
        );
    }
}

fn impossible_requests() {
    let model = model("tiny-gemma1-q4_0");
    let adapter = gemma(&["eval", &model, "--ids", "2", "--adapter", "no such adapter"]);
    assert!(
        adapter.code == Some(1) && adapter.stderr.contains("no such adapter"),
        "{}",
        adapter.stderr
    );
    let ids = gemma(&["eval", &model, "--ids", "2,1024"]);
    assert!(
        ids.code == Some(2) && ids.stderr.contains("1024"),
        "{}",
        ids.stderr
    );
    let long = gemma(&["eval", &model, "--ids", "2,3,4,5,6", "--context", "4"]);
    assert!(
        long.code == Some(1) && long.stderr.contains("context"),
        "{}",
        long.stderr
    );
}
