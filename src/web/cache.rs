//! Addresses and cache entries, for the worker, which opens and locks the files themselves.

use serde::{Deserialize, Serialize};
use wasm_bindgen::prelude::*;

use super::convert::{to_js, to_js_error};
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::source::web::opfs::OpfsStore;
use crate::source::{address, download};

/// A file as the page sends it.
#[derive(Deserialize)]
struct Sent {
    url: String,
    headers: Vec<(String, String)>,
    token: Option<String>,
    sha256: Option<String>,
}

/// A file with the name of its cache entry, ready to be opened.
#[derive(Serialize)]
struct Located {
    id: String,
    url: String,
    headers: Vec<(String, String)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
}

/// All files of a model, with the names of their cache entries, from the files that the caller named. One
/// shard's address stands for all shards.
///
/// # Errors
/// An object `{ code, message, … }` made from [`Error::InvalidOption`].
#[wasm_bindgen]
pub fn locate(files: JsValue) -> Result<JsValue, JsValue> {
    let located = || {
        let files: Vec<Sent> = serde_wasm_bindgen::from_value(files).map_err(|error| Error::Internal {
            what: format!("files were not sent as they should be: {error}"),
        })?;
        let alone = files.len() == 1;
        let mut all = Vec::new();
        for file in files {
            let (url, headers) = (address::resolve(&file.url)?, headers(&file)?);
            if let Some(sum) = &file.sha256 {
                download::parse_sha256(sum)?;
            }
            let urls = address::shards(&url).filter(|_| alone).unwrap_or_else(|| vec![url.clone()]);
            all.extend(urls.into_iter().map(|shard| Located {
                id: address::id(&shard),
                headers: headers.clone(),
                sha256: file.sha256.clone().filter(|_| shard == url),
                url: shard,
            }));
        }
        to_js(&all)
    };
    located().map_err(|error| to_js_error(&error))
}

/// The caller's headers, with the token if the address may receive it.
fn headers(file: &Sent) -> Result<Vec<(String, String)>> {
    let mut headers = file.headers.clone();
    if let Some(token) = &file.token {
        if !address::is_hf(&address::resolve(&file.url)?) {
            let found = format!("given for {}", address::shown(&file.url));
            let expected = "an address on Hugging Face (hf:owner/repo/file.gguf); send others in `headers`";
            return Err(Error::invalid_option("token", found, expected));
        }
        headers.push(("Authorization".to_owned(), format!("Bearer {token}")));
    }
    Ok(headers)
}

/// Contents of a cache entry, by its manifest and the length of its data: a plain object made from
/// [`download::CacheEntry`], or null.
///
/// # Errors
/// An object `{ code, message, … }` made from [`Error::Storage`].
#[wasm_bindgen(js_name = describeEntry)]
pub fn describe_entry(manifest: Vec<u8>, data_bytes: f64) -> Result<JsValue, JsValue> {
    let entry = download::describe_manifest(&manifest, data_bytes as u64);
    to_js(&entry).map_err(|error| to_js_error(&error))
}

/// Compares an open entry with its checksums: a plain object made from [`download::VerifyReport`].
///
/// # Errors
/// An object `{ code, message, … }` made from [`Error::Storage`].
#[wasm_bindgen(js_name = verifyEntry)]
pub async fn verify_entry(entry: JsValue) -> Result<JsValue, JsValue> {
    let verified = async {
        let mut store = OpfsStore::new(&entry)?;
        to_js(&download::verify(&mut store, &Cancel::default()).await?)
    };
    verified.await.map_err(|error| to_js_error(&error))
}
