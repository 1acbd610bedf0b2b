//! `gemma run` and `gemma chat`: text out, as it is generated.

use std::io::{self, BufRead, IsTerminal, Write};

use gemma_web::chat::Message;
use gemma_web::engine::{Engine, GenerateOptions, Generation};
use gemma_web::{Cancel, Error};
use pollster::block_on;

use super::args::{Chat, Run};
use super::load;
use super::output::{Failure, note, print, print_json};

pub(crate) fn run(args: &Run, json: bool) -> Result<(), Failure> {
    let options = args.generate.options();
    // Before the model is loaded, which may take a minute.
    options.validate()?;
    let mut engine = load::engine(&args.model, &args.model.load_options(), json)?;
    let ids = if args.chat {
        warn_unless_chat(&engine, json);
        engine.chat_ids(&[message("user", &args.prompt)])?
    } else {
        engine.prompt_ids(&args.prompt)?
    };
    generate(&mut engine, &ids, &options, json)?;
    Ok(())
}

pub(crate) fn chat(args: &Chat, json: bool) -> Result<(), Failure> {
    // The whole conversation is sent each time; only its last turn is new.
    let options = GenerateOptions { cache_prompt: true, ..args.generate.options() };
    options.validate()?;
    let mut engine = load::engine(&args.model, &args.model.load_options(), json)?;
    warn_unless_chat(&engine, json);
    let mut messages: Vec<Message> = args.system.iter().map(|text| message("system", text)).collect();
    while let Some(line) = read_line()? {
        if line.trim().is_empty() {
            continue;
        }
        messages.push(message("user", &line));
        let ids = engine.chat_ids(&messages)?;
        let reply = generate(&mut engine, &ids, &options, json)?;
        messages.push(message("assistant", &reply.text));
    }
    Ok(())
}

fn warn_unless_chat(engine: &Engine, json: bool) {
    if !engine.info().chat && !json {
        note("this model was not tuned for conversations: it may answer strangely and not stop by itself");
    }
}

fn message(role: &str, content: &str) -> Message {
    Message { role: role.to_owned(), content: content.to_owned() }
}

/// The next line of standard input without its end; `None` at the end of input.
fn read_line() -> Result<Option<String>, Failure> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        // A prompt that cannot be shown is no reason to stop.
        let _ = write!(io::stderr(), "> ");
    }
    let mut line = String::new();
    match stdin.lock().read_line(&mut line) {
        Ok(0) => Ok(None),
        Ok(_) => Ok(Some(line.trim_end_matches(['\r', '\n']).to_owned())),
        Err(e) => Err(Error::Io { path: "standard input".to_owned(), why: e.to_string() }.into()),
    }
}

/// Prints the text piece by piece and the timings to standard error; with `--json` one object at the end.
fn generate(
    engine: &mut Engine,
    ids: &[u32],
    options: &GenerateOptions,
    json: bool,
) -> Result<Generation, Failure> {
    let cancel = Cancel::default();
    let (mut printed, mut n_bytes) = (Ok(()), 0);
    let outcome = block_on(engine.generate(ids, options, &cancel, &mut |piece| {
        if !json && printed.is_ok() {
            printed = print(&piece.text);
            n_bytes += piece.text.len();
            if printed.is_err() {
                cancel.cancel();
            }
        }
    }));
    // The output that failed is the reason for the abort, not the abort.
    printed?;
    let generation = outcome?;
    if json {
        print_json(&generation)?;
    } else {
        // The pieces held back the bytes of a character that never became whole.
        print(generation.text.get(n_bytes..).unwrap_or_default())?;
        print("\n")?;
        let (usage, timings) = (&generation.usage, &generation.timings);
        note(format_args!(
            "{} prompt tokens, {:.1} per second; {} tokens, {:.1} per second",
            usage.prompt_tokens,
            timings.prompt_per_second,
            usage.completion_tokens,
            timings.decode_per_second
        ));
    }
    Ok(generation)
}
