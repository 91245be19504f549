//! Answers in the coding that `Accept-Encoding` asks for (RFC 9110, 12.5.3): gzip, br or zstd.
//!
//! Only text is compressed, and none that is short. A stream is compressed with gzip alone, whose state takes a quarter of a
//! mebibyte: those of the others take several, for as long as the stream is open. What a stream has written is flushed as
//! soon as it waits.

use std::{convert::Infallible, future::ready};

use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body::Body as _;
use tonic::body::Body;
use tower::{Layer, ServiceExt, service_fn};
use tower_http::compression::{CompressionLayer, predicate::SizeAbove};

/// Codings that there are; whoever names none of them is answered as it is.
const CODINGS: [&str; 4] = ["gzip", "br", "zstd", "*"];

/// Shorter bodies would gain nothing.
const SHORTEST: u64 = 1 << 10;

/// What `Accept-Encoding` says of codings that there are.
#[derive(Clone, Debug, Default)]
pub(super) struct Accepted(Vec<HeaderValue>);

impl Accepted {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let named = |value: &&HeaderValue| {
            let text = value.to_str().unwrap_or_default().to_ascii_lowercase();
            CODINGS.iter().any(|coding| text.contains(coding))
        };
        let values = headers.get_all(header::ACCEPT_ENCODING).iter();
        Self(values.filter(named).cloned().collect())
    }
}

/// The answer in a coding that is accepted.
pub(super) async fn compress(accepted: &Accepted, streams: bool, mut answer: Response<Body>) -> Response<Body> {
    if !worthwhile(&answer) {
        return answer;
    }
    if accepted.0.is_empty() {
        answer
            .headers_mut()
            .append(header::VARY, HeaderValue::from_static("accept-encoding"));
        return answer;
    }
    let layer = CompressionLayer::new().br(!streams).zstd(!streams);
    // What is worthwhile was decided.
    let layer = layer.compress_when(SizeAbove::new(0));
    let mut request = Request::new(answer);
    for value in &accepted.0 {
        request.headers_mut().append(header::ACCEPT_ENCODING, value.clone());
    }
    // The layer's request is what was accepted, and carries the answer that its service gives.
    let service = service_fn(|request: Request<Response<Body>>| ready(Ok::<_, Infallible>(request.into_body())));
    let Ok(compressed) = layer.layer(service).oneshot(request).await;
    compressed.map(Body::new)
}

fn worthwhile(answer: &Response<Body>) -> bool {
    let headers = answer.headers();
    let long = answer
        .body()
        .size_hint()
        .upper()
        .is_none_or(|length| length >= SHORTEST);
    let plain = !headers.contains_key(header::CONTENT_ENCODING);
    let media = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    long && plain && media.is_some_and(is_text)
}

/// Pictures, archives and the like are compressed already.
fn is_text(content_type: &str) -> bool {
    let media = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let named = [
        "application/json",
        "application/x-ndjson",
        "application/xml",
        "application/javascript",
    ];
    named.contains(&&*media) || media.starts_with("text/") || media.ends_with("+json") || media.ends_with("+xml")
}
