//! The engine's state: a model on its device, its tokenizer, and the sessions that it keeps.

use std::collections::BTreeMap;

use super::history::ChatFormat;
use super::info::{Info, Memory, ModelFile, Stats};
use super::live_kv::LiveKv;
use super::request::RequestState;
use super::session::Session;
use crate::chat::Template;
use crate::error::{Error, Result};
use crate::model::gpu::self_test::Tested;
use crate::model::{Config, Model, ModelOptions as LoadOptions};
use crate::tokenizer::Tokenizer;

/// A loaded model with its tokenizer and its sessions. One request runs at a time.
#[derive(Debug)]
pub struct Engine {
    /// `None` while the engine sleeps, or while a lost device is not replaced.
    pub(super) model: Option<Model>,
    /// Options for the next load of the same model: the caller's, with the variants that were chosen.
    pub(super) options: LoadOptions,
    pub(super) info: Info,
    pub(super) tokenizer: Tokenizer,
    pub(super) file: ModelFile,
    pub(super) template: Template,
    pub(super) tokenizer_ms: f64,
    pub(super) read_ms: f64,
    /// Hash of the file's beginning and tensor table: distinguishes this file from others.
    pub(super) fingerprint: u64,
    /// Hash of everything that the bytes of a KV cache depend on: distinguishes this model's caches from
    /// those of others.
    pub(super) kv_layout: u64,
    pub(super) live_kv: LiveKv,
    pub(super) sessions: BTreeMap<u32, Session>,
    /// The request whose device was lost.
    pub(super) suspended: Option<RequestState>,
    /// Number of sessions opened so far: no number is used twice.
    pub(super) n_opened: u32,
}

impl Engine {
    /// Description of the model and of the device it runs on.
    #[must_use]
    pub fn info(&self) -> Info {
        Info { gpu_bytes: self.memory().kinds, ..self.info.clone() }
    }

    /// Results of the self-tests on this adapter. Keep them for the next load, as [`LoadOptions::tested`].
    #[must_use]
    pub fn tested(&self) -> &Tested {
        &self.options.tested
    }

    /// Bytes of memory on the device by kind: none while the engine sleeps.
    #[must_use]
    pub fn memory(&self) -> Memory {
        let kinds = self.model.as_ref().map(Model::bytes).unwrap_or_default();
        Memory { kinds, total: kinds.total() }
    }

    /// Running totals since the device was made.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let gpu = self.model.as_ref().and_then(Model::gpu);
        Stats {
            counters: gpu.map(|model| model.gpu().counters()).unwrap_or_default(),
            gpu_bytes: self.memory().kinds,
            tokenizer_ms: self.tokenizer_ms,
            read_ms: self.read_ms,
        }
    }

    /// Hyper-parameters of the model.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.info.config
    }

    /// Tokenizer of the model.
    #[must_use]
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The loaded file.
    #[must_use]
    pub fn file(&self) -> &ModelFile {
        &self.file
    }

    /// Tokens that fit in the context.
    #[must_use]
    pub fn context_length(&self) -> usize {
        self.info.context_length
    }

    /// The model on its device.
    ///
    /// # Errors
    /// [`crate::Error::DeviceLost`] while there is no device.
    pub(crate) fn model(&self) -> Result<&Model> {
        self.model.as_ref().ok_or_else(no_device)
    }

    pub(super) fn chat_format(&self) -> ChatFormat<'_> {
        ChatFormat { tokenizer: &self.tokenizer, template: self.template }
    }
}

/// The error of a call that needs a device while there is none.
pub(super) fn no_device() -> Error {
    Error::DeviceLost { why: "the model sleeps".to_owned() }
}
