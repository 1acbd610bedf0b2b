//! `gemma tokenize` and `gemma inspect`: a file's vocabulary and contents, without a GPU.

use std::collections::BTreeMap;

use gemma_web::gguf::{self, Array, Header, Metadata, Value};
use gemma_web::gpu::{Gpu, GpuOptions};
use gemma_web::model::loading::plan_memory;
use gemma_web::model::memory::{DeviceKind, MemoryPlan, Verdict};
use gemma_web::model::{Config, ModelOptions};
use gemma_web::source::ByteSource;
use gemma_web::source::concat::Concat;
use gemma_web::source::download::DownloadProgress;
use gemma_web::tokenizer::{Special, Tokenizer};
use gemma_web::{Cancel, Error};
use pollster::block_on;
use serde_json::{Map, Value as Json, json};

use super::args::{Inspect, Tokenize};
use super::output::{Failure, print, print_json};
use super::source::{self, Source};

/// Maximum number of list elements to show.
const MAX_SHOWN: usize = 8;

pub(crate) fn tokenize(args: &Tokenize, json: bool) -> Result<(), Failure> {
    let mut source = source::open(&args.model, &args.download, &DownloadProgress::default())?;
    let (header, _) = block_on(gguf::read_header(&mut source, &Cancel::default()))?;
    let tokenizer = Tokenizer::from_gguf(&header.metadata)?;
    let special = if args.special { Special::Parse } else { Special::AsText };
    let ids = tokenizer.encode(&args.prompt, special)?;
    if json {
        return print_json(&json!({ "ids": ids }));
    }
    for id in ids {
        let piece = tokenizer.piece(id).unwrap_or_default();
        print(format_args!("{id:>7}  {piece:?}\n"))?;
    }
    Ok(())
}

pub(crate) fn inspect(args: &Inspect, json: bool) -> Result<(), Failure> {
    let mut source = source::open(&args.model, &args.download, &DownloadProgress::default())?;
    let (header, _) = block_on(gguf::read_header(&mut source, &Cancel::default()))?;
    let planned = memory(&header, args);
    if let Err(wrong @ Error::InvalidOption { .. }) = planned {
        return Err(wrong.into());
    }
    if json {
        return print_json(&json!({
            "file": {
                "path": source.name(),
                "bytes": source.len(),
                "version": header.version,
                "alignment": header.alignment,
                "dataStart": header.data_start,
            },
            "metadata": metadata(&header.metadata),
            "hyperParameters": Config::from_metadata(&header.metadata).ok(),
            "tensors": tensors(&header),
            "sizes": sizes(&header),
            "memory": planned.as_ref().ok(),
            "verdict": verdict(planned.as_ref().err()),
        }));
    }
    print_page(&source, &header, &planned)
}

/// Memory of a model on the adapter at hand, or on the CPU if there is none.
fn memory(header: &Header, args: &Inspect) -> gemma_web::Result<MemoryPlan> {
    let adapter = block_on(Gpu::open(&GpuOptions::default())).ok();
    let options = ModelOptions { context_length: args.context, ..ModelOptions::default() };
    plan_memory(header, &options, adapter.as_ref().map(Gpu::limits))
}

/// Key to value, long lists cut short.
fn metadata(metadata: &Metadata) -> Map<String, Json> {
    metadata.iter().map(|(key, value)| (key.to_owned(), shown(value))).collect()
}

fn shown(value: &Value) -> Json {
    match value {
        Value::Unsigned(x) => json!(x),
        Value::Signed(x) => json!(x),
        Value::F32(x) => json!(x),
        Value::F64(x) => json!(x),
        Value::Bool(x) => json!(x),
        Value::String(x) => json!(x),
        Value::Array(array) => list(array),
    }
}

/// A short list as it is; of a long one the length and the beginning.
fn list(array: &Array) -> Json {
    let first: Vec<Json> = match array {
        Array::I32(v) => v.iter().take(MAX_SHOWN).map(|x| json!(x)).collect(),
        Array::U32(v) => v.iter().take(MAX_SHOWN).map(|x| json!(x)).collect(),
        Array::I64(v) => v.iter().take(MAX_SHOWN).map(|x| json!(x)).collect(),
        Array::U64(v) => v.iter().take(MAX_SHOWN).map(|x| json!(x)).collect(),
        Array::F32(v) => v.iter().take(MAX_SHOWN).map(|x| json!(x)).collect(),
        Array::F64(v) => v.iter().take(MAX_SHOWN).map(|x| json!(x)).collect(),
        Array::Bool(v) => v.iter().take(MAX_SHOWN).map(|x| json!(x)).collect(),
        Array::Strings(v) => v.iter().take(MAX_SHOWN).map(|x| json!(x)).collect(),
    };
    if array.len() == first.len() { json!(first) } else { json!({ "length": array.len(), "first": first }) }
}

fn tensors(header: &Header) -> Vec<Json> {
    let tensor = |t: &gguf::TensorInfo| json!({ "name": t.name, "type": t.format.name, "shape": t.shape, "offset": t.offset, "bytes": t.bytes });
    header.tensors.iter().map(tensor).collect()
}

/// Tensors and bytes of each type, and of all.
fn sizes(header: &Header) -> Json {
    let mut by_type: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for t in &header.tensors {
        let (n_tensors, n_bytes) = by_type.entry(t.format.name).or_default();
        *n_tensors += 1;
        *n_bytes += t.bytes;
    }
    let total: u64 = by_type.values().map(|(_, n_bytes)| n_bytes).sum();
    let rows = by_type
        .into_iter()
        .map(|(name, (n, bytes))| (name.to_owned(), json!({ "tensors": n, "bytes": bytes })));
    json!({ "types": rows.collect::<Map<String, Json>>(), "tensors": header.tensors.len(), "bytes": total })
}

/// Whether this engine runs the model, as far as the header says.
fn verdict(error: Option<&Error>) -> Json {
    match error {
        None => json!({ "supported": true }),
        Some(error) => json!({ "supported": false, "error": error, "message": error.to_string() }),
    }
}

fn print_page(
    source: &Concat<Source>,
    header: &Header,
    planned: &gemma_web::Result<MemoryPlan>,
) -> Result<(), Failure> {
    let n_bytes = source.len().unwrap_or_default();
    print(format_args!("{}: GGUF version {}, {n_bytes} bytes\n\n", source.name(), header.version))?;
    for (key, value) in header.metadata.iter() {
        print(format_args!("{key} = {}\n", shown(value)))?;
    }
    print("\n")?;
    for t in &header.tensors {
        print(format_args!("{:>6}  {:>11}  {:?}  {}\n", t.format.name, t.bytes, t.shape, t.name))?;
    }
    match planned {
        Ok(plan) => print_memory(plan),
        Err(error) => print(format_args!("\nThis model cannot be run: {error}\n")),
    }
}

fn print_memory(plan: &MemoryPlan) -> Result<(), Failure> {
    let mb = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
    print(format_args!(
        "\nMemory of the {} at {} tokens of context: {} (weights {}, KV cache {}, the rest {})\n",
        match plan.device {
            DeviceKind::Gpu => "GPU",
            DeviceKind::Cpu => "CPU",
        },
        plan.context_length,
        mb(plan.total),
        mb(plan.weights),
        mb(plan.kv),
        mb(plan.scratch)
    ))?;
    match &plan.verdict {
        Verdict::Fits => print("This model can be run.\n"),
        Verdict::FitsWithContext { max_context_length } => print(format_args!(
            "This model can be run with at most {max_context_length} tokens of context.\n"
        )),
        Verdict::DoesNotFit { what, needs, offers } => print(format_args!(
            "This model cannot be run: {what} needs {needs} bytes, the adapter offers {offers}.\n"
        )),
    }
}
