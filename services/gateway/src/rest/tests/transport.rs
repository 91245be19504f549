//! What HTTP carries beside path, query and JSON: content types, sizes, headers.

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use futures_util::{FutureExt, stream};
use http::{Request, Version, request::Parts};
use http_body::Frame;
use http_body_util::{Full, StreamBody};
use logicore::{Error, Reason};
use tonic::{Status, body::Body};

use super::{call, gzip, route, routes};
use crate::rest::decode;

fn parts(headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().method("POST").uri("/echo");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn send(headers: &[(&str, &str)], body: Body, limit: usize) -> Result<Request<Body>, Error> {
    let (route, parts) = (route("POST /echo"), parts(headers));
    decode(&route, parts, body, limit)
        .now_or_never()
        .expect("nothing is waited for")
}

fn full(text: &str) -> Body {
    Body::new(Full::from(text.to_owned()))
}

/// A body whose length nobody announces.
fn chunks(chunks: Vec<&'static str>) -> Body {
    let frames = chunks
        .into_iter()
        .map(|c| Ok::<_, Infallible>(Frame::data(Bytes::from(c))));
    Body::new(StreamBody::new(stream::iter(frames)))
}

#[test]
fn json_in_utf8_is_read_and_nothing_else() {
    for content_type in [
        "application/json",
        "Application/JSON",
        "application/json;charset=utf-8",
        "application/json; charset=UTF-8",
        "application/json; charset=\"utf-8\"",
        "application/json;",
    ] {
        let answer = send(&[("content-type", content_type)], full("{}"), 100);
        assert!(answer.is_ok(), "{content_type}");
    }
    for content_type in [
        "",
        "text/plain",
        "text/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/grpc",
        "application/json; charset=utf-16",
        "application/json; charset",
        "application/json; version=1",
        "application/jsonx",
        "json",
        "*/*",
    ] {
        let error = send(&[("content-type", content_type)], full("{}"), 100).unwrap_err();
        assert_eq!(error.reason(), Reason::UnsupportedMediaType, "{content_type}");
        assert_eq!(error.row().http, 415, "{content_type}");
    }
    let error = send(&[], full("{}"), 100).unwrap_err();
    assert_eq!(error.reason(), Reason::UnsupportedMediaType);
    assert!(error.message().contains("application/json"), "{error}");
}

#[test]
fn a_body_in_a_coding_is_not_read() {
    let json = ("content-type", "application/json");
    assert!(send(&[json, ("content-encoding", "identity")], full("{}"), 100).is_ok());
    for coding in ["br", "deflate", "gzip, identity", "x"] {
        let error = send(&[json, ("content-encoding", coding)], full("{}"), 100).unwrap_err();
        assert_eq!(error.reason(), Reason::UnsupportedMediaType, "{coding}");
    }
}

/// What a body becomes counts, not what it was on the way.
#[test]
fn a_compressed_body_is_read_up_to_the_limit_of_what_it_becomes() {
    let headers = [("content-type", "application/json"), ("content-encoding", "gzip")];
    let json = format!("{{\"text\":\"{}\"}}", "a".repeat(5000));
    let packed = || Body::new(Full::from(gzip(json.as_bytes())));
    assert!(send(&headers, packed(), 6000).is_ok());
    let error = send(&headers, packed(), 4000).unwrap_err();
    assert_eq!(error.reason(), Reason::MessageTooLarge);
    let error = send(&headers, full(&json), 6000).unwrap_err();
    assert_eq!(error.reason(), Reason::MalformedMessage);
}

/// A POST without a body is asked for one, not for a content type.
#[test]
fn what_is_not_there_needs_no_content_type() {
    let error = send(
        &[("content-length", "0"), ("content-type", "text/plain")],
        full(""),
        100,
    )
    .unwrap_err();
    assert_eq!(error.reason(), Reason::MissingBody);
    let error = send(&[], Body::empty(), 100).unwrap_err();
    assert_eq!(error.reason(), Reason::MissingBody);
}

#[test]
fn a_body_has_a_largest_size() {
    let json = ("content-type", "application/json");
    for (headers, body) in [
        (vec![json, ("content-length", "11")], full("")),
        (
            vec![json, ("content-length", "99999999999999999999999")],
            full("           "),
        ),
        (vec![json], full("           ")),
        (vec![json], chunks(vec!["     ", "     ", " "])),
        (vec![json, ("content-length", "2")], chunks(vec!["{}", "         "])),
        // What is announced as too large is not looked at.
        (vec![("content-type", "text/plain"), ("content-length", "11")], full("")),
    ] {
        let error = send(&headers, body, 10).unwrap_err();
        assert_eq!(error.reason(), Reason::MessageTooLarge, "{headers:?}");
        assert_eq!(error.row().http, 413);
        assert!(error.message().contains("10 bytes"), "{error}");
    }
    for body in [
        full("{}        "),
        chunks(vec!["{}", "     ", "   "]),
        chunks(vec!["{", "", "}"]),
    ] {
        assert!(send(&[json], body, 10).is_ok());
    }
}

#[test]
fn a_body_that_breaks_off_is_no_defect() {
    let broken = || {
        let frames = vec![Ok(Frame::data(Bytes::from("{"))), Err(Status::cancelled("reset"))];
        Body::new(StreamBody::new(stream::iter(frames)))
    };
    let error = send(&[("content-type", "application/json")], broken(), 10).unwrap_err();
    assert_eq!(error.reason(), Reason::CallerGone);
    let (method, head) = (route("GET /search"), parts(&[]));
    let empty = Body::new(StreamBody::new(stream::iter([Err::<Frame<Bytes>, _>(
        Status::cancelled("reset"),
    )])));
    let error = decode(&method, head.clone(), empty, 10)
        .now_or_never()
        .unwrap()
        .unwrap_err();
    assert_eq!(error.reason(), Reason::CallerGone);
    let hollow = chunks(vec!["", ""]);
    assert!(
        decode(&method, head.clone(), hollow, 10)
            .now_or_never()
            .unwrap()
            .is_ok()
    );
    let filled = chunks(vec!["", "x"]);
    let error = decode(&method, head.clone(), filled, 10)
        .now_or_never()
        .unwrap()
        .unwrap_err();
    assert_eq!(error.reason(), Reason::UnexpectedBody);
}

#[test]
fn the_request_becomes_a_grpc_call() {
    let mut head = parts(&[
        ("content-type", "application/json"),
        ("content-length", "2"),
        ("authorization", "Bearer x"),
        ("user-agent", "curl"),
        ("grpc-timeout", "1S"),
        ("idempotency-key", "k"),
        ("traceparent", "t"),
        ("tracestate", "s"),
        ("x-request-id", "r"),
        ("x-logicore-principal", "p"),
        ("cookie", "c=1"),
        ("accept", "*/*"),
        ("accept-encoding", "gzip"),
        ("connection", "keep-alive"),
        ("host", "localhost"),
        ("x-forwarded-for", "1.2.3.4"),
        ("grpc-encoding", "gzip"),
        ("te", "gzip"),
    ]);
    head.extensions.insert(Arc::<str>::from("caller"));
    let route = route("POST /echo");
    let answer = decode(&route, head, full("{}"), 100);
    let request = answer.now_or_never().unwrap().unwrap();
    assert_eq!(request.method(), "POST");
    assert_eq!(request.version(), Version::HTTP_2);
    assert_eq!(request.uri(), "/shapes.v1.Odd/Echo");
    assert_eq!(request.extensions().get::<Arc<str>>().unwrap().as_ref(), "caller");
    let mut names: Vec<_> = request.headers().keys().map(|n| n.as_str()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "authorization",
            "content-type",
            "grpc-timeout",
            "idempotency-key",
            "te",
            "traceparent",
            "tracestate",
            "user-agent",
            "x-logicore-principal",
            "x-request-id"
        ]
    );
    assert_eq!(request.headers()["content-type"], "application/grpc");
    assert_eq!(request.headers()["te"], "trailers");
}

/// Two of a kind stay two, so that what refuses them further in can see them.
#[test]
fn headers_that_stand_twice_are_not_merged() {
    let head = parts(&[
        ("content-type", "application/json"),
        ("authorization", "Bearer a"),
        ("authorization", "Bearer b"),
    ]);
    let request = decode(&route("POST /echo"), head, full("{}"), 100)
        .now_or_never()
        .unwrap()
        .unwrap();
    assert_eq!(request.headers().get_all("authorization").iter().count(), 2);
}

#[test]
fn unknown_content_lengths_do_not_matter() {
    assert!(
        send(
            &[("content-type", "application/json"), ("content-length", "x")],
            full("{}"),
            10
        )
        .is_ok()
    );
    let (path, _) = call(routes(), "GET /search", b"").unwrap();
    assert_eq!(path, "/shapes.v1.Odd/Search");
}
