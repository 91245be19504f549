//! The compact form of a signed token (RFC 7515), read strictly: what RFC 8725 warns of is refused before a key is touched.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

/// A token in its parts, still encoded.
pub(super) struct Parts<'a> {
    /// First part.
    pub(super) header: &'a str,
    /// Second part.
    pub(super) payload: &'a str,
    /// Third part.
    pub(super) signature: &'a str,
    /// What the signature covers: the first two with their dot.
    pub(super) signed: &'a str,
}

/// A header. Members that are not known are refused, which covers `crit`, `jku`, `jwk`, `x5u` and `zip`; so are doubled ones.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    /// Algorithm, as written.
    pub(super) alg: String,
    /// Type, as written.
    typ: String,
    /// Key.
    pub(super) kid: Option<String>,
}

/// Splits a token at its two dots.
pub(super) fn split(token: &str) -> Result<Parts<'_>, &'static str> {
    let foreign = |b: u8| !(b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if token.bytes().any(foreign) {
        return Err("characters that no token has");
    }
    let (signed, signature) = token.rsplit_once('.').ok_or("not three parts")?;
    let (header, payload) = signed.split_once('.').ok_or("not three parts")?;
    if payload.contains('.') || header.is_empty() || payload.is_empty() || signature.is_empty() {
        return Err("not three parts");
    }
    Ok(Parts {
        header,
        payload,
        signature,
        signed,
    })
}

/// Reads the first part.
pub(super) fn header(encoded: &str) -> Result<Header, &'static str> {
    let header: Header = object(&decode(encoded)?).map_err(|_| "a header that is not understood")?;
    // Case matters nowhere in media types, but ours is written one way only.
    if header.typ != super::TYP {
        return Err("another typ");
    }
    Ok(header)
}

/// Reads a JSON object. A list of the same values is none, though serde would take it for one.
pub(super) fn object<T: for<'de> Deserialize<'de>>(text: &[u8]) -> Result<T, serde_json::Error> {
    if text.first() != Some(&b'{') {
        return Err(serde::de::Error::custom("not an object"));
    }
    serde_json::from_slice(text)
}

/// Undoes base64url; padding and stray bits at the end are refused, so one token has one spelling.
pub(super) fn decode(part: &str) -> Result<Vec<u8>, &'static str> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| "not base64url")
}
