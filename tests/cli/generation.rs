//! Output of the command for a model on the GPU.

use crate::support::gpu::{NEED, adapter};
use crate::support::suite::{Test, needing};
use serde_json::Value;

use crate::support::goldens::{data, goldens};
use crate::{gemma, gemma_with_input, model};

pub(crate) fn tests() -> Vec<Test> {
    let on_gpu = |name, test: fn()| needing(name, NEED, adapter(), move |()| test());
    vec![
        on_gpu("eval prints the golden logits", eval_prints_logits),
        on_gpu("eval adds BOS once to a prompt", eval_adds_bos),
        on_gpu("run prints JSON or text", run_prints),
        on_gpu("run repeats itself with a seed", run_is_repeatable),
        on_gpu("run takes biases and penalties", run_takes_biases),
        on_gpu("chat answers each line", chat_answers),
        on_gpu("perplexity of a window", perplexity_of_a_window),
        on_gpu("bench reports speeds and counts", bench_reports),
        on_gpu("requests that the model cannot fulfil", impossible_requests),
    ]
}

fn eval_prints_logits() {
    let goldens = goldens("tiny/tiny-gemma3-q4_0");
    let prompt = goldens.prompts.iter().find(|prompt| prompt.name == "text17").unwrap();
    let ids = prompt.ids.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
    let page =
        gemma(&["eval", &model("tiny-gemma3-q4_0"), "--ids", &ids, "--top", "20", "--kv", "f32", "--json"])
            .json();
    let logits = page["logits"].as_array().unwrap();
    assert_eq!(logits.len(), 20);
    for (found, (id, logit)) in logits.iter().zip(&prompt.top20) {
        assert_eq!(found["id"], *id, "{page}");
        assert!((found["logit"].as_f64().unwrap() - f64::from(*logit)).abs() < 2e-3, "{page}");
    }
}

fn eval_adds_bos() {
    let model = model("tiny-gemma1-q4_0");
    let text = "Alice was beginning";
    let ids = gemma(&["tokenize", &model, "-p", text, "--json"]).json();
    let ids = ids["ids"].as_array().unwrap().iter().fold("2".to_owned(), |all, id| format!("{all},{id}"));
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
    for timing in ["promptMs", "firstTokenMs", "decodeMs", "promptPerSecond", "decodePerSecond"] {
        assert!(page["timings"][timing].as_f64().is_some_and(|x| x >= 0.0), "{timing} in {page}");
    }
    let plain = gemma(&args);
    assert_eq!(plain.succeeded().stdout, format!("{}\n", page["text"].as_str().unwrap()));
    assert!(plain.stderr.contains("per second"), "the timings: {}", plain.stderr);
    let turn = gemma(&[&args[..], &["--chat", "--json"]].concat()).json();
    assert_ne!(turn["usage"]["promptTokens"], page["usage"]["promptTokens"], "the turn format adds tokens");
}

fn run_is_repeatable() {
    let model = model("tiny-gemma1-q4_0");
    let tokens = |seed: &str| {
        let args = ["run", &model, "-p", "Alice", "-n", "16", "--temperature", "2", "--seed", seed, "--json"];
        gemma(&args).json()["tokens"].clone()
    };
    assert_eq!(tokens("7"), tokens("7"));
    assert_ne!(tokens("7"), tokens("8"), "another seed, another text");
}

fn run_takes_biases() {
    let model = model("tiny-gemma1-q4_0");
    let tokens = |options: &[&str]| {
        let args = ["run", &model, "-p", "Alice", "-n", "4", "--temperature", "0", "--json"];
        gemma(&[&args[..], options].concat()).json()["tokens"].to_string()
    };
    assert_eq!(tokens(&["--logit-bias", "30=100,31=-inf"]), "[30,30,30,30]");
    let penalised = tokens(&["--logit-bias", "30=100,31=70", "--repetition-penalty", "2"]);
    assert!(penalised.starts_with("[30,31,"), "{penalised}");
}

fn chat_answers() {
    let model = model("tiny-gemma3-q4_0");
    let args = ["chat", &model, "-n", "4", "--temperature", "0", "--json"];
    let outcome = gemma_with_input(&args, "Hello!\n\nAnd now?\n");
    let replies: Vec<Value> =
        outcome.succeeded().stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(replies.len(), 2, "{}", outcome.stdout);
    let n_prompt = |reply: &Value| reply["usage"]["promptTokens"].as_u64().unwrap();
    assert!(n_prompt(&replies[1]) > n_prompt(&replies[0]), "the conversation grows: {}", outcome.stdout);
}

fn perplexity_of_a_window() {
    let text = data("real/ppl-text.txt");
    let (model, text) = (model("tiny-gemma3-q8_0"), text.to_str().unwrap());
    let page = gemma(&["perplexity", &model, "--file", text, "--tokens", "100", "--json"]).json();
    assert_eq!(page["tokens"], 100);
    let (perplexity, nll) = (page["perplexity"].as_f64().unwrap(), page["nll"].as_f64().unwrap());
    assert!((perplexity.ln() - nll).abs() < 1e-9 && nll > 0.0, "{page}");
    let too_many = gemma(&["perplexity", &model, "--file", text, "--tokens", "100000", "--context", "64"]);
    assert_eq!(too_many.code, Some(2), "{}", too_many.stderr);
    let no_text = gemma(&["perplexity", &model, "--file", "no/such/text"]);
    assert!(no_text.code == Some(1) && no_text.stderr.contains("no/such/text"), "{}", no_text.stderr);
}

fn bench_reports() {
    let model = model("tiny-gemma1-q4_0");
    let args = ["bench", &model, "-p", "20", "-n", "6", "-r", "2", "-d", "0,60"];
    let page = gemma(&[&args[..], &["--json"]].concat()).json();
    for (test, n_tokens) in [("prompt", 20), ("generation", 6)] {
        let speed = &page[test]["tokensPerSecond"];
        assert_eq!(page[test]["tokens"], n_tokens, "{page}");
        assert_eq!(speed["runs"].as_array().unwrap().len(), 2, "{page}");
        let at = |name: &str| speed[name].as_f64().unwrap();
        assert!(0.0 < at("min") && at("min") <= at("median") && at("median") <= at("max"), "{page}");
        assert!(page[test]["counts"]["dispatches"].as_u64().is_some_and(|n| n > 0), "{page}");
    }
    for number in
        ["/roofline/gigabytesPerSecond", "/perToken/dispatches", "/generation/ofRoofline", "/loadMs"]
    {
        assert!(page.pointer(number).and_then(Value::as_f64).is_some_and(|x| x > 0.0), "{number} in {page}");
    }
    assert_eq!(page["file"]["name"], "tiny-gemma1-q4_0.gguf");
    assert_eq!(page["gate"]["tokens"].as_array().unwrap().len(), 8, "{page}");
    assert_eq!(page["depths"][1]["depth"], 60, "{page}");
    assert!(page["kernels"]["decode"]["kernels"].as_array().is_some_and(|rows| rows.len() > 3), "{page}");
    let date = page["date"].as_str().unwrap();
    assert!(date.len() == 10 && date.starts_with("20"), "{date}");

    let plain = gemma(&[&args[..], &["--protocol", "litert"]].concat());
    for words in ["pp20", "tg6 @ d20", "tg6 @ d60", "% of memory speed", "checked", "kernels of a token"] {
        assert!(plain.succeeded().stdout.contains(words), "{words} in {}", plain.stdout);
    }
    let alone =
        gemma(&["bench", &model, "-p", "0", "-n", "2", "--no-roofline", "--no-kernels", "--json"]).json();
    assert!(
        alone["prompt"].is_null() && alone["roofline"].is_null() && alone["kernels"].is_null(),
        "{alone}"
    );
    let short = gemma(&["bench", &model, "-p", "500", "--context", "100"]);
    assert!(short.code == Some(2) && short.stderr.contains("--context"), "{}", short.stderr);
}

fn impossible_requests() {
    let model = model("tiny-gemma1-q4_0");
    let adapter = gemma(&["eval", &model, "--ids", "2", "--adapter", "no such adapter"]);
    assert!(adapter.code == Some(1) && adapter.stderr.contains("no such adapter"), "{}", adapter.stderr);
    let ids = gemma(&["eval", &model, "--ids", "2,1024"]);
    assert!(ids.code == Some(2) && ids.stderr.contains("1024"), "{}", ids.stderr);
    let long = gemma(&["eval", &model, "--ids", "2,3,4,5,6", "--context", "4"]);
    assert!(long.code == Some(1) && long.stderr.contains("context"), "{}", long.stderr);
}
