//! What an answer's head says, against what was asked.

use core::ops::Range;

use crate::error::{Error, Result};
use crate::source::transport::Head;

/// Bytes of the largest file that is believed in. A table of chunks is made of this number before a byte of the file is there.
pub(super) const MAX_SIZE: u64 = 1 << 40;

/// What tells one version of a file from another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) size: Option<u64>,
    pub(super) etag: Option<String>,
    pub(super) last_modified: Option<String>,
}

impl Identity {
    /// Whether two replies are about different files: by `ETag` where both have one, else by date; always by size. What one of them
    /// doesn't say tells nothing.
    pub(super) fn differs(&self, other: &Self) -> bool {
        fn differ<T: PartialEq>(a: Option<T>, b: Option<T>) -> bool {
            matches!((a, b), (Some(a), Some(b)) if a != b)
        }
        // A weak tag stands for equal content too, only not for equal bytes of a compressed reply, which is not kept anyway.
        let tag =
            |identity: &'_ Self| identity.etag.as_deref().map(|tag| tag.trim_start_matches("W/").to_owned());
        let by_name = match (tag(self), tag(other)) {
            (Some(a), Some(b)) => a != b,
            _ => differ(self.last_modified.as_ref(), other.last_modified.as_ref()),
        };
        by_name || differ(self.size, other.size)
    }

    /// Whether a later visit can know the file again.
    pub(super) fn is_known(&self) -> bool {
        self.etag.is_some() || self.last_modified.is_some()
    }

    /// The tag for `If-Range`, which has to be a strong one.
    pub(super) fn strong_tag(&self) -> Option<&str> {
        self.etag.as_deref().filter(|tag| !tag.starts_with("W/"))
    }

    pub(super) fn shown(&self) -> String {
        let mut parts = vec![self.size.map_or("of unknown size".to_owned(), |size| format!("{size} bytes"))];
        parts.extend(self.etag.as_ref().map(|tag| format!("tag {tag}")));
        parts.extend(self.last_modified.as_ref().map(|date| format!("of {date}")));
        parts.join(", ")
    }
}

/// What comes in the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// The part that was asked for.
    Part,
    /// The whole file from its start.
    Whole,
    /// A part, but of what can't be told: the server doesn't let a page read it, or has compressed it.
    Unclear,
}

/// Reads a head. `asked` may end beyond the end of the file.
///
/// # Errors
/// [`Error::Http`] for a status that is no success, [`Error::BadReply`] where it is not what was asked for.
pub(super) fn read(url: &str, head: &Head, asked: Option<&Range<u64>>) -> Result<(Content, Identity)> {
    let encoded = !matches!(head.content_encoding.as_deref(), None | Some("" | "identity"));
    let mut identity =
        Identity { size: None, etag: head.etag.clone(), last_modified: head.last_modified.clone() };
    let content = match (head.status, asked) {
        (200, _) => {
            identity.size = head.content_length.filter(|_| !encoded);
            Content::Whole
        }
        // No byte to give: of an empty file the whole is asked for.
        (416, Some(asked)) if asked.start == 0 => Content::Unclear,
        (206, Some(asked)) => match head.content_range.as_deref().filter(|_| !encoded) {
            Some(range) => {
                identity.size = Some(check_part(url, head, range, asked)?);
                Content::Part
            }
            None => Content::Unclear,
        },
        (status, _) => return Err(Error::Http { url: url.to_owned(), status }),
    };
    if let Some(size) = identity.size.filter(|size| *size > MAX_SIZE) {
        return Err(bad(
            url,
            "the file's size",
            format!("at most {MAX_SIZE} bytes"),
            format!("{size} bytes"),
        ));
    }
    Ok((content, identity))
}

/// Checks `Content-Range` and `Content-Length` against what was asked; returns the file's size.
fn check_part(url: &str, head: &Head, range: &str, asked: &Range<u64>) -> Result<u64> {
    let wrong = |expected: String| bad(url, "Content-Range", expected, format!("\"{range}\""));
    let Some((first, last, size)) = parse(range) else {
        return Err(wrong(format!("\"bytes {}-LAST/SIZE\"", asked.start)));
    };
    // The last byte may be fewer than was asked for, where the file ends before.
    let end = asked.end.min(size);
    if first != asked.start || last.checked_add(1) != Some(end) || first > last {
        return Err(wrong(format!("\"bytes {}-{}/{size}\"", asked.start, end.saturating_sub(1))));
    }
    match head.content_length {
        Some(length) if length != end - first => {
            Err(bad(url, "Content-Length", (end - first).to_string(), length.to_string()))
        }
        _ => Ok(size),
    }
}

/// First, last and size of `bytes 0-99/1000`.
fn parse(range: &str) -> Option<(u64, u64, u64)> {
    let (part, size) = range.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = part.split_once('-')?;
    Some((first.trim().parse().ok()?, last.trim().parse().ok()?, size.trim().parse().ok()?))
}

pub(super) fn bad(url: &str, what: &str, expected: String, found: String) -> Error {
    Error::BadReply { url: url.to_owned(), what: what.to_owned(), expected, found }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(size: u64, etag: &str, date: &str) -> Identity {
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Identity { size: Some(size), etag: text(etag), last_modified: text(date) }
    }

    #[test]
    fn files_are_told_apart() {
        let a = identity(9, "\"a\"", "Monday");
        for same in [
            a.clone(),
            identity(9, "\"a\"", "Tuesday"),
            identity(9, "W/\"a\"", ""),
            identity(9, "", "Monday"),
        ] {
            assert!(!a.differs(&same), "{same:?}");
        }
        for other in
            [identity(8, "\"a\"", "Monday"), identity(9, "\"b\"", "Monday"), identity(9, "", "Tuesday")]
        {
            assert!(a.differs(&other), "{other:?}");
        }
        assert!(!Identity::default().differs(&a), "nothing known");
        assert_eq!(identity(9, "W/\"a\"", "").strong_tag(), None);
    }

    fn part(
        content_range: &str,
        content_length: Option<u64>,
        asked: Range<u64>,
    ) -> Result<(Content, Identity)> {
        let content_range = Some(content_range.to_owned());
        read("url", &Head { status: 206, content_range, content_length, ..Head::default() }, Some(&asked))
    }

    #[test]
    fn a_part_is_the_one_that_was_asked_for() {
        for (range, length) in [("bytes 5-9/100", Some(5)), ("bytes 5-9/10", None)] {
            let (content, identity) = part(range, length, 5..10).unwrap();
            assert!(content == Content::Part && identity.size.is_some(), "{range}");
        }
        assert_eq!(part("bytes 5-7/8", None, 5..10).unwrap().1.size, Some(8), "the file ends before");
        for (range, length) in [
            ("bytes 4-9/100", None),
            ("bytes 5-8/100", None),
            ("bytes 5-10/100", None),
            ("bytes 5-9/100", Some(4)),
            ("bytes 5-9/*", None),
            ("bytes 5-4/5", None),
            ("bytes 5-9", None),
            ("pages 5-9/100", None),
            ("bytes 5-18446744073709551615/18446744073709551615", None),
            ("bytes 5-9/99999999999999", None),
        ] {
            let error = part(range, length, 5..10).unwrap_err();
            assert!(matches!(error, Error::BadReply { .. }), "{range}: {error:?}");
        }
    }

    #[test]
    fn what_cannot_be_told_is_unclear() {
        let head = |status| Head { status, ..Head::default() };
        let content = |head: &Head, asked| read("url", head, asked).map(|(content, _)| content);
        assert_eq!(content(&head(206), Some(&(0..9))).unwrap(), Content::Unclear);
        let mut packed =
            Head { content_encoding: Some("gzip".to_owned()), content_length: Some(9), ..head(200) };
        assert_eq!(read("url", &packed, None).unwrap().1.size, None, "packed bytes are not counted");
        packed.content_encoding = Some("identity".to_owned());
        assert_eq!(read("url", &packed, None).unwrap().1.size, Some(9));
        assert!(matches!(content(&head(206), None), Err(Error::Http { status: 206, .. })));
        assert!(matches!(content(&head(404), Some(&(0..9))), Err(Error::Http { status: 404, .. })));
        assert_eq!(content(&head(416), Some(&(0..9))).unwrap(), Content::Unclear);
        assert!(matches!(content(&head(416), Some(&(5..9))), Err(Error::Http { status: 416, .. })));
    }
}
