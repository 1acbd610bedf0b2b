//! Arguments of the command line, as clap reads them.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use gemma_web::bench::{self, BenchOptions};
use gemma_web::engine::{DeviceChoice, KvType, LoadOptions, SelfTest, Tested};
use gemma_web::gpu::{GpuOptions, Tuning};

use super::generate_args::Generate;

/// Runs Google's Gemma from a GGUF file on the GPU.
///
/// The result goes to standard output, everything else to standard error. Exit codes: 0 done, 1 failed, 2
/// wrong usage.
#[derive(Debug, Parser)]
#[command(name = "gemma", version, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Print the result, and an error, as JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Continue a prompt.
    Run(Run),
    /// Talk, one line a message, until the end of input.
    Chat(Chat),
    /// Print the highest logits after a prompt.
    Eval(Eval),
    /// Measure how well the model predicts a text.
    Perplexity(Perplexity),
    /// Print the ids of a text, without BOS; needs no GPU.
    Tokenize(Tokenize),
    /// Print what is in a file and whether it can be run; needs no GPU.
    Inspect(Inspect),
    /// Check the results, then measure prompt and generation speed and the time of each kernel.
    Bench(Bench),
    /// Write a GGUF file with random weights in the shape of a real model.
    Synth(Synth),
}

/// Download of a model that is an address.
#[derive(Debug, Args)]
pub(crate) struct Download {
    /// Refuse a downloaded model with another SHA-256.
    #[arg(long, value_name = "HEX")]
    pub(crate) sha256: Option<String>,
    /// Send this header with each request of a download; may be given several times.
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = name_and_value)]
    pub(crate) headers: Vec<(String, String)>,
    /// Neither keep a downloaded model nor look for it in the cache.
    #[arg(long)]
    pub(crate) no_cache: bool,
}

/// The model and the GPU it runs on.
#[derive(Debug, Args)]
pub(crate) struct Model {
    /// The GGUF file, or the first of its shards; or an address that begins with `https://`, `http://` or,
    /// for Hugging Face, `hf:owner/repo/file.gguf` with or without `@revision`; or `synthetic:SHAPE:FORMAT`.
    ///
    /// Downloads are kept in the user's cache folder. The token in `HF_TOKEN` is sent to Hugging Face.
    #[arg(required_unless_present = "synthetic")]
    pub(crate) model: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) download: Download,
    /// Take random weights in the shape of a real model instead of a file, such as gemma-2b:q4_0: the speed
    /// is that of the real model, the text is not.
    #[arg(long, value_name = "SHAPE:FORMAT", conflicts_with = "model")]
    pub(crate) synthetic: Option<String>,
    /// Where to run: the GPU, the CPU, or the GPU if there is one.
    #[arg(long, value_enum, default_value = "auto")]
    pub(crate) device: Device,
    /// Threads of the CPU [default: one for each core].
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) threads: Option<usize>,
    /// Take the GPU adapter with this in its name, any case.
    #[arg(long, value_name = "NAME")]
    pub(crate) adapter: Option<String>,
    /// Tokens that fit in the context [default: the model's own, at most 4096].
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) context: Option<usize>,
    /// Type of the KV cache.
    #[arg(long, value_enum, default_value = "f16")]
    pub(crate) kv: Kv,
    /// Prompt tokens computed at once, at most.
    #[arg(long, value_name = "N", default_value = "256", value_parser = at_least_one)]
    pub(crate) prefill_chunk: usize,
    /// Variants of the kernels, f32/1, f32/32, int8/1 or int8/32 [default: the fastest, by a short
    /// measurement]. On the CPU, f32 is exact and int8 the default.
    #[arg(long, value_name = "NAME")]
    pub(crate) tuning: Option<Tuning>,
    /// Kernels to compare with their CPU twins first: all (full), those that did not pass before (fast), or
    /// none (off).
    #[arg(long, value_name = "WHICH", default_value = "fast", value_parser = ["full", "fast", "off"])]
    pub(crate) self_test: String,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Device {
    /// The GPU if there is one, else the CPU.
    Auto,
    /// The GPU.
    Gpu,
    /// The CPU.
    Cpu,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Kv {
    /// Half the memory.
    F16,
    /// Exact.
    F32,
}

impl Model {
    pub(crate) fn load_options(&self) -> LoadOptions {
        LoadOptions {
            device: match self.device {
                Device::Auto => DeviceChoice::Auto,
                Device::Gpu => DeviceChoice::Gpu,
                Device::Cpu => DeviceChoice::Cpu,
            },
            threads: self.threads,
            context_length: self.context,
            prefill_chunk: self.prefill_chunk,
            tuning: self.tuning,
            self_test: match self.self_test.as_str() {
                "full" => SelfTest::Full,
                "off" => SelfTest::Off,
                _ => SelfTest::Fast,
            },
            tested: Tested::default(),
            kv: match self.kv {
                Kv::F16 => KvType::F16,
                Kv::F32 => KvType::F32,
            },
            gpu: GpuOptions { adapter: self.adapter.clone(), ..GpuOptions::default() },
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) model: Model,
    /// The text to continue, taken as text: BOS is added once, control tokens written out in it stay text.
    #[arg(short, long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) prompt: String,
    /// Wrap the prompt in the turn format of the instruction-tuned models.
    #[arg(long)]
    pub(crate) chat: bool,
    #[command(flatten)]
    pub(crate) generate: Generate,
}

#[derive(Debug, Args)]
pub(crate) struct Chat {
    #[command(flatten)]
    pub(crate) model: Model,
    /// Instructions put before the first message.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) system: Option<String>,
    #[command(flatten)]
    pub(crate) generate: Generate,
}

#[derive(Debug, Args)]
pub(crate) struct Eval {
    #[command(flatten)]
    pub(crate) model: Model,
    #[command(flatten)]
    pub(crate) prompt: IdsOrPrompt,
    /// Number of logits to print, highest first.
    #[arg(long, value_name = "N", default_value = "20", value_parser = at_least_one)]
    pub(crate) top: usize,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct IdsOrPrompt {
    /// Token ids, taken as they are: no BOS is added.
    #[arg(long, value_name = "ID,ID,…", value_delimiter = ',')]
    pub(crate) ids: Vec<u32>,
    /// A text; BOS is added once.
    #[arg(short, long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) prompt: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Perplexity {
    #[command(flatten)]
    pub(crate) model: Model,
    /// The text, UTF-8.
    #[arg(long, value_name = "PATH")]
    pub(crate) file: PathBuf,
    /// Use only the first N tokens, BOS included, in one window [default: as many as the context holds].
    #[arg(long, value_name = "N", value_parser = at_least_two)]
    pub(crate) tokens: Option<usize>,
}

#[derive(Debug, Args)]
pub(crate) struct Tokenize {
    /// The GGUF file, or an address; one with a vocabulary and no tensors will do.
    pub(crate) model: PathBuf,
    #[command(flatten)]
    pub(crate) download: Download,
    /// The text.
    #[arg(short, long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) prompt: String,
    /// Turn control tokens written out in the text, such as `<end_of_turn>`, into their ids.
    #[arg(long)]
    pub(crate) special: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// The GGUF file, or an address.
    pub(crate) model: PathBuf,
    #[command(flatten)]
    pub(crate) download: Download,
    /// Plan the memory for a context of N tokens [default: the model's own, at most 4096].
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) context: Option<usize>,
}

#[derive(Debug, Args)]
pub(crate) struct Bench {
    #[command(flatten)]
    pub(crate) model: Model,
    /// Definitions that the two tests follow.
    #[arg(long, value_enum, default_value = "llama-bench")]
    protocol: Protocol,
    /// Prompt tokens; 0 leaves the prompt test out [default: the protocol's].
    #[arg(short = 'p', long, value_name = "N")]
    n_prompt: Option<usize>,
    /// Generated tokens; 0 leaves the generation test out [default: the protocol's].
    #[arg(short = 'n', long, value_name = "N")]
    n_gen: Option<usize>,
    /// Also generate at these depths: after N positions, filled with meaningless ids.
    #[arg(short = 'd', long, value_name = "N,N,…", value_delimiter = ',')]
    depths: Vec<usize>,
    /// Counted repetitions.
    #[arg(short = 'r', long, value_name = "N", default_value = "5", value_parser = at_least_one)]
    repetitions: usize,
    /// Warm-up repetitions.
    #[arg(long, value_name = "N", default_value = "2")]
    warmups: usize,
    /// Skip the test of how fast the adapter reads memory.
    #[arg(long)]
    no_roofline: bool,
    /// Skip the times of each kernel.
    #[arg(long)]
    no_kernels: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Protocol {
    /// llama.cpp: 512 prompt tokens, and 128 tokens generated from an empty context.
    LlamaBench,
    /// LiteRT and MediaPipe: 1024 prompt tokens, and 256 tokens generated after them.
    Litert,
}

impl Bench {
    pub(crate) fn options(&self) -> BenchOptions {
        BenchOptions {
            protocol: match self.protocol {
                Protocol::LlamaBench => bench::Protocol::LlamaBench,
                Protocol::Litert => bench::Protocol::LiteRt,
            },
            prompt_tokens: self.n_prompt,
            generated_tokens: self.n_gen,
            repetitions: self.repetitions,
            warmups: self.warmups,
            depths: self.depths.clone(),
            roofline: !self.no_roofline,
            kernels: !self.no_kernels,
            ..BenchOptions::default()
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Synth {
    /// Shape and format of the model, such as gemma-2b:q4_0.
    #[arg(value_name = "SHAPE:FORMAT")]
    pub(crate) recipe: String,
    /// The file to write; one that exists is replaced.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Seed of the random weights: the same seed gives the same file [default: 1].
    #[arg(long, value_name = "SEED")]
    pub(crate) seed: Option<u64>,
}

fn name_and_value(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or_else(|| "expected a name, ':' and a value".to_owned())?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

fn at_least(min: usize, text: &str) -> Result<usize, String> {
    let number: usize = text.parse().map_err(|_| format!("expected a whole number of at least {min}"))?;
    if number < min { Err(format!("expected at least {min}")) } else { Ok(number) }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    at_least(1, text)
}

fn at_least_two(text: &str) -> Result<usize, String> {
    at_least(2, text)
}
