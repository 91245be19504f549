//! The head of a request: understood, and made one of gRPC.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version, header};
use logicore::{
    Error, Reason,
    compression::{Encoding, GRPC_ACCEPT_ENCODING},
    layer::deadline,
    policy,
};

use super::{
    Call,
    accept::Accepted,
    error::method_not_allowed,
    form::{Codec, Form, VERSION, named},
    metadata,
    query::{self, Query},
};
use crate::routes::Route;

const TIMEOUT: HeaderName = HeaderName::from_static("connect-timeout-ms");
const STREAM_ENCODING: HeaderName = HeaderName::from_static("connect-content-encoding");
const STREAM_ACCEPT: HeaderName = HeaderName::from_static("connect-accept-encoding");
/// Digits of a timeout at most: beyond 100 days nobody waits.
const TIMEOUT_DIGITS: usize = 10;

/// Reads the head of a request for a method, and writes that of gRPC in its place.
///
/// # Errors
/// What of it cannot be served.
pub(super) fn read<B>(request: &mut Request<B>, form: Form, route: &Route) -> Result<Call, Error> {
    let headers = request.headers();
    if headers.get(VERSION).is_some_and(|version| version != "1") {
        return Err(malformed("connect-protocol-version: only `1` is spoken here"));
    }
    let query = match *request.method() {
        Method::GET => Some(in_query(request.uri(), route)?),
        _ => None,
    };
    let form = query.as_ref().map_or(form, |q| Form {
        stream: false,
        codec: q.codec,
    });
    if form.stream == route.method.unary() || (query.is_none() && named(headers).is_none()) {
        return Err(other_form(route.method.unary()));
    }
    let sent = sent(headers, form, query.as_ref())?;
    let accept = if form.stream {
        STREAM_ACCEPT
    } else {
        header::ACCEPT_ENCODING
    };
    let accepted = Accepted::new(headers.get_all(accept), sent);
    let timeout = headers.get(TIMEOUT).map(timeout).transpose()?;
    rewrite(request, form, timeout, &accepted)?;
    Ok(Call {
        form,
        method: route.descriptor.clone(),
        query: query.map(|q| q.message),
        sent,
        accepted,
    })
}

/// The message in the query, of a method that may be called by following a link.
fn in_query(uri: &Uri, route: &Route) -> Result<Query, Error> {
    match route.method.idempotency {
        policy::Idempotency::NoSideEffects if route.method.unary() => query::read(uri.query().unwrap_or_default()),
        _ => Err(method_not_allowed()),
    }
}

fn sent(headers: &HeaderMap, form: Form, query: Option<&Query>) -> Result<Option<Encoding>, Error> {
    let name = match query {
        Some(query) => return query.encoding(),
        None if form.stream => STREAM_ENCODING,
        None => header::CONTENT_ENCODING,
    };
    Encoding::named(headers.get(name))
}

/// Reads `connect-timeout-ms`.
fn timeout(value: &HeaderValue) -> Result<Duration, Error> {
    let digits = value.as_bytes();
    let fits = (1..=TIMEOUT_DIGITS).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    let millis = value.to_str().ok().filter(|_| fits).and_then(|text| text.parse().ok());
    millis
        .map(Duration::from_millis)
        .ok_or_else(|| malformed("connect-timeout-ms is not 1 to 10 digits"))
}

fn rewrite<B>(
    request: &mut Request<B>,
    form: Form,
    timeout: Option<Duration>,
    accepted: &Accepted,
) -> Result<(), Error> {
    let mut headers = metadata::request(request.headers())?;
    if !form.stream
        && let Some(length) = request.headers().get(header::CONTENT_LENGTH)
    {
        // Until the message is read, which asks how much room it takes.
        headers.insert(header::CONTENT_LENGTH, length.clone());
    }
    if let Some(timeout) = timeout {
        headers.insert(deadline::HEADER, deadline::format(timeout));
    }
    if form.codec == Codec::Proto
        && let Some(accepted) = accepted.as_grpc()
    {
        headers.insert(GRPC_ACCEPT_ENCODING, accepted);
    }
    *request.headers_mut() = headers;
    *request.method_mut() = Method::POST;
    *request.version_mut() = Version::HTTP_2;
    if request.uri().query().is_some()
        && let Ok(path) = request.uri().path().parse()
    {
        *request.uri_mut() = path;
    }
    Ok(())
}

fn malformed(problem: &'static str) -> Error {
    Error::new(Reason::MalformedHeader, problem)
}

fn other_form(unary: bool) -> Error {
    Error::new(
        Reason::UnsupportedMediaType,
        if unary {
            "a unary method is called with `application/proto` or `application/json`"
        } else {
            "a streaming method is called with `application/connect+proto` or `application/connect+json`"
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_strictly() {
        for (text, expected) in [
            ("0", Some(Duration::ZERO)),
            ("5000", Some(Duration::from_secs(5))),
            ("9999999999", Some(Duration::from_millis(9_999_999_999))),
            ("", None),
            ("-1", None),
            ("+1", None),
            ("1.5", None),
            ("1m", None),
            (" 1", None),
            ("10000000000", None),
        ] {
            assert_eq!(timeout(&HeaderValue::from_static(text)).ok(), expected, "{text:?}");
        }
    }
}
