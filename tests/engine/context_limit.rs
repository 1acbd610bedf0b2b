//! Up to the model's own length: the last position works, the one after it is refused by name.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use crate::support::goldens::data;
use crate::support::gpu::{NEED, adapter, here};
use crate::support::suite::{Test, needing};
use gemma_web::engine::{Engine, FinishReason, GenerateOptions, LoadOptions};
use gemma_web::source::{ByteSource, ModelSource};
use gemma_web::{Cancel, Error, Result};
use libtest_mimic::Failed;
use pollster::block_on;

pub(crate) fn tests() -> Vec<Test> {
    let on_gpu = needing("a tiny gemma at 8192 positions", NEED, adapter(), |()| last_position());
    vec![on_gpu]
}

/// A file in memory.
struct Bytes(Vec<u8>);

impl ByteSource for Bytes {
    fn len(&self) -> Option<u64> {
        Some(self.0.len() as u64)
    }

    fn name(&self) -> &str {
        "a tiny model of a longer context"
    }

    async fn read(&mut self, offset: u64, into: &mut [u8], _: &Cancel) -> Result<()> {
        let start = offset as usize;
        into.copy_from_slice(&self.0[start..start + into.len()]);
        Ok(())
    }
}

impl ModelSource for Bytes {}

/// The tiny Gemma 3 with `context_length` 8192 in place of 2048: of its seven layers one is global, so this stays quick.
fn long_tiny() -> Bytes {
    let mut bytes = std::fs::read(data("tiny/tiny-gemma3-q4_0.gguf")).unwrap();
    let key = b"gemma3.context_length";
    let at = bytes.windows(key.len()).position(|w| w == key).unwrap() + key.len();
    assert_eq!(bytes[at..at + 8], [4, 0, 0, 0, 0, 8, 0, 0], "a u32 of 2048");
    bytes[at + 4..at + 8].copy_from_slice(&8192_u32.to_le_bytes());
    Bytes(bytes)
}

fn last_position() -> Result<(), Failed> {
    let cancel = Cancel::default();
    let options = here(&LoadOptions { context_length: Some(8192), ..LoadOptions::default() });
    let mut engine = block_on(Engine::load(long_tiny(), &options, &cancel, &mut |_| ()))?;
    let ids: Vec<u32> = (0..8192).map(|i| if i == 0 { 2 } else { 300 + i * 7 % 500 }).collect();
    // 8191 tokens, one more at position 8191, the last, and the one that follows it, which has no position any more.
    let greedy = GenerateOptions::greedy(4);
    let generation = block_on(engine.generate(&ids[..8191], &greedy, &cancel, &mut |_| ()))?;
    assert_eq!(
        (generation.tokens.len(), generation.finish_reason),
        (2, FinishReason::Length),
        "where it ends"
    );
    let mut longer = ids;
    longer.push(300);
    match block_on(engine.logits(&longer, &cancel)) {
        Err(Error::ContextFull { needs: 8193, context: 8192 }) => Ok(()),
        other => Err(format!("{:?}", other.map(|l| l.len())).into()),
    }
}
