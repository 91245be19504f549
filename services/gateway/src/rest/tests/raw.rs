//! `google.api.HttpBody` as an answer: bytes as they are, whole or as they come.

use bytes::Bytes;
use futures_util::{FutureExt, stream};
use http::{HeaderMap, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use logicore::{Error, Reason};
use logicore_harness::framed;
use prost::Message;
use tokio::sync::mpsc;
use tonic::{Status, body::Body};

use super::{
    answers::{failed, ok},
    uploads::{HttpBody, routes},
};
use crate::rest::{Match, encode};

#[derive(Clone, PartialEq, Message)]
struct Exported {
    #[prost(string, tag = "1")]
    note: String,
    #[prost(message, optional, tag = "2")]
    file: Option<HttpBody>,
}

fn route(request: &str) -> Match {
    let (method, path) = request.split_once(' ').unwrap();
    routes().matched(&method.parse().unwrap(), path).unwrap()
}

fn file(content_type: &str, data: &[u8]) -> HttpBody {
    HttpBody {
        content_type: content_type.to_owned(),
        data: data.to_vec(),
        extensions: vec![],
    }
}

fn message(message: &impl Message) -> Frame<Bytes> {
    Frame::data(framed(&message.encode_to_vec()))
}

fn answer(request: &str, frames: Vec<Frame<Bytes>>) -> Response<Body> {
    let body = Body::new(StreamBody::new(stream::iter(frames.into_iter().map(Ok::<_, Status>))));
    encode(&route(request), Response::new(body)).now_or_never().unwrap()
}

fn data(answer: Response<Body>) -> Result<Bytes, Status> {
    Ok(answer.into_body().collect().now_or_never().unwrap()?.to_bytes())
}

/// Frames cut to pieces, as a connection does.
fn cut(bytes: &Bytes, at: usize) -> Vec<Frame<Bytes>> {
    let mut frames: Vec<_> = bytes
        .chunks(at)
        .map(|p| Frame::data(Bytes::copy_from_slice(p)))
        .collect();
    frames.push(ok());
    frames
}

#[test]
fn bytes_leave_with_the_services_content_type_however_long_they_are() {
    for length in [0, 1, 1000, 65_000, 70_000, 3_000_000] {
        let bytes: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
        let mut sent = file("image/png", &bytes);
        sent.extensions = vec![prost_types::Any::default(); 3];
        let framed = framed(&sent.encode_to_vec());
        for size in [16_384, 100, 7] {
            let answer = answer("GET /blobs/a/b.png", cut(&framed, size));
            assert_eq!(answer.status(), 200);
            assert_eq!(answer.headers()["content-type"], "image/png");
            if let Some(announced) = answer.headers().get("content-length") {
                assert_eq!(announced.to_str().unwrap(), length.to_string());
            }
            assert!(data(answer).unwrap() == bytes, "{length} in pieces of {size}");
        }
    }
}

#[test]
fn a_field_of_the_answer_may_be_the_body() {
    let exported = Exported {
        note: "not shown".to_owned(),
        file: Some(file("text/csv", b"a,b\n")),
    };
    let answer_of = |request: &str, frames| {
        let answer = answer(request, frames);
        (answer.headers()["content-type"].clone(), data(answer).unwrap())
    };
    let (content_type, bytes) = answer_of("GET /exports/x", vec![message(&exported), ok()]);
    assert_eq!((content_type.to_str().unwrap(), &*bytes), ("text/csv", &b"a,b\n"[..]));
    let parts = vec![message(&exported), message(&exported), ok()];
    let (content_type, bytes) = answer_of("GET /exports/x/parts", parts);
    assert_eq!(
        (content_type.to_str().unwrap(), &*bytes),
        ("text/csv", &b"a,b\na,b\n"[..])
    );
    let none = vec![message(&Exported::default()), ok()];
    let (content_type, bytes) = answer_of("GET /exports/x", none);
    assert_eq!(
        (content_type.to_str().unwrap(), bytes.len()),
        ("application/octet-stream", 0)
    );
}

#[test]
fn bytes_without_a_content_type_are_just_bytes() {
    for content_type in ["", "a\nb", "caf\u{e9}\u{1}"] {
        let answer = answer("GET /blobs/x", vec![message(&file(content_type, b"x")), ok()]);
        assert_eq!(
            answer.headers()["content-type"],
            "application/octet-stream",
            "{content_type:?}"
        );
    }
}

#[tokio::test]
async fn a_stream_of_bytes_is_sent_as_it_comes() {
    let (service, frames) = mpsc::unbounded_channel();
    let frames = stream::unfold(frames, |mut frames| async move { Some((frames.recv().await?, frames)) });
    let route = route("GET /parts/x");
    service
        .send(Ok::<_, Status>(message(&file("video/mp4", b"one"))))
        .unwrap();
    let answer = encode(&route, Response::new(Body::new(StreamBody::new(frames)))).await;
    assert_eq!(answer.headers()["content-type"], "video/mp4");
    let mut body = answer.into_body();
    let mut next = async || body.frame().await.map(|frame| frame.map(|f| f.into_data().unwrap()));
    assert_eq!(next().await.unwrap().unwrap(), "one");
    service.send(Ok(message(&file("", b"two")))).unwrap();
    assert_eq!(next().await.unwrap().unwrap(), "two");
    // Half of a long message is sent before the other half is there.
    let long = framed(&file("", &[7; 1000]).encode_to_vec());
    service.send(Ok(Frame::data(long.slice(..500)))).unwrap();
    let half = next().await.unwrap().unwrap().len();
    service.send(Ok(Frame::data(long.slice(500..)))).unwrap();
    assert_eq!(half + next().await.unwrap().unwrap().len(), 1000);
    service
        .send(Ok(failed(Error::new(Reason::NotReady, "draining"))))
        .unwrap();
    assert!(next().await.unwrap().is_err(), "a failure breaks the body off");
    assert!(next().await.is_none());
}

#[test]
fn what_fails_before_the_first_byte_is_an_error() {
    for request in ["GET /parts/x", "GET /blobs/x", "GET /exports/x/parts"] {
        let refused = answer(request, vec![failed(Error::new(Reason::ResourceNotFound, "gone"))]);
        assert_eq!(refused.status(), 404, "{request}");
        assert_eq!(refused.headers()["content-type"], "application/json");
    }
    let short = vec![
        message(&file("a/b", b"x")),
        failed(Error::new(Reason::NotReady, "draining")),
    ];
    assert_eq!(
        answer("GET /blobs/x", short).status(),
        503,
        "a short answer's status is waited for"
    );
    assert_eq!(
        answer("GET /parts/x", vec![ok()]).status(),
        200,
        "no part is no failure"
    );
    assert_eq!(answer("GET /blobs/x", vec![ok()]).status(), 500);
}

#[test]
fn a_long_answer_that_fails_breaks_off() {
    let long = framed(&file("a/b", &[7; 100_000]).encode_to_vec());
    let twice = framed(&file("a/b", b"x").encode_to_vec());
    for end in [
        vec![],
        vec![failed(Error::new(Reason::NotReady, "draining"))],
        vec![Frame::data(twice), ok()],
    ] {
        let mut frames = vec![Frame::data(long.clone())];
        frames.extend(end);
        let answer = answer("GET /blobs/x", frames);
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["content-length"]),
            (200, &"100000".parse().unwrap())
        );
        assert!(data(answer).is_err());
    }
    let cut = answer("GET /blobs/x", vec![Frame::data(long.slice(..50_000)), ok()]);
    assert!(data(cut).is_err());
}

#[test]
fn what_is_no_such_message_is_the_services_fault() {
    for bytes in [&b"\x12\xff\xff\xff\xff\x0f"[..], b"\x0b", b"\x12\x05ab", b"\xff"] {
        let mut frame = crate::rest::frames::prefix(bytes.len()).to_vec();
        frame.extend_from_slice(bytes);
        for request in ["GET /blobs/x", "GET /parts/x"] {
            let answer = answer(request, vec![Frame::data(Bytes::from(frame.clone())), ok()]);
            let good = answer.status() == 200;
            assert!(!good || data(answer).is_err(), "{request} {bytes:?}");
        }
    }
}

#[test]
fn head_has_the_length_and_no_bytes() {
    let mut head = HeaderMap::new();
    head.insert("x-checksum", "abc".parse().unwrap());
    let frames = vec![message(&file("a/b", &[7; 100_000])), ok()];
    let body = Body::new(StreamBody::new(stream::iter(frames.into_iter().map(Ok::<_, Status>))));
    let mut answer = Response::new(body);
    *answer.headers_mut() = head;
    let answer = encode(&route("HEAD /blobs/x"), answer).now_or_never().unwrap();
    assert_eq!(answer.headers()["content-length"], "100000");
    assert_eq!(answer.headers()["x-checksum"], "abc");
    assert!(data(answer).unwrap().is_empty());
}
