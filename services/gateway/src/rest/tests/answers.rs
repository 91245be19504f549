//! Answers as JSON: whole, one field of it, as lines, and those that are broken.

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, stream};
use http::{HeaderMap, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use logicore::{Error, Reason};
use logicore_harness::framed;
use prost::Message as _;
use serde_json::{Value, json};
use tonic::{Status, body::Body};

use super::{everything, from_json, route};
use crate::rest::encode;

/// Trailers with a status.
pub(super) fn trailers(status: &Status) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    status.add_header(&mut trailers).unwrap();
    trailers
}

pub(super) fn ok() -> Frame<Bytes> {
    Frame::trailers(trailers(&Status::ok("")))
}

pub(super) fn failed(error: Error) -> Frame<Bytes> {
    Frame::trailers(trailers(&error.into()))
}

pub(super) fn message(json: &str) -> Frame<Bytes> {
    Frame::data(framed(&from_json(everything(), json).encode_to_vec()))
}

pub(super) fn data(bytes: &'static [u8]) -> Frame<Bytes> {
    Frame::data(Bytes::from_static(bytes))
}

fn body(frames: Vec<Frame<Bytes>>) -> Body {
    Body::new(StreamBody::new(stream::iter(frames.into_iter().map(Ok::<_, Status>))))
}

/// The answer to a request, from the frames of a gRPC body.
pub(super) fn answer(request: &str, frames: Vec<Frame<Bytes>>) -> Response<Body> {
    encode(&route(request), Response::new(body(frames)))
        .now_or_never()
        .expect("nothing is waited for")
}

pub(super) fn text(answer: Response<Body>) -> String {
    let bytes = answer.into_body().collect().now_or_never().unwrap().unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn shown(request: &str, json: &str) -> Value {
    let answer = answer(request, vec![message(json), ok()]);
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["content-type"]),
        (200, &"application/json".parse().unwrap())
    );
    assert_eq!(answer.headers()["cache-control"], "no-store");
    serde_json::from_str(&text(answer)).unwrap()
}

#[test]
fn a_message_is_shown_with_its_empty_fields_and_without_its_absent_ones() {
    let json = shown("GET /search", "{}");
    for (name, value) in [
        ("flag", json!(false)),
        ("text", json!("")),
        ("raw", json!("")),
        ("i32", json!(0)),
        ("i64", json!("0")),
        ("u64", json!("0")),
        ("double", json!(0)),
        ("color", json!("COLOR_UNSPECIFIED")),
        ("texts", json!([])),
        ("inners", json!([])),
        ("labels", json!({})),
        ("nothing", json!(null)),
        ("another", json!("")),
    ] {
        assert_eq!(json.get(name), Some(&value), "{name}");
    }
    for absent in [
        "maybeText",
        "maybeColor",
        "inner",
        "chosenText",
        "chosenNull",
        "when",
        "any",
        "wrappedText",
        "struct",
    ] {
        assert_eq!(json.get(absent), None, "{absent}");
    }
}

#[test]
fn each_kind_of_value_has_its_form() {
    for (name, value) in [
        ("text", json!("a\"\\\n\u{1f600}\u{7}")),
        ("raw", json!("+/8=")),
        ("i64", json!("9223372036854775807")),
        ("u64", json!("18446744073709551615")),
        ("s64", json!("-9223372036854775808")),
        ("u32", json!(4_294_967_295_u32)),
        ("single", json!(1.5)),
        ("double", json!("NaN")),
        ("color", json!("NEGATIVE")),
        ("maybeText", json!("")),
        ("maybeNumber", json!(0)),
        ("colors", json!(["RED", 99])),
        ("doubles", json!([1, "Infinity", "-Infinity"])),
        ("chosenNull", json!(null)),
        ("chosenNumber", json!("0")),
        ("labels", json!({"": "1", "a\"b": "2"})),
        ("counts", json!({"-1": "5", "10": "6"})),
        ("byFlag", json!({"false": "b", "true": "a"})),
        ("byNumber", json!({"18446744073709551615": "GREEN"})),
        ("when", json!("2026-01-31T12:00:00.500Z")),
        ("span", json!("-0.000000001s")),
        ("mask", json!("maybeText,inner.cityName,*")),
        ("struct", json!({"a": null, "b": [1, -2.5, true, "x"], "c": {}})),
        ("anything", json!(null)),
        ("list", json!([[], {}, null])),
        ("empty", json!({})),
        ("wrappedDouble", json!("NaN")),
        ("wrappedSingle", json!("-Infinity")),
        ("wrappedI64", json!("0")),
        ("wrappedU64", json!("7")),
        ("wrappedFlag", json!(false)),
        ("wrappedText", json!("")),
        ("wrappedRaw", json!("AQI=")),
        (
            "times",
            json!(["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z"]),
        ),
        ("any", json!({"@type": "t/google.protobuf.Duration", "value": "1s"})),
        ("another", json!("x")),
    ] {
        let json = shown("GET /search", &json!({name: value}).to_string());
        assert_eq!(json[name], value, "{name}");
    }
    let any = r#"{"any":{"@type":"t/shapes.v1.Shelf","name":"x"}}"#;
    assert_eq!(
        shown("GET /search", any)["any"],
        json!({"@type": "t/shapes.v1.Shelf", "name": "x", "theme": ""})
    );
}

#[test]
fn one_message_has_one_text() {
    let json = r#"{"labels":{"c":"3","a":"1","b":"2"},"counts":{"10":"1","9":"2","-1":"3"}}"#;
    let texts: Vec<_> = (0..10)
        .map(|_| text(answer("GET /search", vec![message(json), ok()])))
        .collect();
    assert!(texts[0].contains(r#""labels":{"a":"1","b":"2","c":"3"},"counts":{"-1":"3","9":"2","10":"1"}"#));
    assert!(texts.iter().all(|t| *t == texts[0]));
}

#[test]
fn a_field_alone_is_the_answer() {
    let full = r#"{"text":"x","texts":["a"],"labels":{"a":"b"},"inner":{"id":"y"},"inners":[{"id":"z"}],
        "when":"2026-01-31T12:00:00Z","i64":"5","maybeText":""}"#;
    let inner = |id: &str| json!({"id": id, "number": 0, "byName": {}});
    for (name, value, empty) in [
        ("text", json!("x"), json!("")),
        ("texts", json!(["a"]), json!([])),
        ("labels", json!({"a": "b"}), json!({})),
        ("inner", inner("y"), inner("")),
        ("inners", json!([inner("z")]), json!([])),
        ("when", json!("2026-01-31T12:00:00Z"), json!(null)),
        ("i64", json!("5"), json!("0")),
        ("maybe-text", json!(""), json!(null)),
    ] {
        let request = format!("GET /answers/{name}");
        assert_eq!(shown(&request, full), value, "{name}");
        assert_eq!(shown(&request, "{}"), empty, "{name}");
    }
}

#[test]
fn a_head_has_the_length_of_what_it_leaves_out() {
    let get = answer("GET /search", vec![message(r#"{"text":"x"}"#), ok()]);
    let head = answer("HEAD /search", vec![message(r#"{"text":"x"}"#), ok()]);
    assert_eq!(head.status(), 200);
    assert_eq!(head.headers()["content-length"], text(get).len().to_string());
    assert_eq!(text(head), "");
    let error = answer("HEAD /search", vec![failed(Error::new(Reason::ResourceNotFound, "x"))]);
    assert_eq!(error.status(), 404);
    assert_ne!(error.headers()["content-length"], "0");
    assert_eq!(text(error), "");
    let stream = answer("HEAD /watch", vec![message("{}"), ok()]);
    assert_eq!(
        (
            stream.status().as_u16(),
            stream.headers().contains_key("content-length")
        ),
        (200, false)
    );
    assert_eq!(text(stream), "");
}

#[test]
fn a_stream_is_one_line_for_each_message() {
    let answer = answer(
        "GET /watch/inner",
        vec![message(r#"{"inner":{"id":"a"}}"#), message("{}"), ok()],
    );
    assert_eq!(answer.headers()["content-type"], "application/x-ndjson");
    let id = |id: &str| format!("{{\"result\":{{\"id\":\"{id}\",\"number\":0,\"byName\":{{}}}}}}\n");
    assert_eq!(text(answer), id("a") + &id(""));
}

/// A head that tells the status is an answer's end, too.
#[test]
fn an_empty_stream_has_no_lines() {
    assert_eq!(text(answer("GET /watch", vec![ok()])), "");
    let mut trailers_only = Response::new(Body::empty());
    trailers_only.headers_mut().insert("grpc-status", "0".parse().unwrap());
    let answer = encode(&route("GET /watch"), trailers_only).now_or_never().unwrap();
    assert_eq!((answer.status().as_u16(), text(answer)), (200, String::new()));
}

/// A head goes out at once, or nobody could wait for a line.
#[test]
fn lines_come_as_their_messages_do() {
    let frames = stream::iter([Ok::<_, Status>(message("{}"))]).chain(stream::pending());
    let open = Response::new(Body::new(StreamBody::new(frames)));
    let mut answer = encode(&route("GET /watch"), open)
        .now_or_never()
        .expect("the head waits for nothing");
    let first = answer
        .body_mut()
        .frame()
        .now_or_never()
        .expect("a line for the first message");
    assert!(
        first
            .unwrap()
            .unwrap()
            .data_ref()
            .unwrap()
            .starts_with(b"{\"result\":{")
    );
    assert!(answer.body_mut().frame().now_or_never().is_none());
}

#[test]
fn messages_may_come_in_any_pieces() {
    let whole = framed(&from_json(everything(), r#"{"text":"abc"}"#).encode_to_vec());
    for size in 1..whole.len() {
        let mut frames: Vec<_> = whole
            .chunks(size)
            .map(|c| Frame::data(Bytes::copy_from_slice(c)))
            .collect();
        frames.insert(1, data(b""));
        frames.push(ok());
        let answer = answer("GET /answers/text", frames);
        assert_eq!(text(answer), r#""abc""#, "{size}");
    }
    let two = [&whole[..], &whole[..]].concat();
    let lines = text(answer("GET /watch", vec![Frame::data(two.into()), ok()]));
    assert_eq!(lines.lines().count(), 2);
}

#[test]
fn headers_of_limits_and_tracing_are_carried() {
    let mut ready = Response::new(body(vec![message("{}"), ok()]));
    for (name, value) in [
        ("ratelimit", "\"default\";r=9"),
        ("x-request-id", "r"),
        ("age", "5"),
        ("content-type", "application/grpc"),
        ("grpc-encoding", "identity"),
        ("set-cookie", "a=b"),
        ("content-length", "7"),
    ] {
        ready.headers_mut().insert(name, value.parse().unwrap());
    }
    ready.extensions_mut().insert(7_u8);
    let answer = encode(&route("GET /search"), ready).now_or_never().unwrap();
    let mut names: Vec<_> = answer.headers().keys().map(|n| n.as_str()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        ["age", "cache-control", "content-type", "ratelimit", "x-request-id"]
    );
    assert_eq!(answer.extensions().get::<u8>(), Some(&7));
}
