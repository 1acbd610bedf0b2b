//! Files given to the command, good and bad, before any GPU is asked.

use std::path::{Path, PathBuf};

use crate::support::suite::{Test, test};
use serde_json::Value;

use crate::support::goldens::data;
use crate::{gemma, model};

pub(crate) fn tests() -> Vec<Test> {
    vec![
        test("tokenize prints ids without BOS", tokenize_prints_ids),
        test("inspect prints the file", inspect_prints_the_file),
        test("synthetic models have no file", synthetic_models_have_no_file),
        test("synth writes the same bytes", synth_writes_the_same_bytes),
        test("bad files are refused by name", bad_files_are_refused),
    ]
}

fn tokenize_prints_ids() {
    let goldens: Value =
        serde_json::from_str(&std::fs::read_to_string(data("tokenizer/tiny-B.json")).unwrap()).unwrap();
    let model = model("tiny-gemma3-q4_0");
    let ids = |text: &str| gemma(&["tokenize", &model, "-p", text, "--json"]).json()["ids"].clone();
    let strings = goldens["cases"].as_array().unwrap();
    for golden in strings.iter().filter(|g| !g["text"].as_str().unwrap().contains('\0')).take(12) {
        assert_eq!(ids(golden["text"].as_str().unwrap()), golden["ids"], "{golden}");
    }
    assert_eq!(ids(""), Value::Array(vec![]));
    let typed = gemma(&["tokenize", &model, "-p", "<end_of_turn>", "--special", "--json"]).json();
    assert_eq!(typed["ids"], serde_json::json!([106]));
    let plain = gemma(&["tokenize", &model, "-p", "<end_of_turn>"]);
    assert!(plain.succeeded().stdout.lines().count() > 1, "as text: {}", plain.stdout);
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
    assert!(plain.succeeded().stdout.contains("token_embd.weight"), "{}", plain.stdout);
}

fn synthetic_models_have_no_file() {
    let name = "synthetic:gemma-2b:q4_k_m:3";
    let page = gemma(&["inspect", name, "--json"]).json();
    assert_eq!(page["file"]["bytes"], 1_629_372_992_u64);
    assert_eq!(page["metadata"]["general.name"], "gemma-2b:q4_k_m:3 synthetic");
    assert_eq!(page["verdict"]["supported"], true);
    let ids = gemma(&["tokenize", name, "-p", "<end_of_turn>", "--special", "--json"]).json();
    assert_eq!(ids["ids"], serde_json::json!([107]));
}

fn synth_writes_the_same_bytes() {
    let name = "gemma-3-270m:q4_0";
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("synthetic.gguf");
    let file = path.to_str().unwrap();
    let page = gemma(&["synth", name, "-o", file, "--seed", "9", "--json"]).json();
    assert_eq!(page["bytes"], std::fs::metadata(&path).unwrap().len());
    let inspected = |model: &str| gemma(&["inspect", model, "--json"]).json();
    let (written, made) = (inspected(file), inspected(&format!("synthetic:{name}:9")));
    for part in ["metadata", "tensors", "sizes"] {
        assert_eq!(written[part], made[part], "{part}");
    }
    std::fs::remove_file(&path).unwrap();
    let outcome = gemma(&["synth", name, "-o", "no/such/folder/file.gguf"]);
    assert!(outcome.code == Some(1) && outcome.stderr.contains("written"), "{}", outcome.stderr);
}

/// A broken file, written to the build's folder for temporary files.
fn bad_file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

/// Offset of the first `wanted` in `bytes`.
fn position(bytes: &[u8], wanted: &[u8]) -> usize {
    bytes.windows(wanted.len()).position(|window| window == wanted).unwrap()
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
    // attn_q is [256, 512]; transposed, it has as many bytes.
    let turned = patched("turned.gguf", &|bytes| {
        let at = position(bytes, b"blk.0.attn_q.weight") + b"blk.0.attn_q.weight".len() + 4;
        bytes.copy_within(at..at + 8, at + 8);
        bytes[at..at + 8].copy_from_slice(&512_u64.to_le_bytes());
    });
    let cases = [
        (bad_file("header.gguf", &good[..1000]), "truncated", "truncated"),
        (bad_file("tensors.gguf", &good[..good.len() - 1000]), "truncated", "truncated"),
        (bad_file("text.gguf", b"Once upon a time there was no model."), "not_gguf", "not a GGUF file"),
        (bad_file("empty.gguf", b""), "truncated", "truncated"),
        (llama, "unsupported_architecture", "architecture \"llama\" is not supported"),
        (missing, "missing_tensor", "\"blk.1.ffn_up.weight\" is missing"),
        (turned, "wrong_shape", "\"blk.0.attn_q.weight\" has shape [512, 256], expected [256, 512]"),
        (PathBuf::from("no/such/model.gguf"), "io", "no/such/model.gguf"),
        (data("tiny"), "io", "not a regular file"),
    ];
    for (path, code, words) in cases {
        let path = path.to_str().unwrap();
        let plain = gemma(&["eval", path, "--ids", "2"]);
        assert_eq!((plain.code, plain.stdout.as_str()), (Some(1), ""), "{path}: {}", plain.stderr);
        assert!(
            plain.stderr.starts_with("error: ") && plain.stderr.contains(words),
            "{path}: {}",
            plain.stderr
        );
        assert_eq!(plain.stderr.lines().count(), 1, "{path}: one line: {}", plain.stderr);
        // The message ends with a remedy.
        let remedy = plain.stderr.trim_end().rsplit([';', ':']).next().unwrap();
        assert!(remedy.split(' ').count() > 3, "{path}: no remedy in {}", plain.stderr);

        let json = gemma(&["eval", path, "--ids", "2", "--json"]);
        assert_eq!((json.code, json.stdout.as_str()), (Some(1), ""), "{path}");
        let error: Value = serde_json::from_str(&json.stderr).unwrap();
        assert_eq!(error["error"]["code"], code, "{path}: {}", json.stderr);
        assert!(error["error"]["message"].as_str().unwrap().contains(words), "{path}: {}", json.stderr);
    }
    // The other commands refuse it as well; two of them read only as far as they need.
    let path = bad_file("text.gguf", b"Once upon a time there was no model.");
    let path = path.to_str().unwrap();
    for command in
        [&["run", path, "-p", "a"][..], &["chat", path], &["tokenize", path, "-p", "a"], &["inspect", path]]
    {
        assert_eq!(gemma(command).code, Some(1), "{command:?}");
    }
}
