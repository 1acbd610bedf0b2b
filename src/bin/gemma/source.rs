//! Sources of a model: files, addresses, or the name of a synthetic one.

use std::path::Path;

use gemma_web::source::address;
use gemma_web::source::concat::Concat;
use gemma_web::source::download::{DownloadOptions, DownloadProgress, RemoteSource, parse_sha256};
use gemma_web::source::native::file::FileSource;
use gemma_web::source::native::http::UreqClient;
use gemma_web::source::native::store::{DiskStore, cache_folder};
use gemma_web::source::synthetic::{PREFIX, Recipe, SyntheticSource};
use gemma_web::source::{ByteSource, ModelSource};
use gemma_web::{Cancel, Result};
use pollster::block_on;

use super::args::{Download, Model};
use super::output::{Failure, note};

/// Any kind of model, or a shard of one.
pub(crate) enum Source {
    File(FileSource),
    Synthetic(SyntheticSource),
    Remote(Box<RemoteSource<UreqClient, DiskStore>>),
}

/// Opens the model that the arguments name, with its other shards.
pub(crate) fn of(model: &Model, progress: &DownloadProgress) -> Result<Concat<Source>, Failure> {
    match &model.synthetic {
        Some(name) => Ok(Concat::new(vec![synthetic(name)?])?),
        // clap refuses a command line without both; an empty path is refused like any that does not exist.
        None => open(model.model.as_deref().unwrap_or(Path::new("")), &model.download, progress),
    }
}

/// Opens a file or an address with the other shards of the model, or the synthetic model of a name that
/// starts with `synthetic:`.
pub(crate) fn open(
    model: &Path,
    download: &Download,
    progress: &DownloadProgress,
) -> Result<Concat<Source>, Failure> {
    let name = model.to_str().unwrap_or_default();
    let shards = address::shards(name);
    if is_address(name) {
        let names = shards.unwrap_or_else(|| vec![name.to_owned()]);
        let client = UreqClient::default();
        let remote = |name: &String| remote(&client, name, names.len(), download, progress);
        return Ok(Concat::new(names.iter().map(remote).collect::<Result<_, _>>()?)?);
    }
    if download.sha256.is_some() || !download.headers.is_empty() {
        let option = if download.sha256.is_some() { "--sha256" } else { "--header" };
        return Err(Failure::usage(option, model.display(), "an address as the model"));
    }
    if name.starts_with(PREFIX) {
        return Ok(Concat::new(vec![synthetic(name)?])?);
    }
    let files = match shards {
        Some(names) => names.iter().map(FileSource::open).collect::<Result<Vec<_>>>()?,
        None => vec![FileSource::open(model)?],
    };
    Ok(Concat::new(files.into_iter().map(Source::File).collect())?)
}

fn synthetic(name: &str) -> Result<Source> {
    Ok(Source::Synthetic(SyntheticSource::new(&Recipe::parse(name)?)))
}

fn is_address(name: &str) -> bool {
    ["https://", "http://", address::HF_PREFIX].iter().any(|start| name.starts_with(start))
}

/// Opens an address, with its entry in the cache if there is a cache.
fn remote(
    client: &UreqClient,
    name: &str,
    n_shards: usize,
    download: &Download,
    progress: &DownloadProgress,
) -> Result<Source, Failure> {
    let url = address::resolve(name)?;
    let sha256 = download.sha256.as_deref().map(parse_sha256).transpose()?;
    if sha256.is_some() && n_shards > 1 {
        return Err(Failure::usage("--sha256", name, "a model of one file"));
    }
    let mut headers = download.headers.clone();
    let is_named = |wanted: &str| headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted));
    if let Some(token) = std::env::var("HF_TOKEN").ok().filter(|token| !token.is_empty())
        && address::is_hf(&url)
        && !is_named("Authorization")
    {
        headers.push(("Authorization".to_owned(), format!("Bearer {token}")));
    }
    let store = if download.no_cache { None } else { entry(&url) };
    let options = DownloadOptions { url, headers, sha256, progress: progress.clone() };
    let remote = block_on(RemoteSource::open(client.clone(), store, options, &Cancel::default()))?;
    Ok(Source::Remote(Box::new(remote)))
}

/// The entry of the cache; `None`, with a note to the user, if there is no cache.
fn entry(url: &str) -> Option<DiskStore> {
    let uncached = |why: &str| note(format_args!("the model is not kept: {why}"));
    let Some(folder) = cache_folder() else {
        uncached("there is no home folder for a cache");
        return None;
    };
    let mut on_busy = || note("another process is loading this model; waiting for it");
    let entry = DiskStore::open(&folder.join("models"), &address::id(url), &mut on_busy);
    entry.inspect_err(|error| uncached(&error.to_string())).ok()
}

impl ByteSource for Source {
    fn len(&self) -> Option<u64> {
        match self {
            Self::File(source) => source.len(),
            Self::Synthetic(source) => source.len(),
            Self::Remote(source) => source.len(),
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::File(source) => source.name(),
            Self::Synthetic(source) => source.name(),
            Self::Remote(source) => source.name(),
        }
    }

    async fn read(&mut self, offset: u64, into: &mut [u8], cancel: &Cancel) -> Result<()> {
        match self {
            Self::File(source) => source.read(offset, into, cancel).await,
            Self::Synthetic(source) => source.read(offset, into, cancel).await,
            Self::Remote(source) => source.read(offset, into, cancel).await,
        }
    }
}

impl ModelSource for Source {
    async fn finish(&mut self, cancel: &Cancel) -> Result<()> {
        match self {
            Self::File(source) => source.finish(cancel).await,
            Self::Synthetic(source) => source.finish(cancel).await,
            Self::Remote(source) => source.finish(cancel).await,
        }
    }
}
