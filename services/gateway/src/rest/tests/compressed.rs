//! Answers in the coding that the caller accepts.

use std::io::{Read, Write};

use bytes::Bytes;
use flate2::write::GzDecoder;
use futures_util::{FutureExt, stream};
use http::{HeaderMap, Response, header};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use serde_json::json;
use tokio::sync::mpsc;
use tonic::{Status, body::Body};

use super::{
    answers::{message, ok},
    route,
};
use crate::rest::{Match, encode};

fn accepting(request: &str, coding: &str) -> Match {
    let mut route = route(request);
    route.accept(&HeaderMap::from_iter([(
        header::ACCEPT_ENCODING,
        coding.parse().unwrap(),
    )]));
    route
}

fn body(frames: Vec<Frame<Bytes>>) -> Body {
    Body::new(StreamBody::new(stream::iter(frames.into_iter().map(Ok::<_, Status>))))
}

fn answer(coding: &str, text: &str) -> (String, String, Bytes) {
    let frames = vec![message(&json!({"inner": {"id": text}}).to_string()), ok()];
    let route = accepting("GET /answers/inner", coding);
    let answer = encode(&route, Response::new(body(frames))).now_or_never().unwrap();
    let header = |name: &str| {
        let value = answer.headers().get(name).map(|v| v.to_str().unwrap());
        value.unwrap_or_default().to_owned()
    };
    let (coding, vary) = (header("content-encoding"), header("vary"));
    let bytes = answer.into_body().collect().now_or_never().unwrap().unwrap().to_bytes();
    (coding, vary, bytes)
}

fn gunzip(bytes: &[u8]) -> String {
    let mut text = String::new();
    flate2::read::GzDecoder::new(bytes).read_to_string(&mut text).unwrap();
    text
}

#[test]
fn the_coding_is_one_that_is_accepted() {
    let long = "a".repeat(5000);
    for (accepted, used) in [
        ("gzip", "gzip"),
        ("br", "br"),
        ("zstd", "zstd"),
        ("GZIP", "gzip"),
        ("gzip;q=0.5, br;q=0.1", "gzip"),
        ("deflate, gzip", "gzip"),
        ("identity", ""),
        ("deflate", ""),
        ("gzip;q=0", ""),
        ("", ""),
    ] {
        let (coding, vary, bytes) = answer(accepted, &long);
        assert_eq!(coding, used, "{accepted}");
        assert_eq!(vary, "accept-encoding", "{accepted}");
        assert_eq!(bytes.len() < 1000, !used.is_empty(), "{accepted}");
        if used == "gzip" {
            let json: serde_json::Value = serde_json::from_str(&gunzip(&bytes)).unwrap();
            assert_eq!(json["id"], long);
        }
    }
}

#[test]
fn what_is_short_is_left_as_it_is() {
    let (coding, vary, bytes) = answer("gzip, br, zstd", "short");
    assert_eq!((coding.as_str(), vary.as_str()), ("", ""));
    assert!(bytes.starts_with(b"{"));
}

#[tokio::test]
async fn a_stream_is_flushed_with_each_message() {
    for coding in ["gzip", "br, zstd, gzip"] {
        let (service, frames) = mpsc::unbounded_channel();
        let frames = stream::unfold(frames, |mut frames| async move { Some((frames.recv().await?, frames)) });
        let route = accepting("GET /watch/inner", coding);
        let answer = encode(&route, Response::new(Body::new(StreamBody::new(frames)))).await;
        assert_eq!(answer.headers()["content-encoding"], "gzip");
        let vary: Vec<_> = answer.headers().get_all("vary").iter().collect();
        assert_eq!(vary, ["accept", "accept-encoding"]);
        let mut body = answer.into_body();
        let mut reader = GzDecoder::new(Vec::new());
        for id in ["first", "second", "third"] {
            let sent = message(&json!({"inner": {"id": id}}).to_string());
            service.send(Ok::<_, Status>(sent)).unwrap();
            while !String::from_utf8_lossy(reader.get_ref()).contains(id) {
                let frame = body.frame().await.unwrap().unwrap();
                reader.write_all(&frame.into_data().unwrap()).unwrap();
                reader.flush().unwrap();
            }
            assert!(body.frame().now_or_never().is_none());
        }
    }
}

#[test]
fn a_stream_is_compressed_with_what_takes_little_memory() {
    let route = accepting("GET /watch/inner", "br, zstd");
    let answer = encode(&route, Response::new(body(vec![ok()]))).now_or_never().unwrap();
    assert!(answer.headers().get("content-encoding").is_none());
}
