//! Sources of a model: files, addresses, or the name of a synthetic one.

use std::path::Path;

use gemma_web::source::ByteSource;
use gemma_web::source::address;
use gemma_web::source::client::Client;
use gemma_web::source::directory::{Entry, cache_folder};
use gemma_web::source::download::{Remote, Wanted, Watch, parse_sha256};
use gemma_web::source::file::FileSource;
use gemma_web::source::joined::Joined;
use gemma_web::source::synthetic::{PREFIX, Recipe, SyntheticSource};
use gemma_web::{Cancel, Result};
use pollster::block_on;

use super::args::{Download, Model};
use super::output::{Failure, note};

/// Any kind of model, or a shard of one.
pub(crate) enum Source {
    File(FileSource),
    Synthetic(SyntheticSource),
    Remote(Box<Remote<Client, Entry>>),
}

/// Opens the model that the arguments name, with its other shards.
pub(crate) fn of(model: &Model, watch: &Watch) -> Result<Joined<Source>, Failure> {
    match &model.synthetic {
        Some(name) => Ok(Joined::new(vec![synthetic(name)?])?),
        // clap refuses a command line without both; an empty path is refused like any that does not exist.
        None => open(model.model.as_deref().unwrap_or(Path::new("")), &model.download, watch),
    }
}

/// Opens a file or an address with the other shards of the model, or the synthetic model of a name that
/// starts with `synthetic:`.
pub(crate) fn open(model: &Path, download: &Download, watch: &Watch) -> Result<Joined<Source>, Failure> {
    let name = model.to_str().unwrap_or_default();
    let shards = address::shards(name);
    if is_address(name) {
        let names = shards.unwrap_or_else(|| vec![name.to_owned()]);
        let client = Client::default();
        let remote = |name: &String| remote(&client, name, names.len(), download, watch);
        return Ok(Joined::new(names.iter().map(remote).collect::<Result<_, _>>()?)?);
    }
    if download.sha256.is_some() || !download.headers.is_empty() {
        let option = if download.sha256.is_some() { "--sha256" } else { "--header" };
        return Err(Failure::usage(option, model.display(), "an address as the model"));
    }
    if name.starts_with(PREFIX) {
        return Ok(Joined::new(vec![synthetic(name)?])?);
    }
    let files = match shards {
        Some(names) => names.iter().map(FileSource::open).collect::<Result<Vec<_>>>()?,
        None => vec![FileSource::open(model)?],
    };
    Ok(Joined::new(files.into_iter().map(Source::File).collect())?)
}

fn synthetic(name: &str) -> Result<Source> {
    Ok(Source::Synthetic(SyntheticSource::new(&Recipe::parse(name)?)))
}

fn is_address(name: &str) -> bool {
    ["https://", "http://", address::HF_PREFIX].iter().any(|start| name.starts_with(start))
}

/// Opens an address, with its entry in the cache if there is a cache.
fn remote(
    client: &Client,
    name: &str,
    n_shards: usize,
    download: &Download,
    watch: &Watch,
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
    let wanted = Wanted { url, headers, sha256, watch: watch.clone() };
    let remote = block_on(Remote::open(client.clone(), store, wanted, &Cancel::default()))?;
    Ok(Source::Remote(Box::new(remote)))
}

/// The entry of the cache; `None`, with a note to the user, if there is no cache.
fn entry(url: &str) -> Option<Entry> {
    let uncached = |why: &str| note(format_args!("the model is not kept: {why}"));
    let Some(folder) = cache_folder() else {
        uncached("there is no home folder for a cache");
        return None;
    };
    let mut on_busy = || note("another process is loading this model; waiting for it");
    let entry = Entry::open(&folder.join("models"), &address::id(url), &mut on_busy);
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

    async fn finish(&mut self, cancel: &Cancel) -> Result<()> {
        match self {
            Self::File(source) => source.finish(cancel).await,
            Self::Synthetic(source) => source.finish(cancel).await,
            Self::Remote(source) => source.finish(cancel).await,
        }
    }
}
