//! Source of a model, as the worker passes it. It is one type, so that the engine's loader is compiled once.

use js_sys::{Array, Reflect};
use serde::Deserialize;
use wasm_bindgen::JsValue;

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::source::concat::Concat;
use crate::source::download::{DownloadOptions, DownloadProgress, RemoteSource, parse_sha256};
use crate::source::synthetic::{Recipe, SyntheticSource};
use crate::source::web::http::FetchClient;
use crate::source::web::js::JsSource;
use crate::source::web::opfs::OpfsStore;
use crate::source::web::yielding::Yielding;
use crate::source::{ByteSource, ModelSource};

/// A model's bytes.
#[derive(Debug)]
pub(super) enum Source {
    /// Random weights without a file.
    MadeUp(Yielding<SyntheticSource>),
    /// One file or all the shards.
    Files(Concat<File>),
}

/// One file.
#[derive(Debug)]
pub(super) enum File {
    /// On a server, with or without a cache.
    Remote(Box<RemoteSource<FetchClient, OpfsStore>>),
    /// In JS.
    Script(JsSource),
}

/// A file as [`super::cache::locate`] gave it. Beside these fields it may have a `store`, for [`OpfsStore`].
#[derive(Deserialize)]
struct Located {
    url: String,
    headers: Vec<(String, String)>,
    sha256: Option<String>,
}

impl Source {
    /// Opens a name (`synthetic:…`) or an array of files, each one that [`super::cache::locate`] gave or an
    /// object with `read`.
    ///
    /// # Errors
    /// Those of [`RemoteSource::open`], [`Concat::new`], and of a name that is wrong.
    pub(super) async fn open(source: &JsValue, progress: &DownloadProgress, cancel: &Cancel) -> Result<Self> {
        if let Some(name) = source.as_string() {
            return Ok(Self::MadeUp(Yielding::new(SyntheticSource::new(&Recipe::parse(&name)?))));
        }
        let mut files = Vec::new();
        for file in Array::from(source).iter() {
            files.push(File::open(file, progress, cancel).await?);
        }
        Ok(Self::Files(Concat::new(files)?))
    }
}

impl File {
    async fn open(file: JsValue, progress: &DownloadProgress, cancel: &Cancel) -> Result<Self> {
        let field = |name: &str| Reflect::get(&file, &name.into()).unwrap_or_default();
        if field("url").is_undefined() {
            return Ok(Self::Script(JsSource::new(file)?));
        }
        let store = field("store");
        let store = if store.is_undefined() { None } else { Some(OpfsStore::new(&store)?) };
        let located: Located = serde_wasm_bindgen::from_value(file).map_err(|error| Error::Internal {
            what: format!("a file was not sent as it should be: {error}"),
        })?;
        let options = DownloadOptions {
            url: located.url,
            headers: located.headers,
            sha256: located.sha256.as_deref().map(parse_sha256).transpose()?,
            progress: progress.clone(),
        };
        Ok(Self::Remote(Box::new(RemoteSource::open(FetchClient, store, options, cancel).await?)))
    }
}

impl ByteSource for Source {
    fn len(&self) -> Option<u64> {
        match self {
            Self::MadeUp(source) => source.len(),
            Self::Files(source) => source.len(),
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::MadeUp(source) => source.name(),
            Self::Files(source) => source.name(),
        }
    }

    async fn read(&mut self, offset: u64, into: &mut [u8], cancel: &Cancel) -> Result<()> {
        match self {
            Self::MadeUp(source) => source.read(offset, into, cancel).await,
            Self::Files(source) => source.read(offset, into, cancel).await,
        }
    }
}

impl ModelSource for Source {
    fn file_starts(&self) -> Vec<u64> {
        match self {
            Self::MadeUp(_) => vec![0],
            Self::Files(source) => source.file_starts(),
        }
    }

    async fn finish(&mut self, cancel: &Cancel) -> Result<()> {
        match self {
            Self::MadeUp(_) => cancel.check(),
            Self::Files(source) => source.finish(cancel).await,
        }
    }
}

impl ByteSource for File {
    fn len(&self) -> Option<u64> {
        match self {
            Self::Remote(source) => source.len(),
            Self::Script(source) => source.len(),
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Remote(source) => source.name(),
            Self::Script(source) => source.name(),
        }
    }

    async fn read(&mut self, offset: u64, into: &mut [u8], cancel: &Cancel) -> Result<()> {
        match self {
            Self::Remote(source) => source.read(offset, into, cancel).await,
            Self::Script(source) => source.read(offset, into, cancel).await,
        }
    }
}

impl ModelSource for File {
    async fn finish(&mut self, cancel: &Cancel) -> Result<()> {
        match self {
            Self::Remote(source) => source.finish(cancel).await,
            Self::Script(source) => source.finish(cancel).await,
        }
    }
}
