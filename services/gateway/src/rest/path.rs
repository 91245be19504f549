//! The one reading of a path: cut at slashes first, then percent-decoded, so `%2F` never makes a segment.

use std::borrow::Cow;

use logicore::{Error, Reason};
use percent_encoding::percent_decode_str;

/// One segment of a request's path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece<'p> {
    /// As it came.
    pub raw: &'p str,
    /// Percent-decoded.
    pub text: Cow<'p, str>,
}

/// The path's segments, decoded; `None` where a segment is empty or a dot segment, which match no route.
///
/// # Errors
/// `MALFORMED_PATH` for a bad escape or bytes that are not UTF-8.
pub(super) fn split(path: &str) -> Result<Option<Vec<Piece<'_>>>, Error> {
    let mut pieces = Vec::new();
    let mut matchable = true;
    for raw in path.strip_prefix('/').unwrap_or(path).split('/') {
        let text = decode(raw)?;
        matchable &= !is_hollow(&text);
        pieces.push(Piece { raw, text });
    }
    Ok((matchable && path.starts_with('/')).then_some(pieces))
}

/// Percent-decodes; `+` stays a plus.
///
/// # Errors
/// `MALFORMED_PATH` for a bad escape or bytes that are not UTF-8.
pub(super) fn decode(raw: &str) -> Result<Cow<'_, str>, Error> {
    if let Some(bad) = bad_escape(raw) {
        return Err(malformed(format!("`{bad}` is not a percent escape")));
    }
    percent_decode_str(raw)
        .decode_utf8()
        .map_err(|_| malformed("the path or query is not UTF-8"))
}

/// A last segment as stem and verb. The colon is looked for in the raw text: an escaped one is none. `None` where a side is
/// empty, or the stem a dot segment, which would pass here and nowhere else.
pub(super) fn verb<'p>(last: &Piece<'p>) -> Option<(Piece<'p>, Cow<'p, str>)> {
    let (raw, verb) = last.raw.rsplit_once(':')?;
    let (text, verb) = (decode(raw).ok()?, decode(verb).ok()?);
    (!is_hollow(&text) && !verb.is_empty()).then_some((Piece { raw, text }, verb))
}

fn is_hollow(text: &str) -> bool {
    matches!(text, "" | "." | "..")
}

/// Joins the segments of a variable that spans several: `%2F` in a segment stays escaped, as http.proto asks.
///
/// # Errors
/// Never for pieces that [`split`] gave out.
pub(super) fn join(pieces: &[Piece<'_>]) -> Result<String, Error> {
    let mut out = String::new();
    for (i, piece) in pieces.iter().enumerate() {
        if i > 0 {
            out.push('/');
        }
        let mut rest = piece.raw;
        while let Some(at) = rest.find("%2F").into_iter().chain(rest.find("%2f")).min() {
            out.push_str(&decode(&rest[..at])?);
            out.push_str(&rest[at..at + 3]);
            rest = &rest[at + 3..];
        }
        out.push_str(&decode(rest)?);
    }
    Ok(out)
}

fn bad_escape(raw: &str) -> Option<&str> {
    let bytes = raw.as_bytes();
    let mut at = 0;
    while let Some(found) = bytes[at..].iter().position(|b| *b == b'%') {
        let start = at + found;
        let digits = bytes.get(start + 1..start + 3);
        if !digits.is_some_and(|d| d.iter().all(u8::is_ascii_hexdigit)) {
            // Cut at a character's edge: what follows the percent sign may be anything.
            return Some(raw.get(start..start + 3).unwrap_or("%"));
        }
        at = start + 3;
    }
    None
}

fn malformed(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(Reason::MalformedPath, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(path: &str) -> Option<Vec<String>> {
        split(path)
            .unwrap()
            .map(|p| p.into_iter().map(|p| p.text.into_owned()).collect())
    }

    #[test]
    fn an_escaped_slash_stays_within_its_segment() {
        assert_eq!(texts("/a%2Fb/c").unwrap(), ["a/b", "c"]);
    }

    #[test]
    fn a_plus_in_a_path_is_a_plus() {
        assert_eq!(texts("/a+b").unwrap(), ["a+b"]);
    }

    #[test]
    fn empty_and_dot_segments_match_nothing() {
        for path in ["/", "//", "/a/", "/a//b", "/./a", "/a/..", "/%2e%2E/a", "a", ""] {
            assert_eq!(texts(path), None, "{path}");
        }
    }

    #[test]
    fn bad_escapes_and_bad_utf8_are_malformed() {
        for path in ["/%", "/%4", "/%zz", "/a%ff", "/%c3%28", "/%é", "/%2"] {
            assert_eq!(split(path).unwrap_err().reason(), Reason::MalformedPath, "{path}");
        }
    }

    #[test]
    fn a_joined_variable_keeps_escaped_slashes() {
        let pieces = split("/a%20b/c%2Fd%2fe").unwrap().unwrap();
        assert_eq!(join(&pieces).unwrap(), "a b/c%2Fd%2fe");
    }
}
