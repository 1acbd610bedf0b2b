//! Shards: models in several files, as `llama-gguf-split` writes them. Each file has a header with its own
//! tensors, and the first one has the metadata of the model. All have the keys `split.no`, `split.count` and
//! `split.tensors.count`.

use std::collections::BTreeSet;

use super::header::Header;
use crate::error::{Error, Result};

/// Keys that identify the model of a shard. They may be absent.
const MODEL: [&str; 2] = ["general.architecture", "general.name"];

/// Joins the headers of all files, each with its offset, into the header of their concatenation. `name` is
/// that of the first file.
///
/// # Errors
/// [`Error::WrongShard`] if a file is not the shard of its place, or a shard is missing; [`Error::Malformed`]
/// if two have the same tensor.
pub(super) fn join(name: &str, headers: Vec<(u64, Header)>) -> Result<Header> {
    let n_files = headers.len();
    for ((_, header), ix) in headers.iter().zip(0..) {
        check_place(name, header, ix, n_files)?;
    }
    let mut headers = headers.into_iter();
    let Some((_, mut joined)) = headers.next() else {
        return Err(Error::Internal { what: "no header was read".to_owned() });
    };
    for ((start, header), ix) in headers.zip(1..) {
        check_model(&joined, &header, &file(ix, n_files))?;
        joined.tensors.extend(header.tensors.into_iter().map(|mut tensor| {
            tensor.offset += start;
            tensor
        }));
    }
    if n_files > 1 {
        check_tensors(name, &joined)?;
    }
    Ok(joined)
}

/// Name of a file in messages.
fn file(ix: usize, n_files: usize) -> String {
    format!("file {} of {n_files}", ix + 1)
}

fn check_place(name: &str, header: &Header, ix: usize, n_files: usize) -> Result<()> {
    let number = |key| header.metadata.opt_u32(key).map(|number| number.map(|number| number as usize));
    let count = number("split.count")?.filter(|count| *count > 1);
    let found = match count {
        Some(count) => {
            let no = number("split.no")?.unwrap_or_default();
            if (no, count) == (ix, n_files) {
                return Ok(());
            }
            format!("shard {} of {count}", no + 1)
        }
        None if n_files == 1 => return Ok(()),
        None => "a whole model".to_owned(),
    };
    Err(match n_files {
        1 => Error::WrongShard { file: name.to_owned(), expected: "a whole model".to_owned(), found },
        _ => Error::WrongShard {
            file: file(ix, n_files),
            expected: format!("shard {} of {n_files}", ix + 1),
            found,
        },
    })
}

/// Checks that a shard belongs to the model of the first one, as far as the metadata show.
fn check_model(first: &Header, header: &Header, file: &str) -> Result<()> {
    let n_tensors = "split.tensors.count";
    for key in MODEL.into_iter().chain([n_tensors]) {
        if let (Some(expected), Some(found)) = (first.metadata.get(key), header.metadata.get(key))
            && expected != found
        {
            let of = |value: &super::Value| format!("of a model whose {key} is {}", value.describe());
            return Err(Error::WrongShard {
                file: file.to_owned(),
                expected: of(expected),
                found: of(found),
            });
        }
    }
    Ok(())
}

/// Checks that no tensor is duplicate or missing.
fn check_tensors(name: &str, joined: &Header) -> Result<()> {
    let mut names = BTreeSet::new();
    for tensor in &joined.tensors {
        if !names.insert(&tensor.name) {
            let what = format!("tensor \"{}\"", tensor.name);
            return Err(Error::Malformed { what, at: tensor.offset, why: "it is in two shards".to_owned() });
        }
    }
    match joined.metadata.opt_u32("split.tensors.count")? {
        Some(expected) if expected as usize != joined.tensors.len() => Err(Error::WrongShard {
            file: name.to_owned(),
            expected: format!("of a model of {expected} tensors"),
            found: format!("with the other shards of one of {}", joined.tensors.len()),
        }),
        _ => Ok(()),
    }
}
