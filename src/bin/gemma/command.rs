//! The command: reads the command line, runs a subcommand, reports an error.

mod adapter_records;
mod args;
mod bench;
mod eval;
mod generate_args;
mod inspect;
mod load;
mod output;
mod run;
mod source;
mod synth;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};

/// Entry point; clap itself prints help (exit code 0) and wrong usage (2).
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    let json = cli.json;
    let outcome = match &cli.command {
        Command::Run(args) => run::run(args, json),
        Command::Chat(args) => run::chat(args, json),
        Command::Eval(args) => eval::eval(args, json),
        Command::Perplexity(args) => eval::perplexity(args, json),
        Command::Tokenize(args) => inspect::tokenize(args, json),
        Command::Inspect(args) => inspect::inspect(args, json),
        Command::Bench(args) => bench::bench(args, json),
        Command::Synth(args) => synth::synth(args, json),
    };
    outcome.map_or_else(|failure| failure.report(json), |()| ExitCode::SUCCESS)
}
