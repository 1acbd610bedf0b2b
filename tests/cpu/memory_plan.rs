//! The verdict of the memory plan: whether a model fits, with the whole context or a part of it.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use crate::support::goldens::data;
use crate::support::suite::{Test, test_fn};
use gemma_web::Cancel;
use gemma_web::engine::LoadOptions;
use gemma_web::gguf::{Header, read_header};
use gemma_web::gpu::Limits;
use gemma_web::model::gpu::memory::plan;
use gemma_web::model::memory::Verdict;
use gemma_web::source::native::file::FileSource;
use libtest_mimic::Failed;
use pollster::block_on;

pub(crate) fn tests() -> Vec<Test> {
    vec![test_fn(verdicts)]
}

fn header(model: &str) -> Result<Header, Failed> {
    let mut source = FileSource::open(data(&format!("tiny/{model}.gguf")))?;
    Ok(block_on(read_header(&mut source, &Cancel::default()))?.0)
}

fn verdicts() -> Result<(), Failed> {
    let header = header("tiny-gemma2-q4_0")?;
    let of = |max_binding_bytes, context| -> Result<Verdict, Failed> {
        let limits = Limits { max_binding_bytes, ..Limits::default() };
        let options =
            LoadOptions { context_length: Some(context), prefill_chunk: 16, ..LoadOptions::default() };
        Ok(plan(&header, &options, &limits)?.verdict)
    };
    assert_eq!(of(1 << 20, 2048)?, Verdict::Fits);
    // A head of a global layer takes 128 bytes a position: 128 KiB hold 1024 of them.
    assert_eq!(of(128 << 10, 2048)?, Verdict::FitsWithContext { max_context_length: 1024 });
    assert_eq!(of(128 << 10, 1000)?, Verdict::Fits);
    match of(1024, 64)? {
        Verdict::DoesNotFit { needs, offers: 1024, .. } if needs > 1024 => Ok(()),
        other => Err(format!("{other:?}").into()),
    }
}
