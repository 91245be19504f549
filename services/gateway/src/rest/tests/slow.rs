//! Callers who send the beginning of much: what is held of them is bounded, and others are served.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use http::{Request, header};
use http_body::Frame;
use http_body_util::{Full, StreamBody};
use logicore::Reason;
use tonic::{Status, body::Body};

use super::{gzip, routes, uploads};
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
const NDJSON: (header::HeaderName, &str) = (header::CONTENT_TYPE, "application/x-ndjson");

#[tokio::test(start_paused = true)]
async fn little_that_becomes_much_is_read_of_few_at_once() {
    // Methods that stream their answers have no deadline.
    for deadline in [true, false] {
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
            attack.begin(request(routes(), "/v1/books:find", &gzipped, body), deadline);
        }
        assert_eq!(attack.settled().await, PLACES);
        let short = request(
            routes(),
            "/v1/books:find",
            &[JSON, (header::CONTENT_LENGTH, "2")],
            small("{}"),
        );
        attack.passes(short, deadline).await;
        assert_eq!(attack.ended().await, [Some(Reason::DeadlineExceeded); CALLERS]);
    }
}

#[tokio::test(start_paused = true)]
async fn bytes_of_unknown_length_are_collected_of_few_at_once() {
    // Methods that stream their answers have no deadline.
    for deadline in [true, false] {
        let mut attack = Attack::new();
        for _ in 0..CALLERS {
            let body = slow(vec![Bytes::from_static(&[7; 1000])], &attack.read);
            attack.begin(request(uploads::routes(), "/convert", &[], body), deadline);
        }
        assert_eq!(attack.settled().await, PLACES);
        let announced = request(uploads::routes(), "/convert", &[], small("a,b"));
        attack.passes(announced, deadline).await;
        assert_eq!(attack.ended().await, [Some(Reason::DeadlineExceeded); CALLERS]);
    }
}

#[tokio::test(start_paused = true)]
async fn long_lines_are_collected_of_few_at_once_and_not_for_ever() {
    let mut attack = Attack::new();
    for _ in 0..2 * PLACES {
        // What is there may be no line yet: only with a place more of it is read.
        let body = slow(vec![Bytes::from_static(&[b' '; 70_000]); 3], &attack.read);
        attack.begin(request(uploads::routes(), "/reports/x", &[NDJSON], body), false);
    }
    assert_eq!(attack.settled().await, 2 * PLACES + 2 * PLACES);
    let lines = (0..100_000).map(|_| Ok::<_, Status>(Frame::data(Bytes::from_static(b"{}\n"))));
    let lines = stream::iter(lines.collect::<Vec<_>>());
    let short = request(
        uploads::routes(),
        "/reports/x",
        &[NDJSON],
        Body::new(StreamBody::new(lines)),
    );
    attack.passes(short, false).await;
    assert_eq!(attack.ended().await, [Some(Reason::DeadlineExceeded); 2 * PLACES]);
}

#[tokio::test(start_paused = true)]
async fn a_callers_own_long_lines_follow_one_another() {
    let (attack, caller) = (Attack::new(), principal());
    let line: Bytes = [&vec![b' '; 3 << 20][..], b"{}\n"].concat().into();
    let calls = (0..8).map(|_| {
        let pieces: Vec<_> = (0..4).flat_map(|_| line.chunks(16_384)).collect();
        let pieces = pieces
            .into_iter()
            .map(|piece| Ok::<_, Status>(Frame::data(Bytes::copy_from_slice(piece))));
        let body = Body::new(StreamBody::new(stream::iter(pieces.collect::<Vec<_>>())));
        attack.call(
            request(uploads::routes(), "/reports/x", &[NDJSON], body),
            &caller,
            false,
        )
    });
    assert_eq!(futures_util::future::join_all(calls).await, [None; 8]);
}
