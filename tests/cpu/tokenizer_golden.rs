//! The tokenizer against SentencePiece and llama.cpp: every golden string on the two small vocabularies inside the
//! tiny models, and on the real ones if `GEMMA_WEB_VOCAB_DIR` names a folder with `gemma2-vocab.gguf.gz` and
//! `gemma3-vocab.gguf.gz`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed assumption fails the test"
)]

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use gemma_web::chat::{self, Message, Template};
use gemma_web::tokenizer::{Special, Tokenizer};
use serde_json::Value;

use crate::support::suite::{Test, needing, test};
use crate::support::vocab::{RawVocab, data, tiny, tokenizer};

const MODES: [Special; 3] = [Special::AsText, Special::Markers, Special::Parse];

pub(crate) fn tests() -> Vec<Test> {
    let mut list = Vec::new();
    for (name, model) in [("tiny-A", "tiny-gemma1-q4_0.gguf"), ("tiny-B", "tiny-gemma3-q4_0.gguf")] {
        list.push(test(format!("{name}: every golden string"), move || {
            check_strings(&tokenizer(&tiny(model)), name, "llama");
        }));
        list.push(test(format!("{name}: written as in 2024-02"), move || {
            let raw = RawVocab::of(&tiny(model));
            check_strings(&tokenizer(&raw.written_as_in_2024_02().to_gguf()), name, "llama");
        }));
    }
    for (name, file) in [("gemma1-2", "gemma2-vocab.gguf.gz"), ("gemma3", "gemma3-vocab.gguf.gz")] {
        let real = |what: &str, run: fn(&'static str, Vec<u8>)| {
            needing(
                &format!("{name}: {what}"),
                "GEMMA_WEB_VOCAB_DIR",
                vocab_file(file),
                move |path: PathBuf| {
                    run(name, gunzip(&path));
                },
            )
        };
        list.push(real("every golden string", |name, bytes| {
            let key = if name == "gemma3" { "llama" } else { "llama_modern" };
            check_strings(&tokenizer(&bytes), name, key);
        }));
        list.push(real("a whole text", |name, bytes| {
            check_text(&tokenizer(&bytes), name);
        }));
        list.push(real("every golden conversation", |name, bytes| {
            check_chat(&tokenizer(&bytes), name);
        }));
        if name == "gemma1-2" {
            list.push(real("written as in 2024-02", |name, bytes| {
                let mut raw = RawVocab::of(&bytes);
                for entry in golden("gemma1-2024-02-overrides")["entries"].as_array().unwrap() {
                    let id = entry[0].as_u64().unwrap() as usize;
                    raw.pieces[id] = entry[1].as_str().unwrap().to_owned();
                    raw.scores[id] = 0.0;
                    raw.types[id] = entry[3].as_i64().unwrap() as i32;
                }
                check_strings(&tokenizer(&raw.to_gguf()), name, "llama_modern");
            }));
        }
    }
    list
}

/// All strings in all modes. The goldens hold SentencePiece's ids, and llama.cpp's where they differ.
fn check_strings(tokenizer: &Tokenizer, name: &str, llama: &str) {
    let golden = golden(name);
    let mut wrong = Vec::new();
    for case in golden["cases"].as_array().unwrap() {
        let text = case["text"].as_str().unwrap();
        let spm = ids(&case["ids"]);
        // llama.cpp makes no runs of literal U+2581, and takes `</s>` for an end token; SentencePiece is matched.
        let llama_is_odd = text.contains('\u{2581}');
        let of_llama = |key: &str| {
            let ids = case.get(format!("{llama}_{key}")).filter(|_| !llama_is_odd).map(ids);
            ids.unwrap_or_else(|| spm.clone())
        };
        let plain = if text.contains("</s>") { spm.clone() } else { of_llama("plain") };
        let has_plain = name == "gemma3" || name == "gemma1-2" || !names_a_marker(text);
        for (mode, expected) in MODES.into_iter().zip([plain, spm.clone(), of_llama("special")]) {
            let found = tokenizer.encode(text, mode).unwrap();
            if found != expected && (mode != Special::AsText || has_plain) {
                wrong.push(format!("{text:?} {mode:?}: expected {expected:?}, found {found:?}"));
            }
        }
        let plain = tokenizer.encode(text, Special::AsText).unwrap();
        let decoded = case.get("spm_decode").and_then(Value::as_str).map(str::to_owned);
        let decoded = decoded.unwrap_or_else(|| text.replace('\u{2581}', " "));
        if tokenizer.decode(&plain) != decoded {
            wrong.push(format!("{text:?} decodes to {:?}", tokenizer.decode(&plain)));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// The small vocabularies' goldens have no ids for text that spells a marker out; decoding shows that it is text.
fn names_a_marker(text: &str) -> bool {
    ["<start_of_", "<end_of_", "<mask>", "<unused", "<2mass>", "[@BOS@]"]
        .iter()
        .any(|marker| text.contains(marker))
}

/// A chapter of a book, and the prompts of the real model.
fn check_text(tokenizer: &Tokenizer, name: &str) {
    let golden = golden(&format!("ppl-text-{name}"));
    let text = fs::read_to_string(data("real/ppl-text.txt")).unwrap();
    let mut found = tokenizer.encode(&text, Special::AsText).unwrap();
    assert_eq!(tokenizer.decode(&found), text);
    let expected = ids(&golden["ids"]);
    if name == "gemma3" {
        found.insert(0, 2);
        found.truncate(expected.len());
    }
    assert_eq!(found, expected);
    for prompt in golden["prompts"].as_array().into_iter().flatten() {
        let text = prompt["text"].as_str().unwrap();
        assert_eq!(tokenizer.encode(text, Special::Markers).unwrap(), ids(&prompt["ids"])[1..], "{text:?}");
    }
}

/// Conversations to ids. If a user typed a turn marker, the official template lets it end the turn; ours does not.
fn check_chat(tokenizer: &Tokenizer, name: &str) {
    let template = if name == "gemma3" { Template::WithSystem } else { Template::WithoutSystem };
    let golden = golden("chat");
    for case in golden[name].as_array().unwrap().iter().filter(|case| case.get("ids").is_some()) {
        let messages: Vec<Message> = serde_json::from_value(case["messages"].clone()).unwrap();
        let found = chat::encode(tokenizer, template, &messages).unwrap();
        if messages.iter().any(|message| message.content.contains("<end_of_turn>")) {
            let end = tokenizer.id_of("<end_of_turn>");
            assert_eq!(found.iter().filter(|id| Some(**id) == end).count(), messages.len());
        } else {
            assert_eq!(found, ids(&case["ids"]), "{case}");
        }
    }
}

fn golden(name: &str) -> Value {
    serde_json::from_slice(&fs::read(data(&format!("tokenizer/{name}.json"))).unwrap()).unwrap()
}

fn ids(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

fn vocab_file(name: &str) -> Option<PathBuf> {
    std::env::var_os("GEMMA_WEB_VOCAB_DIR").map(|folder| Path::new(&folder).join(name))
}

fn gunzip(path: &Path) -> Vec<u8> {
    let file = fs::File::open(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(file).read_to_end(&mut bytes).unwrap();
    bytes
}
