//! Callers who send the beginning of much: what is held of them is bounded, and others are served.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, header};
use http_body_util::Full;
use logicore::Reason;
use tonic::body::Body;

use super::{gzip, routes};
use crate::{
    bodies::tests::{Attack, slow},
    front::Inward,
    limits::tests::principal,
    rest::Routes,
};

/// Places for the longest messages.
const PLACES: usize = 16;
const CALLERS: usize = 100;

fn request(routes: &Routes, path: &str, headers: &[(header::HeaderName, &str)], body: Body) -> Request<Body> {
    let mut request = Request::post(path).body(body).unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let found = routes.matched(request.method(), request.uri().path()).unwrap();
    request.extensions_mut().insert(Inward::Rest(Arc::new(found)));
    request
}

fn small(bytes: &'static str) -> Body {
    Body::new(Full::from(bytes))
}

const JSON: (header::HeaderName, &str) = (header::CONTENT_TYPE, "application/json");

#[tokio::test(start_paused = true)]
async fn little_that_becomes_much_is_read_of_few_at_once() {
    let mut attack = Attack::new();
    let mut packed = gzip(&vec![b' '; (4 << 20) - 1]);
    let length = packed.len().to_string();
    packed.truncate(packed.len() - 2);
    let packed = Bytes::from(packed);
    let gzipped = [
        JSON,
        (header::CONTENT_ENCODING, "gzip"),
        (header::CONTENT_LENGTH, &*length),
    ];
    for _ in 0..CALLERS {
        let body = slow(vec![packed.clone()], &attack.read);
        attack.begin(request(routes(), "/v1/books:find", &gzipped, body), true);
    }
    assert_eq!(attack.settled().await, PLACES);
    let short = request(
        routes(),
        "/v1/books:find",
        &[JSON, (header::CONTENT_LENGTH, "2")],
        small("{}"),
    );
    let call = tokio::time::timeout(Duration::from_millis(10), attack.call(short, &principal(), true));
    assert_eq!(call.await, Ok(None), "short bodies wait for nobody");
    assert_eq!(attack.ended().await, [Some(Reason::DeadlineExceeded); CALLERS]);
}
