//! Tiny models as if they had been tuned for conversations: their files get a chat template, which is all the engine asks for.

use gemma_web::engine::{Engine, Event, Generation, KvType, LoadOptions, Prompt, Request, Signals};
use gemma_web::source::{ByteSource, ModelSource};
use gemma_web::{Cancel, Result};
use pollster::block_on;

use super::goldens::data;
use super::gpu;

/// A file in memory.
#[derive(Clone, Debug)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

impl ByteSource for Bytes {
    fn len(&self) -> Option<u64> {
        Some(self.0.len() as u64)
    }

    fn name(&self) -> &str {
        "bytes of a test"
    }

    async fn read(&mut self, offset: u64, into: &mut [u8], cancel: &Cancel) -> Result<()> {
        cancel.check()?;
        let (start, has) = (offset as usize, self.0.len() as u64);
        let Some(bytes) = self.0.get(start..start + into.len()) else {
            let needs = offset + into.len() as u64;
            return Err(gemma_web::Error::Truncated { what: self.name().to_owned(), needs, has });
        };
        into.copy_from_slice(bytes);
        Ok(())
    }
}

impl ModelSource for Bytes {}

/// `tests/data/tiny/MODEL.gguf` with a chat template: a key in front of the others, as long as keeps the tensors aligned.
pub(crate) fn with_template(model: &str) -> Bytes {
    let mut bytes = std::fs::read(data(&format!("tiny/{model}.gguf"))).unwrap();
    let key = b"tokenizer.chat_template";
    let mut entry = (key.len() as u64).to_le_bytes().to_vec();
    entry.extend(key);
    entry.extend(8_u32.to_le_bytes());
    let template_len = 64 - (entry.len() + 8) % 32;
    entry.extend((template_len as u64).to_le_bytes());
    entry.extend(vec![b' '; template_len]);
    assert_eq!(entry.len() % 32, 0, "the alignment");
    let n_keys = u64::from_le_bytes(bytes[16..24].try_into().unwrap());
    bytes[16..24].copy_from_slice(&(n_keys + 1).to_le_bytes());
    bytes.splice(24..24, entry);
    Bytes(bytes)
}

/// Sizes of a model that is tested with.
pub(crate) fn options(context: usize, chunk: usize) -> LoadOptions {
    LoadOptions {
        device: crate::DEVICE,
        context_length: Some(context),
        prefill_chunk: chunk,
        kv: KvType::F32,
        tuning: gpu::F32,
        ..LoadOptions::default()
    }
}

/// Loads a tiny model with a chat template.
pub(crate) fn load(model: &str, options: &LoadOptions) -> Engine {
    block_on(Engine::load(with_template(model), options, &Cancel::default(), &mut |_| ())).unwrap()
}

/// Result and events of a request.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) result: Generation,
    pub(crate) events: Vec<Event>,
}

impl Heard {
    /// The texts of all tokens and the rest.
    pub(crate) fn text(&self) -> String {
        let text = |event: &Event| match event {
            Event::Token(piece) => piece.text.clone(),
            Event::Rest { text } => text.clone(),
            Event::Prefill(_) => String::new(),
        };
        self.events.iter().map(text).collect()
    }
}

/// Makes a request that succeeds.
pub(crate) fn respond(engine: &mut Engine, request: &Request) -> Heard {
    try_respond(engine, request, &Signals::default()).unwrap()
}

pub(crate) fn try_respond(engine: &mut Engine, request: &Request, signals: &Signals) -> Result<Heard> {
    let mut events = Vec::new();
    let result = block_on(engine.respond(request, signals, &mut |event| events.push(event.clone())))?;
    Ok(Heard { result, events })
}

/// A request that takes the likeliest `n` tokens and doesn't end before.
pub(crate) fn greedy(prompt: Prompt, session: Option<u32>, n: usize) -> Request {
    let mut request = Request { prompt, session, options: Default::default() };
    request.options.max_tokens = n;
    request.options.sampling.temperature = 0.0;
    request.options.ignore_end = true;
    request
}
