//! The `gemma` command on the CPU: where there is no GPU, and where it is asked to.

use std::process::Command;

use crate::support::goldens::{Goldens, Prompt, goldens};
use crate::support::suite::{Test, test};
use crate::{Outcome, model};

const MODEL: &str = "tiny-gemma3-q8_0";

pub(crate) fn tests() -> Vec<Test> {
    vec![
        test("without an adapter, run goes to the CPU", without_adapter),
        test("with --device gpu and no adapter, an error with a remedy", gpu_or_nothing),
        test("any number of threads gives the same text", threads),
        test("eval, perplexity and chat on the CPU", other_commands),
        test("bench on the CPU", bench),
        test("impossible numbers of threads", impossible_threads),
    ]
}

/// The command on a machine without a driver.
fn bare(args: &[&str]) -> Outcome {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gemma"));
    command.args(args);
    for variable in ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"] {
        command.env(variable, "/nonexistent");
    }
    let output = command.output().unwrap();
    Outcome {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A golden prompt with text, of which some steps are sure.
fn prompt() -> Prompt {
    let Goldens { prompts, .. } = goldens(&format!("tiny/{MODEL}"));
    prompts.into_iter().find(|prompt| prompt.name == "text17").unwrap()
}

fn ids(prompt: &Prompt) -> String {
    prompt.ids.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
}

fn without_adapter() {
    let file = model(MODEL);
    let args = ["eval", &file, "--ids", &ids(&prompt()), "--top", "3", "--kv", "f32", "--json"];
    let logits = bare(&[&args[..], &["--tuning", "f32"]].concat()).json();
    for (found, (id, logit)) in logits["logits"].as_array().unwrap().iter().zip(prompt().top20) {
        assert_eq!(found["id"], id);
        assert!((found["logit"].as_f64().unwrap() - f64::from(logit)).abs() < 1e-3, "{logits}");
    }
    let outcome = bare(&["run", &file, "-p", "Alice was", "-n", "8", "--temperature", "0"]);
    outcome.succeeded();
    assert!(outcome.stderr.contains("on the processor"), "{}", outcome.stderr);
    assert!(!outcome.stdout.trim().is_empty());
}

fn gpu_or_nothing() {
    if !cfg!(target_os = "linux") {
        return;
    }
    let outcome = bare(&["eval", &model(MODEL), "--ids", "2", "--device", "gpu", "--json"]);
    assert_eq!((outcome.code, outcome.stdout.len()), (Some(1), 0));
    let error: serde_json::Value = serde_json::from_str(&outcome.stderr).unwrap();
    assert_eq!(error["error"]["code"], "no_webgpu", "{error}");
    let message = error["error"]["message"].as_str().unwrap();
    assert!(message.contains("install a Vulkan") && !message.contains("compiled in"), "{error}");
}

/// The command with `--device cpu`, on as many threads.
fn on_cpu(args: &[&str], threads: &str) -> Outcome {
    crate::gemma_with_input(&[args, &["--device", "cpu", "--threads", threads]].concat(), "")
}

fn threads() {
    let file = model(MODEL);
    let text = |threads: &str| {
        let args = ["run", &file, "-p", "Alice was", "-n", "12", "--seed", "5", "--json"];
        on_cpu(&args, threads).json()["tokens"].clone()
    };
    let alone = text("1");
    assert_eq!(alone.as_array().unwrap().len(), 12);
    for threads in ["2", "3"] {
        assert_eq!(text(threads), alone, "{threads} threads");
    }
}

fn other_commands() {
    let file = model(MODEL);
    let logits = on_cpu(&["eval", &file, "-p", "Alice", "--top", "5", "--json"], "2").json();
    assert_eq!(logits["logits"].as_array().unwrap().len(), 5);
    let text = std::env::temp_dir().join(format!("gemma-web-processor-{}.txt", std::process::id()));
    std::fs::write(&text, "Alice was beginning to get very tired of sitting by her sister on the bank.")
        .unwrap();
    let path = text.to_str().unwrap();
    let exact = on_cpu(&["perplexity", &file, "--file", path, "--tuning", "f32", "--json"], "2").json();
    let int8 = on_cpu(&["perplexity", &file, "--file", path, "--json"], "2").json();
    std::fs::remove_file(&text).unwrap();
    let of = |json: &serde_json::Value| json["perplexity"].as_f64().unwrap();
    assert!(of(&exact) != of(&int8) && (of(&exact) / of(&int8) - 1.0).abs() < 0.05, "{exact} {int8}");
    let args = ["chat", &file, "-n", "4", "--device", "cpu", "--json"];
    let chat = crate::gemma_with_input(&args, "Hello\n");
    chat.succeeded();
    assert_eq!(chat.stdout.lines().count(), 1, "{}", chat.stdout);
}

fn bench() {
    let args = ["bench", &model(MODEL), "-p", "16", "-n", "8", "-r", "1", "--json"];
    let report = on_cpu(&args, "2").json();
    assert_eq!(report["model"]["device"], "cpu");
    assert_eq!(report["model"]["processor"]["workers"], 2);
    assert!(report["roofline"]["gigabytesPerSecond"].as_f64().unwrap() > 0.0, "{report}");
    assert!(report["generation"]["tokensPerSecond"]["median"].as_f64().unwrap() > 0.0, "{report}");
}

fn impossible_threads() {
    let outcome = on_cpu(&["eval", &model(MODEL), "--ids", "2"], "0");
    assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
    let outcome = on_cpu(&["eval", &model(MODEL), "--ids", "2"], "257");
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stderr.contains("threads") && outcome.stderr.contains("1 to 256"), "{}", outcome.stderr);
}
