//! Addresses: the short form of Hugging Face, the shards of a model, addresses in messages, and ids of cache
//! entries.

use xxhash_rust::xxh3::xxh3_128;

use crate::error::{Error, Result};

/// Prefix of the short form of a file on Hugging Face.
pub const HF_PREFIX: &str = "hf:";
const HF: &str = "https://huggingface.co/";
/// Maximum bytes of an address. It must fit in a manifest, and servers refuse longer ones.
const MAX_BYTES: usize = 8 << 10;
/// Maximum number of shards of a model. The largest split models have about ten.
const MAX_SHARDS: usize = 1000;

/// The URL of an address: the address itself, or for `hf:owner/repo/file.gguf[@revision]` that of the file on
/// Hugging Face. Without a revision it is the newest version.
///
/// # Errors
/// [`Error::InvalidOption`] if a part of the short form is missing, or if the address holds a user name and a
/// password: addresses appear in messages and in the cache.
pub fn resolve(address: &str) -> Result<String> {
    let refused = |expected: &str| Error::invalid_option("url", format!("\"{}\"", shown(address)), expected);
    if address.len() > MAX_BYTES {
        return Err(refused("an address of at most 8 KiB"));
    }
    let Some(file) = address.strip_prefix(HF_PREFIX) else {
        if has_password(address) {
            return Err(refused("an address without a password; send it in a header"));
        }
        return Ok(address.to_owned());
    };
    let (path, revision) = file.rsplit_once('@').unwrap_or((file, "main"));
    let mut parts = path.splitn(3, '/');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(owner), Some(repo), Some(file))
            if ![owner, repo, file, revision].contains(&"") && !path.contains("..") =>
        {
            // A slash in a revision is part of its name; one in the file name separates folders.
            let revision = encoded(revision).replace('/', "%2F");
            Ok(format!("{HF}{}/{}/resolve/{revision}/{}", encoded(owner), encoded(repo), encoded(file)))
        }
        _ => Err(refused("hf:owner/repo/file.gguf or hf:owner/repo/file.gguf@revision")),
    }
}

/// Whether a URL leads to Hugging Face over HTTPS, the only place that may receive its token.
#[must_use]
pub fn is_hf(url: &str) -> bool {
    url.starts_with(HF)
}

/// Percent-encodes all bytes that a path may not contain.
fn encoded(part: &str) -> String {
    let mut out = String::with_capacity(part.len());
    for byte in part.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                out.push(byte as char);
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Whether there is a `user:password@` before the host.
fn has_password(url: &str) -> bool {
    authority(url).is_some_and(|range| url[range].contains('@'))
}

/// Range of the authority in a URL: the host with user and port.
fn authority(url: &str) -> Option<core::ops::Range<usize>> {
    let start = url.find("//")? + 2;
    let rest = &url[start..];
    // A browser reads a backslash as a slash.
    let len = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    Some(start..start + len)
}

/// The address for messages and the cache: without its query, which may hold a signature, and without a
/// password.
#[must_use]
pub fn shown(url: &str) -> String {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let url = &url[..end];
    match authority(url) {
        Some(range) => match url[range.clone()].rfind('@') {
            Some(at) => format!("{}{}", &url[..range.start], &url[range.start + at + 1..]),
            None => url.to_owned(),
        },
        None => url.to_owned(),
    }
}

/// Id of the cache entry of a URL: 32 hex digits.
#[must_use]
pub fn id(url: &str) -> String {
    let end = url.find('#').unwrap_or(url.len());
    format!("{:032x}", xxh3_128(&url.as_bytes()[..end]))
}

/// The names or addresses of all shards in order, derived from that of one: `x-00001-of-00003.gguf` and so
/// on. `None` if the name is not that of a shard. An `@revision` or a query after the name stays.
#[must_use]
pub fn shards(name: &str) -> Option<Vec<String>> {
    const ENDING: &str = ".gguf";
    let query = if name.contains("://") { name.find(['?', '#']) } else { None };
    let path = &name[..query.unwrap_or(name.len())];
    let end = path.rfind(ENDING)?;
    let (stem, ending) = name.split_at(end);
    if !(ending.len() == ENDING.len() || ending[ENDING.len()..].starts_with(['?', '#', '@'])) {
        return None;
    }
    let (rest, count) = number(stem)?;
    let (rest, no) = number(rest.strip_suffix("-of")?)?;
    if !(2..=MAX_SHARDS).contains(&count) || !(1..=count).contains(&no) {
        return None;
    }
    Some((1..=count).map(|i| format!("{rest}-{i:05}-of-{count:05}{ending}")).collect())
}

/// Splits `-` and five digits off the end.
fn number(text: &str) -> Option<(&str, usize)> {
    let (rest, digits) = text.rsplit_once('-')?;
    let number = digits.len() == 5 && digits.bytes().all(|b| b.is_ascii_digit());
    Some((rest, digits.parse().ok().filter(|_| number)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_form_is_a_url() {
        let url = resolve("hf:ggml-org/gemma-3-270m-GGUF/gemma-3-270m-Q8_0.gguf").unwrap();
        assert_eq!(
            url,
            "https://huggingface.co/ggml-org/gemma-3-270m-GGUF/resolve/main/gemma-3-270m-Q8_0.gguf"
        );
        assert!(is_hf(&url));
        let url = resolve("hf:a/b/folder/c d#.gguf@refs/pr/2").unwrap();
        assert_eq!(url, "https://huggingface.co/a/b/resolve/refs%2Fpr%2F2/folder/c%20d%23.gguf");
        for wrong in ["hf:", "hf:a/b", "hf:a//c.gguf", "hf:a/b/c.gguf@", "hf:a/b/../c.gguf"] {
            assert!(matches!(resolve(wrong), Err(Error::InvalidOption { .. })), "{wrong}");
        }
        assert_eq!(resolve("https://x.org/a.gguf?b=c").unwrap(), "https://x.org/a.gguf?b=c");
        for lookalike in ["https://huggingface.co.evil.org/a", "http://huggingface.co/a", "https://hf.co/"] {
            assert!(!is_hf(lookalike), "{lookalike}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        for url in ["https://me:secret@x.org/a.gguf", "https://secret@x.org", "//me:secret@x.org/a"] {
            let message = resolve(url).unwrap_err().to_string();
            assert!(message.contains("x.org") && !message.contains("secret"), "{message}");
        }
        assert_eq!(shown("https://x.org/a@b.gguf?secret=1#2"), "https://x.org/a@b.gguf");
        assert!(resolve("https://x.org/a@b.gguf").is_ok());
    }

    #[test]
    fn a_shard_names_the_others() {
        let all = shards("https://x.org/m-00002-of-00003.gguf?a=1").unwrap();
        let name = |i| format!("https://x.org/m-0000{i}-of-00003.gguf?a=1");
        assert_eq!(all, [name(1), name(2), name(3)]);
        assert_eq!(shards("hf:a/b/m-00001-of-00002.gguf@r").unwrap()[1], "hf:a/b/m-00002-of-00002.gguf@r");
        for no_shard in [
            "m.gguf",
            "m-00001-of-00001.gguf",
            "m-00003-of-00002.gguf",
            "m-1-of-2.gguf",
            "m-00001-of-00002.bin",
            "https://x.org/m.gguf?f=m-00001-of-00002.gguf",
            "m-00001-of-00002.gguf.part",
            "m-+0001-of-00002.gguf",
        ] {
            assert_eq!(shards(no_shard), None, "{no_shard}");
        }
    }

    #[test]
    fn ids_are_hex_and_differ() {
        let (a, b) = (id("https://x.org/a?x=1"), id("https://x.org/a?x=2"));
        assert!(a.len() == 32 && a.bytes().all(|c| c.is_ascii_hexdigit()) && a != b, "{a} {b}");
        assert_eq!(id("https://x.org/a?x=1#part"), a);
    }
}
