//! Saved sessions: a conversation and its KV cache to bytes and back.
//!
//! ```text
//! magic "gemmaKV\n", version u32, length of the JSON u32, layout u64
//! JSON: the history, the ids in the KV cache
//! keys and values of each layer and part, the slots in use
//! XXH3 (64 bit) of all bytes before it
//! ```
//! Numbers are little endian. The layout is a hash of everything that the bytes of a cache depend on, except
//! for the context length: the part of a global layer grows with the text, not with the context.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use super::history::History;
use super::session::{Session, WaitingKv};
use super::state::Engine;
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::gguf::Header;
use crate::model::Model;
use crate::model::loaded::SwappedKv;
use crate::source::ByteSource;

const MAGIC: [u8; 8] = *b"gemmaKV\n";
const VERSION: u32 = 1;
const HEAD_BYTES: u64 = 24;
const SUM_BYTES: u64 = 8;
/// Maximum bytes of JSON: the ids of a context of 131072 take about one MiB, and its text little more.
const MAX_JSON_BYTES: u64 = 32 << 20;
/// Bytes read at a time.
const BLOCK_BYTES: u64 = 4 << 20;

/// The JSON before the KV cache.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    // Its name in saved files.
    #[serde(rename = "dialogue")]
    history: Option<History>,
    first: usize,
    ids: Vec<u32>,
    n_written: usize,
}

/// Hash of a model. It covers the shapes and formats of all tensors, and the bytes read at the beginning of
/// the file: the header and, because reads grow by doubling, some of the weights.
pub(super) fn fingerprint(header: &Header, prefix: &[u8]) -> u64 {
    let mut hash = Xxh3::new();
    hash.update(prefix);
    for tensor in &header.tensors {
        hash.update(tensor.name.as_bytes());
        hash.update(tensor.format.name.as_bytes());
        tensor.shape.iter().for_each(|extent| hash.update(&extent.to_le_bytes()));
    }
    hash.digest()
}

/// Hash of everything that the bytes of a KV cache depend on.
pub(super) fn kv_layout(fingerprint: u64, model: &Model) -> u64 {
    let mut hash = Xxh3::new();
    hash.update(&fingerprint.to_le_bytes());
    hash.update(&model.kv_layout());
    hash.digest()
}

/// Reader of a source that hashes the bytes it reads.
struct HashingReader<'a, S> {
    source: &'a mut S,
    at: u64,
    hash: Xxh3,
    cancel: &'a Cancel,
}

impl<S: ByteSource> HashingReader<'_, S> {
    async fn take(&mut self, n_bytes: u64) -> Result<Vec<u8>> {
        let mut bytes = vec![0; n_bytes as usize];
        self.source.read(self.at, &mut bytes, self.cancel).await?;
        self.at += n_bytes;
        self.hash.update(&bytes);
        Ok(bytes)
    }
}

impl Engine {
    /// Passes a session as bytes to `on_piece`, piece by piece.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] if it is not open, [`Error::Aborted`] between pieces, those of `on_piece`,
    /// faults of the device.
    pub async fn save_session(
        &mut self,
        id: u32,
        cancel: &Cancel,
        on_piece: &mut impl AsyncFnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let session = self.session(id)?;
        let (ids, n_written, swapped) = match &session.waiting_kv {
            Some(kv) => (kv.ids.as_slice(), kv.n_written, Some(&kv.swapped)),
            None if self.live_kv.session == Some(id) => {
                (self.live_kv.ids.as_slice(), self.live_kv.n_written, None)
            }
            None => (&[][..], 0, None),
        };
        let record = Record {
            history: session.history.clone(),
            first: session.first,
            ids: ids.to_vec(),
            n_written: n_written.max(ids.len()),
        };
        let json = serde_json::to_vec(&record)
            .map_err(|why| Error::Internal { what: format!("a session has no JSON: {why}") })?;
        let mut head = MAGIC.to_vec();
        head.extend(VERSION.to_le_bytes());
        head.extend((json.len() as u32).to_le_bytes());
        head.extend(self.kv_layout.to_le_bytes());
        head.extend(json);
        let mut hash = Xxh3::new();
        hash.update(&head);
        on_piece(&head).await?;
        let mut give = async |piece: &[u8]| {
            cancel.check()?;
            hash.update(piece);
            on_piece(piece).await
        };
        // While the engine sleeps, no session has a KV cache.
        if !ids.is_empty() {
            self.model()?.read_planes(swapped, ids.len(), &mut give).await?;
        }
        on_piece(&hash.digest().to_le_bytes()).await
    }

    /// Opens a session that [`Engine::save_session`] saved, and returns its number. Nothing is computed
    /// again.
    ///
    /// # Errors
    /// [`Error::SessionMismatch`] if it belongs to another model or another kind of KV cache, or is longer
    /// than the context; [`Error::MalformedSession`] if it is damaged; those of the source,
    /// [`Error::Aborted`], [`Error::OutOfMemory`].
    pub async fn restore_session<S: ByteSource>(&mut self, mut source: S, cancel: &Cancel) -> Result<u32> {
        let total = source.len().ok_or_else(|| malformed("the size", 0, "it is not known"))?;
        let mut from = HashingReader { source: &mut source, at: 0, hash: Xxh3::new(), cancel };
        let record = self.read_record(&mut from, total).await?;
        let swapped = match record.ids.len() {
            0 => None,
            n_tokens => Some(self.read_cache(&mut from, total, n_tokens).await?),
        };
        let (at, sum) = (from.at, from.hash.digest());
        if at + SUM_BYTES != total {
            let why = format!("{} bytes are left, expected {SUM_BYTES}", total.saturating_sub(at));
            return Err(malformed("the end", at, why));
        }
        let saved = from.take(SUM_BYTES).await?;
        if saved != sum.to_le_bytes() {
            return Err(malformed("the checksum", at, "it is not that of the bytes before it"));
        }
        let waiting_kv =
            swapped.map(|swapped| WaitingKv { ids: record.ids, n_written: record.n_written, swapped });
        self.insert(Session { history: record.history, first: record.first, waiting_kv })
    }

    /// Reads everything before the KV cache, and checks it against the model and the size before allocating
    /// the cache.
    async fn read_record<S: ByteSource>(
        &self,
        from: &mut HashingReader<'_, S>,
        total: u64,
    ) -> Result<Record> {
        if total < HEAD_BYTES + SUM_BYTES {
            return Err(malformed("the head", 0, format!("the whole has {total} bytes")));
        }
        let head = from.take(HEAD_BYTES).await?;
        let number = |at: usize| {
            let bytes = head.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
            u32::from_le_bytes(bytes.unwrap_or_default())
        };
        if !head.starts_with(&MAGIC) {
            return Err(malformed("the beginning", 0, "it is not that of a saved session"));
        }
        let mismatch = |what: &str, saved: String, here: String| {
            Err(Error::SessionMismatch { what: what.to_owned(), saved, here })
        };
        if number(8) != VERSION {
            return mismatch("version", number(8).to_string(), VERSION.to_string());
        }
        let layout = u64::from(number(16)) | u64::from(number(20)) << 32;
        if layout != self.kv_layout {
            return mismatch("model and cache", format!("{layout:016x}"), format!("{:016x}", self.kv_layout));
        }
        let json_len = u64::from(number(12));
        if json_len > MAX_JSON_BYTES.min(total - HEAD_BYTES - SUM_BYTES) {
            return Err(malformed("the conversation", 12, format!("{json_len} bytes of {total}")));
        }
        let json = from.take(json_len).await?;
        let record: Record = serde_json::from_slice(&json)
            .map_err(|why| malformed("the conversation", HEAD_BYTES, why.to_string()))?;
        let context = self.info.context_length;
        if record.ids.len() > context {
            return mismatch(
                "length",
                format!("{} tokens", record.ids.len()),
                format!("{context}, which is the context"),
            );
        }
        self.check_record(&record)?;
        Ok(record)
    }

    fn check_record(&self, record: &Record) -> Result<()> {
        let wrong = |why: String| malformed("the conversation", HEAD_BYTES, why);
        let Record { history, first, ids, n_written } = record;
        let n_vocab = self.config().n_vocab;
        let turns = history.iter().flat_map(|history| &history.turns);
        let known = turns.filter_map(|turn| turn.ids.as_ref()).flatten();
        if let Some(id) = ids.iter().chain(known).find(|id| **id as usize >= n_vocab) {
            return Err(wrong(format!("token {id} of {n_vocab}")));
        }
        // Far above any context: the number only says that rings have wrapped.
        if *n_written < ids.len() || *n_written > usize::MAX / 4 {
            return Err(wrong(format!("{n_written} positions written for {} tokens", ids.len())));
        }
        let n_turns = history.as_ref().map_or(0, |history| history.turns.len());
        if *first > n_turns || first % 2 == 1 || n_turns % 2 == 1 {
            return Err(wrong(format!("turn {first} of {n_turns} is the first in the context")));
        }
        match history {
            Some(history) => history.check_history(self.chat_format()).map_err(|why| wrong(why.to_string())),
            None => Ok(()),
        }
    }

    async fn read_cache<S: ByteSource>(
        &self,
        from: &mut HashingReader<'_, S>,
        total: u64,
        n_tokens: usize,
    ) -> Result<SwappedKv> {
        let model = self.model()?;
        let sizes = model.plane_bytes(n_tokens);
        let needs = from.at + sizes.iter().sum::<u64>() + SUM_BYTES;
        if needs != total {
            let why = format!("{n_tokens} tokens need {needs} bytes in all, there are {total}");
            return Err(malformed("the KV cache", from.at, why));
        }
        let swapped = model.allocate_swapped(n_tokens).await?;
        for (plane, bytes) in sizes.into_iter().enumerate() {
            for offset in (0..bytes).step_by(BLOCK_BYTES as usize) {
                let block = from.take(BLOCK_BYTES.min(bytes - offset)).await?;
                model.write_plane(&swapped, plane, offset, &block).await?;
            }
        }
        Ok(swapped)
    }
}

fn malformed(what: &str, at: u64, why: impl Into<String>) -> Error {
    Error::MalformedSession { what: what.to_owned(), at, why: why.into() }
}
