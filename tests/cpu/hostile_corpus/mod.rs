//! Files made to break a reader, each with one fault. Each ends in a typed error that names the fault or, if the file is odd but
//! can be run, in a model, within 100 ms and 64 MB. The test runs all steps before the GPU: header, shards, hyper-parameters,
//! tensors, vocabulary, memory plan.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]
#![allow(clippy::print_stderr, reason = "how much was tried belongs to the result")]

mod cases;

use std::time::{Duration, Instant};

use crate::support::suite::{Test, test_fn};
use cases::{Case, Outcome, all};
use gemma_web::gguf::read_header;
use gemma_web::gpu::Limits;
use gemma_web::model::ModelOptions;
use gemma_web::model::gpu::memory;
use gemma_web::source::concat::Concat;
use gemma_web::source::{ByteSource, ModelSource};
use gemma_web::tokenizer::{Special, Tokenizer};
use gemma_web::{Cancel, Error, Result};
use peak_alloc::PeakAlloc;
use pollster::block_on;

pub(crate) fn tests() -> Vec<Test> {
    vec![test_fn(every_broken_file_ends_in_a_typed_error_in_little_time_and_memory).alone()]
}

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const MOST_TIME: Duration = Duration::from_millis(100);
const MOST_BYTES: usize = 64 << 20;

/// A file in memory, whose length is known or not.
struct Memory<'a> {
    file: &'a [u8],
    knows_len: bool,
}

impl ByteSource for Memory<'_> {
    fn len(&self) -> Option<u64> {
        self.knows_len.then_some(self.file.len() as u64)
    }

    fn name(&self) -> &str {
        "hostile.gguf"
    }

    async fn read(&mut self, offset: u64, into: &mut [u8], _: &Cancel) -> Result<()> {
        let (needs, has) = (offset + into.len() as u64, self.file.len() as u64);
        let bytes = self.file.get(offset as usize..needs as usize);
        into.copy_from_slice(bytes.ok_or(Error::Truncated { what: "memory".to_owned(), needs, has })?);
        Ok(())
    }
}

impl ModelSource for Memory<'_> {}

/// The steps of a load before the GPU.
fn open(source: &mut impl ModelSource) -> Result<()> {
    let (header, _) = block_on(read_header(source, &Cancel::default()))?;
    memory::plan(&header, &ModelOptions::default(), &Limits::default())?;
    let tokenizer = Tokenizer::from_gguf(&header.metadata)?;
    let ids = tokenizer.encode("abab <b>\n", Special::Parse)?;
    tokenizer.decode(&ids);
    Ok(())
}

fn open_files(files: &[Vec<u8>], knows_len: bool) -> Result<()> {
    // A source that doesn't know its length is read as far as twice the header, and 64 KiB at first.
    let long = files.iter().map(|file| [&file[..], &vec![0; file.len().max(64 << 10)]].concat());
    let long: Vec<_> = if knows_len { Vec::new() } else { long.collect() };
    let files = if knows_len { files } else { &long };
    let mut memories: Vec<_> = files.iter().map(|file| Memory { file, knows_len }).collect();
    match memories.as_mut_slice() {
        [one] => open(one),
        _ => open(&mut Concat::new(memories)?),
    }
}

/// Opens the files, and measures the time and the peak memory.
fn measured(files: &[Vec<u8>], knows_len: bool) -> (Result<()>, Duration, usize) {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let begin = Instant::now();
    let found = open_files(files, knows_len);
    (found, begin.elapsed(), ALLOCATOR.peak_usage().saturating_sub(before))
}

/// The fault of a case; `None` if it behaves as it should.
fn fault(case: &Case, knows_len: bool) -> Option<String> {
    let (mut found, mut time, bytes) = measured(&case.files, knows_len);
    // Machines are busy: a case is slow only if it is slow every time.
    for _ in 0..4 {
        if time > MOST_TIME {
            let again = measured(&case.files, knows_len);
            (found, time) = (again.0, time.min(again.1));
        }
    }
    if time > MOST_TIME || bytes > MOST_BYTES {
        return Some(format!("{time:?}, {bytes} bytes"));
    }
    match (&case.outcome, found) {
        (Outcome::Loads(_), Ok(())) => None,
        // The end of the file is not known yet: reading its weights will find it.
        (Outcome::Refused("truncated", _), Ok(())) if !knows_len => None,
        (Outcome::Loads(_), Err(error)) => Some(format!("refused: {error}")),
        (Outcome::Refused(code, _), Ok(())) => Some(format!("loads, expected {code}")),
        (Outcome::Refused(code, words), Err(error)) => {
            let message = error.to_string();
            let found = serde_json::to_value(&error).unwrap()["code"].as_str().unwrap().to_owned();
            // A file that doesn't say how long it is can't be found too short before it ends.
            let is_code = found == *code || !knows_len && [*code, &*found].contains(&"truncated");
            let is_named = !knows_len || words.iter().all(|word| message.contains(word));
            (!is_code || !is_named).then(|| format!("{found}: {message}; expected {code} with {words:?}"))
        }
    }
}

/// It runs alone, so that nobody else allocates.
fn every_broken_file_ends_in_a_typed_error_in_little_time_and_memory() {
    let cases = all();
    assert!(cases.len() >= 162, "{} cases", cases.len());
    let mut names: Vec<_> = cases.iter().map(|case| case.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), cases.len(), "two of a name");
    let mut faults = Vec::new();
    for case in &cases {
        for knows_len in [true, false] {
            // The parts of a file need known lengths.
            if knows_len || case.files.len() == 1 {
                let found = fault(case, knows_len);
                faults
                    .extend(found.map(|found| format!("{} (length known: {knows_len}): {found}", case.name)));
            }
        }
    }
    assert!(faults.is_empty(), "{} of {} cases:\n{}", faults.len(), cases.len(), faults.join("\n"));
    eprintln!("{} files", cases.len());
}
