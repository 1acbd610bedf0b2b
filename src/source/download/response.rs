//! Checks of a response against its request.

use core::ops::Range;

use crate::error::{Error, Result};
use crate::source::http::ResponseHead;

/// Bytes of the largest plausible file. The table of chunks is allocated by a size that a server claims,
/// before the first byte arrives.
pub(super) const MAX_SIZE: u64 = 1 << 40;

/// Identity of one version of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) size: Option<u64>,
    pub(super) etag: Option<String>,
    pub(super) last_modified: Option<String>,
}

impl Identity {
    /// Whether two responses describe different files: by `ETag` if both have one, else by date, and always
    /// by size. A missing value proves no difference.
    pub(super) fn differs(&self, other: &Self) -> bool {
        fn differ<T: PartialEq>(a: Option<T>, b: Option<T>) -> bool {
            matches!((a, b), (Some(a), Some(b)) if a != b)
        }
        // A weak tag means equal content too. It does not mean equal bytes of a compressed response, but
        // those are never kept.
        let tag =
            |identity: &'_ Self| identity.etag.as_deref().map(|tag| tag.trim_start_matches("W/").to_owned());
        let by_name = match (tag(self), tag(other)) {
            (Some(a), Some(b)) => a != b,
            _ => differ(self.last_modified.as_ref(), other.last_modified.as_ref()),
        };
        by_name || differ(self.size, other.size)
    }

    /// Whether a later download can recognise the file.
    pub(super) fn is_known(&self) -> bool {
        self.etag.is_some() || self.last_modified.is_some()
    }

    /// The tag for `If-Range`, which must be a strong one.
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

/// Content of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// The requested part.
    Part,
    /// The whole file from the start.
    Whole,
    /// An unknown part: the server hides the range from a page, or has compressed the body.
    Unclear,
}

/// Checks the head of a response. `asked`, the requested range, may end beyond the end of the file.
///
/// # Errors
/// [`Error::Http`] for a status that is no success, [`Error::BadReply`] if the response does not match the
/// request.
pub(super) fn check(
    url: &str,
    head: &ResponseHead,
    asked: Option<&Range<u64>>,
) -> Result<(Content, Identity)> {
    let encoded = !matches!(head.content_encoding.as_deref(), None | Some("" | "identity"));
    let mut identity =
        Identity { size: None, etag: head.etag.clone(), last_modified: head.last_modified.clone() };
    let content = match (head.status, asked) {
        (200, _) => {
            identity.size = head.content_length.filter(|_| !encoded);
            Content::Whole
        }
        // No such byte: the file may be empty, so the whole of it is requested next.
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

/// Checks `Content-Range` and `Content-Length` against the requested range; returns the file's size.
fn check_part(url: &str, head: &ResponseHead, range: &str, asked: &Range<u64>) -> Result<u64> {
    let wrong = |expected: String| bad(url, "Content-Range", expected, format!("\"{range}\""));
    let Some((first, last, size)) = parse(range) else {
        return Err(wrong(format!("\"bytes {}-LAST/SIZE\"", asked.start)));
    };
    // The range may end early: at the end of the file.
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

/// First byte, last byte and size in `bytes 0-99/1000`.
fn parse(range: &str) -> Option<(u64, u64, u64)> {
    let (part, size) = range.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = part.split_once('-')?;
    Some((first.trim().parse().ok()?, last.trim().parse().ok()?, size.trim().parse().ok()?))
}

/// [`Error::BadReply`].
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
        let head = ResponseHead { status: 206, content_range, content_length, ..ResponseHead::default() };
        check("url", &head, Some(&asked))
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
        let head = |status| ResponseHead { status, ..ResponseHead::default() };
        let content = |head: &ResponseHead, asked| check("url", head, asked).map(|(content, _)| content);
        assert_eq!(content(&head(206), Some(&(0..9))).unwrap(), Content::Unclear);
        let mut packed =
            ResponseHead { content_encoding: Some("gzip".to_owned()), content_length: Some(9), ..head(200) };
        assert_eq!(check("url", &packed, None).unwrap().1.size, None, "packed bytes are not counted");
        packed.content_encoding = Some("identity".to_owned());
        assert_eq!(check("url", &packed, None).unwrap().1.size, Some(9));
        assert!(matches!(content(&head(206), None), Err(Error::Http { status: 206, .. })));
        assert!(matches!(content(&head(404), Some(&(0..9))), Err(Error::Http { status: 404, .. })));
        assert_eq!(content(&head(416), Some(&(0..9))).unwrap(), Content::Unclear);
        assert!(matches!(content(&head(416), Some(&(5..9))), Err(Error::Http { status: 416, .. })));
    }
}
