//! Where a model comes from: a file, or a name of one that is made up.

use std::path::Path;

use gemma_web::source::ByteSource;
use gemma_web::source::file::FileSource;
use gemma_web::source::synthetic::{PREFIX, Recipe, SyntheticSource};
use gemma_web::{Cancel, Result};

use super::args::Model;

/// Either kind of model.
pub(crate) enum Source {
    File(FileSource),
    Synthetic(SyntheticSource),
}

impl Source {
    /// Opens what the options name.
    pub(crate) fn of(model: &Model) -> Result<Self> {
        match &model.synthetic {
            Some(name) => Self::synthetic(name),
            // Without both clap has refused the command line; an empty path is refused as any that does not exist.
            None => Self::open(model.model.as_deref().unwrap_or(Path::new(""))),
        }
    }

    /// Opens a file, or what a name with `synthetic:` in front stands for.
    pub(crate) fn open(model: &Path) -> Result<Self> {
        match model.to_str() {
            Some(name) if name.starts_with(PREFIX) => Self::synthetic(name),
            _ => FileSource::open(model).map(Self::File),
        }
    }

    fn synthetic(name: &str) -> Result<Self> {
        Ok(Self::Synthetic(SyntheticSource::new(&Recipe::parse(name)?)))
    }
}

impl ByteSource for Source {
    fn len(&self) -> Option<u64> {
        match self {
            Self::File(source) => source.len(),
            Self::Synthetic(source) => source.len(),
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::File(source) => source.name(),
            Self::Synthetic(source) => source.name(),
        }
    }

    async fn read(&mut self, offset: u64, into: &mut [u8], cancel: &Cancel) -> Result<()> {
        match self {
            Self::File(source) => source.read(offset, into, cancel).await,
            Self::Synthetic(source) => source.read(offset, into, cancel).await,
        }
    }
}
