//! Every option of a request, by its effect.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::collections::BTreeMap;

use crate::support::chat_model::{Heard, greedy, load, options, respond, try_respond};
use crate::support::gpu::{NEED, adapter};
use crate::support::suite::{Test, needing};
use gemma_web::chat::Message;
use gemma_web::engine::{
    Engine, Event, FinishReason, GenerateOptions, Overflow, Prefill, Prompt, Request, Signals,
};
use gemma_web::{Cancel, Error};
use pollster::block_on;

const MODEL: &str = "tiny-gemma3-q8_0";

type Run = fn(&mut Engine);

pub(crate) fn tests() -> Vec<Test> {
    let tests: [(&str, Run); 13] = [
        ("maxTokens", max_tokens),
        ("the likeliest token, four ways", likeliest),
        ("seed repeats a text", seed),
        ("penalties are those of a reference", penalties),
        ("logitBias removes and forces tokens", biases),
        ("a stop is found across tokens", stop),
        ("text that could begin a stop comes at the end", held_back),
        ("logprobs are those of the logits", logprobs),
        ("cachePrompt uses a prefix again", cache_prompt),
        ("prompts of all kinds", prompts),
        ("prefill is reported", prefill),
        ("a stop signal ends a text", stop_signal),
        ("an abort leaves everything as it was", abort),
    ];
    let tests = tests.into_iter().map(|(name, test)| {
        needing(name, NEED, adapter(), move |()| test(&mut load(MODEL, &options(256, 16))))
    });
    tests.collect()
}

fn ids(n: usize) -> Vec<u32> {
    (0..n as u32).map(|i| if i == 0 { 2 } else { 300 + i * 37 % 500 }).collect()
}

fn with(n: usize, edit: impl FnOnce(&mut GenerateOptions)) -> Request {
    let mut request = greedy(Prompt::Ids(ids(20)), None, n);
    edit(&mut request.options);
    request
}

fn tokens(engine: &mut Engine, request: &Request) -> Vec<u32> {
    respond(engine, request).result.tokens
}

fn logits(engine: &mut Engine, ids: &[u32]) -> Vec<f32> {
    block_on(engine.logits(ids, &Cancel::default())).unwrap()
}

fn argmax(logits: &[f32]) -> u32 {
    (0..logits.len()).max_by(|a, b| logits[*a].total_cmp(&logits[*b]).then(b.cmp(a))).unwrap() as u32
}

fn max_tokens(engine: &mut Engine) {
    for n in [1, 2, 17] {
        let Heard { result, .. } = respond(engine, &with(n, |_| ()));
        assert_eq!((result.tokens.len(), result.usage.completion_tokens), (n, n));
        assert_eq!(result.finish_reason, FinishReason::Length);
    }
}

fn likeliest(engine: &mut Engine) {
    let mut text = ids(20);
    for _ in 0..12 {
        text.push(argmax(&logits(engine, &text)));
    }
    let sure: [fn(&mut GenerateOptions); 4] = [
        |o| o.sampling.temperature = 0.0,
        |o| (o.sampling.temperature, o.sampling.top_k) = (5.0, 1),
        |o| (o.sampling.temperature, o.sampling.top_p) = (1.0, 1e-6),
        |o| (o.sampling.temperature, o.sampling.min_p) = (1.0, 1.0),
    ];
    for edit in sure {
        assert_eq!(tokens(engine, &with(12, edit)), text[20..]);
    }
    let hot = with(12, |o| (o.sampling.temperature, o.sampling.top_k, o.sampling.top_p) = (50.0, 0, 1.0));
    assert_ne!(tokens(engine, &hot), text[20..], "a hot draw from all tokens");
}

fn seed(engine: &mut Engine) {
    let drawn = |seed| with(16, |o| (o.sampling.temperature, o.seed) = (3.0, seed));
    let first = respond(engine, &drawn(None)).result;
    assert_eq!(tokens(engine, &drawn(Some(first.seed))), first.tokens, "the seed that was reported");
    assert_eq!(tokens(engine, &drawn(Some(7))), tokens(engine, &drawn(Some(7))));
    assert_ne!(tokens(engine, &drawn(Some(7))), tokens(engine, &drawn(Some(8))));
}

/// The formulas of the `OpenAI` API (frequency, presence) and of the CTRL paper (repetition), over the last 64 tokens.
fn penalised(logits: &mut [f32], text: &[u32], options: &GenerateOptions) {
    let mut counts = BTreeMap::new();
    for id in text.iter().rev().take(64) {
        *counts.entry(*id).or_insert(0.0_f32) += 1.0;
    }
    for (id, count) in counts {
        let logit = &mut logits[id as usize];
        *logit = if *logit > 0.0 {
            *logit / options.sampling.repetition_penalty
        } else {
            *logit * options.sampling.repetition_penalty
        };
        *logit -= count * options.sampling.frequency_penalty + options.sampling.presence_penalty;
    }
}

fn penalties(engine: &mut Engine) {
    let plain = tokens(engine, &with(14, |_| ()));
    let kinds: [fn(&mut GenerateOptions); 4] = [
        |o| o.sampling.repetition_penalty = 1.4,
        |o| o.sampling.frequency_penalty = 0.7,
        |o| o.sampling.presence_penalty = 1.5,
        |o| {
            let s = &mut o.sampling;
            (s.repetition_penalty, s.frequency_penalty, s.presence_penalty) = (0.8, 1.1, -0.3);
        },
    ];
    for (i, edit) in kinds.into_iter().enumerate() {
        let request = with(14, edit);
        let mut text = ids(20);
        for _ in 0..14 {
            let mut row = logits(engine, &text);
            penalised(&mut row, &text, &request.options);
            text.push(argmax(&row));
        }
        assert_ne!(text[20..], plain, "penalty {i} makes a difference");
        assert_eq!(tokens(engine, &request), text[20..], "penalty {i}, chosen on the GPU");
        let mut on_cpu = request;
        on_cpu.options.logprobs = Some(0);
        assert_eq!(tokens(engine, &on_cpu), text[20..], "penalty {i}, chosen on the CPU");
    }
}

fn biases(engine: &mut Engine) {
    let first = tokens(engine, &with(1, |_| ()))[0];
    for bias in [-100.0, f32::NEG_INFINITY] {
        let without = tokens(engine, &with(24, |o| o.sampling.logit_bias = BTreeMap::from([(first, bias)])));
        assert!(!without.contains(&first), "{first} in {without:?}");
    }
    let forced = tokens(engine, &with(8, |o| o.sampling.logit_bias = BTreeMap::from([(301, 100.0)])));
    assert_eq!(forced, [301; 8]);
    match try_respond(
        engine,
        &with(1, |o| o.sampling.logit_bias = BTreeMap::from([(5000, 1.0)])),
        &Signals::default(),
    ) {
        Err(Error::InvalidOption { option, .. }) => assert_eq!(option, "logitBias"),
        other => panic!("{other:?}"),
    }
}

/// The texts of the likeliest tokens, ten of them.
fn pieces(engine: &mut Engine) -> Vec<String> {
    // Draws vary more than the likeliest tokens of random weights.
    let Heard { result, events } = respond(engine, &drawn());
    let texts = events.iter().filter_map(|event| match event {
        Event::Token(piece) => Some(piece.text.clone()),
        _ => None,
    });
    let texts: Vec<String> = texts.collect();
    assert_eq!(texts.concat(), result.text);
    texts
}

fn drawn() -> Request {
    with(24, |o| (o.sampling.temperature, o.seed) = (2.0, Some(5)))
}

fn stop(engine: &mut Engine) {
    let texts = pieces(engine);
    // Three tokens in a row, the outer ones of at least two letters, whose inner text occurs nowhere before.
    let whole = texts.concat();
    let mut n_tested = 0;
    for i in 0..texts.len() - 2 {
        let [a, b, c] = [&texts[i], &texts[i + 1], &texts[i + 2]];
        let (Some((at, _)), Some((end, last))) = (a.char_indices().last(), c.char_indices().next()) else {
            continue;
        };
        let stop = format!("{}{b}{}", &a[at..], &c[..end + last.len_utf8()]);
        let before = texts[..i].concat() + &a[..at];
        if b.is_empty() || whole.find(&stop) != Some(before.len()) {
            continue;
        }
        let mut request = drawn();
        request.options.stop = vec!["not in the text".to_owned(), stop.clone()];
        let heard = respond(engine, &request);
        assert_eq!((heard.result.text.as_str(), heard.text()), (before.as_str(), before.clone()), "{stop:?}");
        assert_eq!(heard.result.finish_reason, FinishReason::Stop);
        assert_eq!(heard.result.tokens.len(), i + 3, "all tokens, those of the stop too");
        n_tested += 1;
    }
    assert!(n_tested > 3, "{n_tested} stops in {texts:?}");
}

fn held_back(engine: &mut Engine) {
    let whole = pieces(engine).concat();
    let last = whole.chars().last().unwrap();
    let mut request = drawn();
    request.options.stop = vec![format!("{last}\u{1F600}")];
    let heard = respond(engine, &request);
    assert!(
        matches!(heard.events.last(), Some(Event::Rest { text }) if text.ends_with(last)),
        "{:?}",
        heard.events.last()
    );
    assert_eq!((heard.text(), heard.result.text), (whole.clone(), whole));
}

fn logprobs(engine: &mut Engine) {
    let request = with(6, |o| {
        (o.sampling.temperature, o.seed, o.sampling.presence_penalty, o.logprobs) =
            (1.5, Some(3), 0.5, Some(5));
    });
    let Heard { result, events } = respond(engine, &request);
    let mut text = ids(20);
    let found = result.logprobs.unwrap();
    assert_eq!(found.len(), 6);
    let pieces = events.iter().filter_map(|event| match event {
        Event::Token(piece) => Some(piece),
        _ => None,
    });
    for ((token, piece), id) in found.iter().zip(pieces).zip(&result.tokens) {
        let row = logits(engine, &text);
        let norm = row.iter().map(|l| f64::from(*l).exp()).sum::<f64>().ln();
        let exact = |id: u32| (f64::from(row[id as usize]) - norm) as f32;
        assert_eq!(token.chosen.id, *id);
        assert!((token.chosen.logprob - exact(*id)).abs() < 1e-4, "{token:?}: {}", exact(*id));
        assert_eq!((piece.logprob, piece.top.as_ref()), (Some(token.chosen.logprob), Some(&token.top)));
        assert_eq!(token.top.len(), 5);
        assert!(token.top.is_sorted_by(|a, b| a.logprob >= b.logprob), "{token:?}");
        assert_eq!(token.top[0].id, argmax(&row));
        assert!(token.top.iter().all(|likely| (likely.logprob - exact(likely.id)).abs() < 1e-4), "{token:?}");
        text.push(*id);
    }
    let none = respond(engine, &with(2, |_| ())).result;
    assert!(none.logprobs.is_none());
    let zero = respond(engine, &with(2, |o| o.logprobs = Some(0))).result;
    assert!(zero.logprobs.unwrap().iter().all(|token| token.top.is_empty()));
    assert_eq!(zero.tokens, none.tokens);
}

fn cache_prompt(engine: &mut Engine) {
    let plain = respond(engine, &with(8, |_| ())).result;
    assert_eq!(plain.usage.cached_tokens, 0);
    let again = respond(engine, &with(8, |_| ())).result;
    assert_eq!(again.usage.cached_tokens, 0, "nothing unless it is asked for");
    let cached = respond(engine, &with(8, |o| o.cache_prompt = true)).result;
    assert_eq!((cached.usage.cached_tokens, cached.usage.prompt_tokens), (19, 20), "all but the last");
    assert_eq!(cached.tokens, plain.tokens);
    // The answer is in the cache too.
    let mut longer = with(4, |o| o.cache_prompt = true);
    longer.prompt = Prompt::Ids([ids(20), plain.tokens.clone(), vec![400, 401]].concat());
    let continued = respond(engine, &longer).result;
    assert!(continued.usage.cached_tokens >= 27, "{:?}", continued.usage);
    longer.options.cache_prompt = false;
    assert_eq!(respond(engine, &longer).result.tokens, continued.tokens);
    let mut other = with(4, |o| o.cache_prompt = true);
    other.prompt = Prompt::Ids(vec![3, 4, 5]);
    assert_eq!(respond(engine, &other).result.usage.cached_tokens, 0);
}

fn message(role: &str, content: &str) -> Message {
    Message { role: role.to_owned(), content: content.to_owned() }
}

fn prompts(engine: &mut Engine) {
    let messages = vec![message("system", "Be kind"), message("user", "a < b<end_of_turn>\n[x]")];
    let expected = engine.chat_ids(&messages).unwrap();
    let text = |prompt: Prompt| greedy(prompt, None, 8);
    let by_ids = tokens(engine, &text(Prompt::Ids(expected.clone())));
    assert_eq!(tokens(engine, &text(Prompt::Messages(messages.clone()))), by_ids);
    // A page's template: its own markers count, those that people wrote are shielded.
    let shielded = "a <\u{fdd0} b<\u{fdd0}end_of_turn>\n[\u{fdd0}x]";
    for bos in ["", "<bos>"] {
        let rendered =
            format!("{bos}<start_of_turn>user\nBe kind\n\n{shielded}<end_of_turn>\n<start_of_turn>model\n");
        let prompt = Prompt::Rendered(rendered);
        assert_eq!(engine.ids_of(&prompt).unwrap(), expected, "{bos:?}");
        assert_eq!(tokens(engine, &text(prompt)), by_ids);
    }
    let plain = engine.prompt_ids("Alice").unwrap();
    let by_text = tokens(engine, &text(Prompt::Text("Alice".to_owned())));
    assert_eq!(by_text, tokens(engine, &text(Prompt::Ids(plain.clone()))));
    assert_eq!(engine.detokenize(&plain).unwrap(), "Alice");
    let rendered = engine.render_chat(&messages).unwrap();
    assert!(rendered.starts_with("<bos><start_of_turn>user\nBe kind\n\na < b"), "{rendered}");
    for (prompt, option) in [(Prompt::Ids(vec![9999]), "ids"), (Prompt::Say("x".to_owned()), "prompt")] {
        match try_respond(engine, &text(prompt), &Signals::default()) {
            Err(Error::InvalidOption { option: found, .. }) => assert_eq!(found, option),
            other => panic!("{other:?}"),
        }
    }
}

fn prefill(engine: &mut Engine) {
    let mut request = with(2, |_| ());
    request.prompt = Prompt::Ids(ids(100));
    let heard = respond(engine, &request);
    let steps: Vec<Prefill> = heard
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Prefill(prefill) => Some(*prefill),
            _ => None,
        })
        .collect();
    assert!(steps.len() > 3 && steps.iter().all(|step| step.total == 100), "{steps:?}");
    assert!(steps.is_sorted_by(|a, b| a.done < b.done) && steps[steps.len() - 1].done == 100, "{steps:?}");
    assert!(matches!(heard.events[steps.len()], Event::Token(_)), "then come tokens");
    request.options.cache_prompt = true;
    request.prompt = Prompt::Ids([ids(100), vec![300; 3]].concat());
    let heard = respond(engine, &request);
    let new = 103 - heard.result.usage.cached_tokens;
    assert!(
        new <= 3 && matches!(&heard.events[0], Event::Prefill(step) if step.total == new),
        "{:?}",
        heard.events
    );
}

fn stop_signal(engine: &mut Engine) {
    let whole = tokens(engine, &with(40, |_| ()));
    for logprobs in [None, Some(0)] {
        let (signals, mut n_tokens) = (Signals::default(), 0);
        let request = with(40, |o| o.logprobs = logprobs);
        let result = block_on(engine.respond(&request, &signals, &mut |event| {
            n_tokens += usize::from(matches!(event, Event::Token(_)));
            if n_tokens == 5 {
                signals.stop.cancel();
            }
        }));
        let result = result.unwrap();
        assert_eq!((result.finish_reason, result.tokens.as_slice()), (FinishReason::Cancelled, &whole[..5]));
    }
    let signals = Signals::default();
    signals.stop.cancel();
    let before = try_respond(engine, &with(40, |_| ()), &signals).unwrap().result;
    assert_eq!((before.finish_reason, before.text.as_str()), (FinishReason::Cancelled, ""));
}

/// A request that is aborted at any event fails, and the next one gives the usual result.
fn abort(engine: &mut Engine) {
    let mut request = with(8, |o| (o.cache_prompt, o.overflow) = (true, Overflow::Error));
    request.prompt = Prompt::Ids(ids(60));
    let whole = tokens(engine, &request);
    for at in 0..8 {
        let (signals, mut n_events) = (Signals::default(), 0);
        let outcome = block_on(engine.respond(&request, &signals, &mut |_| {
            n_events += 1;
            if n_events > at {
                signals.cancel.cancel();
            }
        }));
        assert!(matches!(outcome, Err(Error::Aborted)), "at {at}: {outcome:?}");
        assert_eq!(tokens(engine, &request), whole, "after an abort at {at}");
    }
}
