//! Calls by GET: the message stands in the query.

use base64::{
    Engine as _,
    alphabet::URL_SAFE,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use http::HeaderValue;
use logicore::{Error, Reason, compression::Encoding};
use percent_encoding::percent_decode;

use super::form::Codec;

/// With padding or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A call in a query.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) codec: Codec,
    pub(super) message: Vec<u8>,
    compression: Option<Vec<u8>>,
}

impl Query {
    /// How the message is compressed.
    ///
    /// # Errors
    /// `ENCODING_UNKNOWN`.
    pub(super) fn encoding(&self) -> Result<Option<Encoding>, Error> {
        let Some(name) = &self.compression else {
            return Ok(None);
        };
        // What cannot be a header names nothing.
        let name = HeaderValue::from_bytes(name).unwrap_or(HeaderValue::from_static("?"));
        Encoding::named(Some(&name))
    }
}

/// Whether a query is a call of Connect, and not one of REST.
pub(super) fn is_call(query: &str) -> bool {
    let has = |name: &str| pairs(query).any(|(key, _)| key == name);
    pairs(query).any(|pair| pair == ("connect", "v1")) || (has("encoding") && has("message"))
}

/// Reads a call; what it does not know it leaves alone, as the protocol asks.
///
/// # Errors
/// What of it cannot be read.
pub(super) fn read(query: &str) -> Result<Query, Error> {
    let value = |name: &str| {
        pairs(query)
            .find(|(key, _)| *key == name)
            .map(|(_, value)| decoded(value))
    };
    let codec = match value("encoding").as_deref() {
        Some(b"proto") => Codec::Proto,
        Some(b"json") => Codec::Json,
        _ => {
            return Err(Error::new(
                Reason::UnsupportedMediaType,
                "`encoding` must be `proto` or `json`",
            ));
        }
    };
    if value("connect").is_some_and(|version| version != b"v1") {
        return Err(Error::field("connect", "only `v1` is spoken here"));
    }
    let message = value("message").ok_or_else(|| Error::field("message", "is missing"))?;
    let message = match value("base64").as_deref() {
        Some(b"1") => BASE64
            .decode(message)
            .map_err(|e| Error::field("message", "is not base64 of the URL-safe kind").because(e))?,
        _ => message,
    };
    Ok(Query {
        codec,
        message,
        compression: value("compression"),
    })
}

fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// Percent-decoded; a plus is a space, as forms have it.
fn decoded(text: &str) -> Vec<u8> {
    percent_decode(text.replace('+', " ").as_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_told_from_a_query_of_rest() {
        for (query, call) in [
            ("connect=v1&encoding=json&message=%7B%7D", true),
            ("message=&encoding=proto", true),
            ("connect=v1", true),
            ("encoding=json", false),
            ("message=x", false),
            ("connect=v2", false),
            ("", false),
        ] {
            assert_eq!(is_call(query), call, "{query}");
        }
    }

    #[test]
    fn messages_are_read_in_every_form() {
        for (query, message) in [
            (
                "encoding=json&message=%7B%22a%22%3A%20%22b%2Bc%22%7D",
                &br#"{"a": "b+c"}"#[..],
            ),
            ("encoding=json&message=%7B%22a%22:+1%7D&connect=v1&x=y", br#"{"a": 1}"#),
            ("encoding=proto&base64=1&message=-_8", &[0xfb, 0xff]),
            ("encoding=proto&base64=1&message=-_8%3D", &[0xfb, 0xff]),
            ("base64=0&encoding=json&message=e30", b"e30"),
            ("encoding=proto&base64=1&message=", b""),
        ] {
            assert_eq!(read(query).unwrap().message, message, "{query}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        for (query, reason) in [
            ("encoding=xml&message=x", Reason::UnsupportedMediaType),
            ("message=x", Reason::UnsupportedMediaType),
            ("encoding=json", Reason::InvalidField),
            ("encoding=proto&base64=1&message=%2B%2F", Reason::InvalidField),
            ("encoding=json&message=x&connect=v2", Reason::InvalidField),
        ] {
            assert_eq!(read(query).unwrap_err().reason(), reason, "{query}");
        }
        let query = read("encoding=json&message=x&compression=sna%0Appy").unwrap();
        assert_eq!(query.encoding().unwrap_err().reason(), Reason::EncodingUnknown);
        let query = read("encoding=json&message=x&compression=gzip").unwrap();
        assert_eq!(query.encoding().unwrap(), Some(Encoding::Gzip));
    }
}
