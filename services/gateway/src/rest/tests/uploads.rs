//! Bodies that are not collected: NDJSON as a stream of messages, and bytes as `google.api.HttpBody`.

use std::sync::OnceLock;

use bytes::Bytes;
use futures_util::{FutureExt, stream};
use http::{Request, request::Parts};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use logicore::{Error, Reason};
use logicore_harness::unframed;
use prost::Message;
use tokio::sync::{mpsc, oneshot};
use tonic::{Status, body::Body};

use super::{compiled, gzip};
use crate::{
    bodies::Bounds,
    rest::{Match, Routes, upload},
};

const LIMIT: usize = 1000;

#[derive(Clone, PartialEq, Message)]
pub(super) struct HttpBody {
    #[prost(string, tag = "1")]
    pub(super) content_type: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) data: Vec<u8>,
    #[prost(message, repeated, tag = "3")]
    pub(super) extensions: Vec<prost_types::Any>,
}

#[derive(Clone, PartialEq, Message)]
struct UploadRequest {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    file: Option<HttpBody>,
    #[prost(bool, tag = "3")]
    overwrite: bool,
}

#[derive(Clone, PartialEq, Message)]
struct Position {
    #[prost(string, tag = "1")]
    track: String,
    #[prost(double, tag = "2")]
    latitude: f64,
}

#[derive(Clone, PartialEq, Message)]
struct ReportRequest {
    #[prost(string, tag = "1")]
    track: String,
    #[prost(message, optional, tag = "2")]
    position: Option<Position>,
    #[prost(int32, tag = "3")]
    device: i32,
}

pub(super) fn routes() -> &'static Routes {
    static ROUTES: OnceLock<Routes> = OnceLock::new();
    ROUTES.get_or_init(|| Routes::build(&compiled("files.proto")).unwrap())
}

fn head(request: &str, headers: &[(&str, &str)]) -> (Match, Parts) {
    let (method, target) = request.split_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let parts = request.body(()).unwrap().into_parts().0;
    (routes().matched(&parts.method, parts.uri.path()).unwrap(), parts)
}

type Sent = Result<(Request<Body>, oneshot::Receiver<Error>), Error>;

fn send(request: &str, headers: &[(&str, &str)], body: Body) -> Sent {
    let (route, parts) = head(request, headers);
    assert!(route.binding.takes_stream(), "{request}");
    upload(&route, parts, body, &Bounds::new(LIMIT)).now_or_never().unwrap()
}

/// The messages that a service gets.
fn messages<M: Message + Default>(sent: Sent) -> Vec<M> {
    let (request, _wrong) = sent.unwrap();
    let body = request
        .into_body()
        .collect()
        .now_or_never()
        .unwrap()
        .unwrap()
        .to_bytes();
    let frames = unframed(&body).unwrap().into_iter();
    frames
        .map(|(flags, message)| {
            assert_eq!(flags, 0, "uncompressed");
            M::decode(message).unwrap()
        })
        .collect()
}

/// The error that ends a call whose body is wrong.
fn error(sent: Sent) -> Error {
    let (request, wrong) = match sent {
        Ok(sent) => sent,
        Err(error) => return error,
    };
    let mut body = request.into_body().collect();
    assert!(
        (&mut body).now_or_never().is_none(),
        "the upstream sees no end and no error"
    );
    wrong.now_or_never().unwrap().unwrap()
}

fn whole(bytes: impl Into<Bytes>) -> Body {
    Body::new(Full::new(bytes.into()))
}

fn pieces(pieces: &[&'static [u8]]) -> Body {
    let frames: Vec<_> = pieces
        .iter()
        .map(|p| Ok::<_, Status>(Frame::data(Bytes::from_static(p))))
        .collect();
    Body::new(StreamBody::new(stream::iter(frames)))
}

const NDJSON: (&str, &str) = ("content-type", "application/x-ndjson");

#[test]
fn every_line_is_a_message_with_what_the_path_binds() {
    let text = "{\"latitude\": 1}\n\n  \r\n{\"latitude\":2}\r\n{}\n{\"latitude\": 4}";
    for size in [1, 5, 1000] {
        let cut: Vec<_> = text.as_bytes().chunks(size).collect();
        let sent = send("POST /tracks/a%20b/positions", &[NDJSON], pieces(&cut));
        let positions: Vec<Position> = messages(sent);
        assert!(positions.iter().all(|p| p.track == "a b"));
        let latitudes: Vec<_> = positions.iter().map(|p| p.latitude).collect();
        assert_eq!(latitudes, [1.0, 2.0, 0.0, 4.0], "in pieces of {size}");
    }
    let none: Vec<Position> = messages(send("POST /tracks/x/positions", &[NDJSON], Body::empty()));
    assert!(none.is_empty(), "no line is no message");
}

#[test]
fn a_line_may_be_a_field_beside_the_query() {
    let sent = send(
        "POST /reports/x?device=7",
        &[NDJSON],
        whole("{\"latitude\":1}\n{\"latitude\":2}\n"),
    );
    let reports: Vec<ReportRequest> = messages(sent);
    let position = |latitude| {
        Some(Position {
            latitude,
            ..Default::default()
        })
    };
    assert_eq!(
        reports.iter().map(|r| r.position.clone()).collect::<Vec<_>>(),
        [position(1.0), position(2.0)]
    );
    assert!(reports.iter().all(|r| r.device == 7 && r.track == "x"));
}

#[test]
fn a_line_that_is_wrong_ends_the_call_and_is_named() {
    for (line, reason, field) in [
        ("{\"nope\":1}", Reason::UnknownField, "nope"),
        ("{\"latitude\":\"x\"}", Reason::InvalidField, "latitude"),
        ("{\"track\":\"y\"}", Reason::InvalidField, "track"),
        ("[]", Reason::InvalidField, "body"),
        ("{", Reason::MalformedJson, ""),
        ("{} {}", Reason::MalformedJson, ""),
    ] {
        let error = error(send(
            "POST /tracks/x/positions",
            &[NDJSON],
            whole(format!("{{}}\n{line}\n{{}}\n")),
        ));
        assert_eq!(error.reason(), reason, "{line}");
        assert_eq!(
            error.violations().first().map_or("", |(field, _)| field),
            field,
            "{line}"
        );
        let status = Status::from(error);
        let info = tonic_types::StatusExt::get_details_error_info(&status).unwrap();
        assert_eq!(info.metadata["line"], "2", "{line}");
    }
}

#[test]
fn what_is_wrong_from_the_start_begins_no_call() {
    for (request, content_type, reason) in [
        (
            "POST /tracks/x/positions",
            "application/json",
            Reason::UnsupportedMediaType,
        ),
        ("POST /tracks/x/positions", "text/plain", Reason::UnsupportedMediaType),
        (
            "POST /tracks/x/positions?latitude=1",
            "application/x-ndjson",
            Reason::UnknownField,
        ),
        ("POST /reports/x?device=a", "application/x-ndjson", Reason::InvalidField),
        ("POST /reports/x?nope=1", "application/ndjson", Reason::UnknownField),
        ("POST /blobs/x?nope=1", "image/png", Reason::UnknownField),
        ("POST /parts/x?overwrite=2", "image/png", Reason::InvalidField),
    ] {
        let sent = send(request, &[("content-type", content_type)], whole("{}\n"));
        assert_eq!(sent.unwrap_err().reason(), reason, "{request}");
    }
}

#[test]
fn a_line_has_a_largest_size_and_a_stream_has_none() {
    let line = format!("{{\"latitude\":1{}}}\n", " ".repeat(900));
    let sent = send("POST /tracks/x/positions", &[NDJSON], whole(line.repeat(100)));
    assert_eq!(messages::<Position>(sent).len(), 100);
    for long in [format!("{{}}{}\n", " ".repeat(LIMIT)), " ".repeat(LIMIT + 1)] {
        let error = error(send("POST /tracks/x/positions", &[NDJSON], whole(long)));
        assert_eq!(error.reason(), Reason::MessageTooLarge);
    }
}

#[test]
fn compressed_lines_are_lines() {
    let packed = gzip(b"{\"latitude\":1}\n{\"latitude\":2}");
    let headers = [NDJSON, ("content-encoding", "gzip")];
    let sent = send("POST /tracks/x/positions", &headers, whole(packed));
    assert_eq!(messages::<Position>(sent).len(), 2);
    let error = error(send("POST /tracks/x/positions", &headers, whole("{}\n")));
    assert_eq!(error.reason(), Reason::MalformedMessage);
}

#[tokio::test]
async fn a_line_is_sent_before_the_next_one_is_there() {
    let (caller, frames) = mpsc::unbounded_channel();
    let frames = stream::unfold(frames, |mut frames| async move { Some((frames.recv().await?, frames)) });
    let (request, _wrong) = send("POST /tracks/x:follow", &[NDJSON], Body::new(StreamBody::new(frames))).unwrap();
    let mut body = request.into_body();
    for _ in 0..2 {
        assert!(body.frame().now_or_never().is_none());
        let line = Frame::data(Bytes::from_static(b"{}\n"));
        caller.send(Ok::<_, Status>(line)).unwrap();
        assert!(body.frame().await.unwrap().is_ok());
    }
    drop(caller);
    assert!(body.frame().await.is_none());
}

/// What is wrong when the answer has begun is told at the answer's end.
#[test]
fn what_is_wrong_later_is_kept_for_the_answer() {
    let (route, parts) = head("POST /tracks/x:follow", &[NDJSON]);
    let sent = upload(&route, parts, whole("oops\n"), &Bounds::new(LIMIT))
        .now_or_never()
        .unwrap();
    let (request, wrong) = sent.unwrap();
    drop(wrong);
    assert!(request.into_body().collect().now_or_never().unwrap().is_err());
    let kept = route.wrong.get().unwrap();
    assert_eq!(Error::reason_of(kept), Some(Reason::MalformedJson));
}

#[test]
fn bytes_become_a_field_beside_path_and_query() {
    let png = ("content-type", "image/png");
    for length in [0, 1, 200, 900] {
        let bytes = vec![7; length];
        let expected = UploadRequest {
            name: "a/b".to_owned(),
            overwrite: true,
            file: Some(HttpBody {
                content_type: "image/png".to_owned(),
                data: bytes.clone(),
                extensions: vec![],
            }),
        };
        let known: Vec<UploadRequest> =
            messages(send("POST /blobs/a%2Fb?overwrite=true", &[png], whole(bytes.clone())));
        assert_eq!(known, std::slice::from_ref(&expected));
        let frames = bytes
            .chunks(7)
            .map(|p| Ok::<_, Status>(Frame::data(Bytes::copy_from_slice(p))));
        let chunked = Body::new(StreamBody::new(stream::iter(frames.collect::<Vec<_>>())));
        let unknown: Vec<UploadRequest> = messages(send("POST /blobs/a%2Fb?overwrite=true", &[png], chunked));
        assert_eq!(unknown, [expected]);
    }
}

#[test]
fn bytes_may_be_the_whole_message() {
    let sent = send(
        "POST /convert",
        &[("content-type", "text/csv; charset=utf-8")],
        whole("a,b"),
    );
    let body: Vec<HttpBody> = messages(sent);
    assert_eq!(
        (body[0].content_type.as_str(), &*body[0].data),
        ("text/csv; charset=utf-8", &b"a,b"[..])
    );
    let plain: Vec<HttpBody> = messages(send("POST /convert", &[], Body::empty()));
    assert_eq!(plain, [HttpBody::default()]);
    let packed = send("POST /convert", &[("content-encoding", "gzip")], whole(gzip(b"a,b")));
    assert_eq!(messages::<HttpBody>(packed)[0].data, b"a,b");
}

#[test]
fn every_piece_of_a_stream_of_bytes_is_a_message() {
    let headers = [("content-type", "video/mp4")];
    let sent = send("POST /parts/x?overwrite=true", &headers, pieces(&[b"one", b"", b"two"]));
    let parts: Vec<UploadRequest> = messages(sent);
    let data: Vec<_> = parts.iter().map(|p| p.file.as_ref().unwrap().data.as_slice()).collect();
    assert_eq!(data, [b"one", b"two"]);
    assert!(parts.iter().all(|p| p.name == "x" && p.overwrite));
    assert!(
        parts
            .iter()
            .all(|p| p.file.as_ref().unwrap().content_type == "video/mp4")
    );
    let empty: Vec<UploadRequest> = messages(send("POST /parts/x", &headers, Body::empty()));
    assert_eq!(
        (empty.len(), empty[0].name.as_str()),
        (1, "x"),
        "the service learns the name"
    );
}

#[test]
fn a_piece_larger_than_a_message_becomes_several() {
    let bytes: Vec<u8> = (0..10_000u32).map(|i| i as u8).collect();
    let parts: Vec<UploadRequest> = messages(send("POST /parts/x", &[], whole(bytes.clone())));
    assert!(parts.iter().all(|part| part.encoded_len() <= LIMIT));
    let data: Vec<u8> = parts.into_iter().flat_map(|p| p.file.unwrap().data).collect();
    assert!(data == bytes);
}

#[test]
fn bytes_have_a_largest_size_before_any_is_sent() {
    for body in [whole(vec![0; LIMIT]), pieces(&[&[0; 600], &[0; 600]])] {
        let refused = send("POST /blobs/x", &[], body).unwrap_err();
        assert_eq!(refused.reason(), Reason::MessageTooLarge);
    }
}

#[test]
fn a_body_that_breaks_off_is_the_callers() {
    let frames = vec![
        Ok(Frame::data(Bytes::from_static(b"{}\n"))),
        Err(Status::unknown("connection reset")),
    ];
    let body = Body::new(StreamBody::new(stream::iter(frames)));
    let error = error(send("POST /tracks/x/positions", &[NDJSON], body));
    assert_eq!(error.reason(), Reason::CallerGone);
}
