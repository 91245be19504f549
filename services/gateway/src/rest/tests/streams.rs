//! Streams in the form that was asked for, each message as soon as it is there.

use bytes::Bytes;
use futures_util::{FutureExt, stream};
use http::{HeaderMap, Response, header};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use logicore::{Error, Reason};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tonic::{Status, body::Body};

use super::{
    answers::{failed, message, ok, text},
    route,
};
use crate::rest::encode;

fn body(frames: Vec<Frame<Bytes>>) -> Body {
    Body::new(StreamBody::new(stream::iter(frames.into_iter().map(Ok::<_, Status>))))
}

fn answer(accept: &str, body: Body) -> Response<Body> {
    let mut route = route("GET /watch/inner");
    route.accept(&HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]));
    encode(&route, Response::new(body))
        .now_or_never()
        .expect("nothing is waited for")
}

fn written(accept: &str, frames: Vec<Frame<Bytes>>) -> String {
    text(answer(accept, body(frames)))
}

fn inner(id: &str) -> Frame<Bytes> {
    message(&json!({"inner": {"id": id}}).to_string())
}

fn shown(id: &str) -> String {
    format!("{{\"id\":\"{id}\",\"number\":0,\"byName\":{{}}}}")
}

fn gone() -> Frame<Bytes> {
    failed(Error::new(Reason::NotReady, "draining"))
}

#[test]
fn every_form_has_its_media_type_and_is_not_held_back() {
    for (accept, media_type) in [
        ("*/*", "application/x-ndjson"),
        ("text/event-stream", "text/event-stream"),
        ("application/json", "application/json"),
    ] {
        let answer = answer(accept, body(vec![ok()]));
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], media_type);
        assert_eq!(answer.headers()["cache-control"], "no-store");
        assert_eq!(answer.headers()["x-accel-buffering"], "no");
    }
}

#[test]
fn lines_hold_a_result_each() {
    assert_eq!(written("*/*", vec![ok()]), "");
    assert_eq!(
        written("*/*", vec![inner("a"), inner("b"), ok()]),
        format!("{{\"result\":{}}}\n{{\"result\":{}}}\n", shown("a"), shown("b"))
    );
}

#[test]
fn events_are_told_from_their_end() {
    assert_eq!(written("text/event-stream", vec![ok()]), "event: end\ndata: {}\n\n");
    assert_eq!(
        written("text/event-stream", vec![inner("a\n\nb"), ok()]),
        format!("data: {}\n\nevent: end\ndata: {{}}\n\n", shown("a\\n\\nb"))
    );
    let failed = written("text/event-stream", vec![inner("a"), gone()]);
    let events: Vec<_> = failed.split_terminator("\n\n").collect();
    let error = events[1].strip_prefix("event: error\ndata: ").unwrap();
    let error: Value = serde_json::from_str(error).unwrap();
    assert_eq!((events.len(), &error["details"][0]["reason"]), (2, &json!("NOT_READY")));
}

#[test]
fn a_list_is_json_however_the_stream_ends() {
    let list = |frames| -> Vec<Value> { serde_json::from_str(&written("application/json", frames)).unwrap() };
    assert_eq!(list(vec![ok()]), Vec::<Value>::new());
    let whole = list(vec![inner("a"), inner("b"), inner("c"), ok()]);
    let ids: Vec<_> = whole
        .iter()
        .map(|item| item["result"]["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["a", "b", "c"]);
    for before in 0..3 {
        let mut frames: Vec<_> = (0..before).map(|_| inner("x")).collect();
        frames.push(gone());
        let items = list(frames);
        assert_eq!(items.len(), before + 1);
        assert_eq!(items[before]["error"]["details"][0]["reason"], "NOT_READY");
        assert!(items[..before].iter().all(|item| item.get("error").is_none()));
    }
}

/// A head that tells the failure is no stream, whatever was accepted.
#[test]
fn a_stream_that_does_not_begin_is_an_error_in_json() {
    let mut refused = Response::new(Body::empty());
    let status = Status::from(Error::new(Reason::NotReady, "draining"));
    status.add_header(refused.headers_mut()).unwrap();
    let mut route = route("GET /watch");
    route.accept(&HeaderMap::from_iter([(
        header::ACCEPT,
        "text/event-stream".parse().unwrap(),
    )]));
    let answer = encode(&route, refused).now_or_never().unwrap();
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["content-type"], "application/json");
}

#[tokio::test]
async fn a_message_is_sent_before_the_next_one_is_there() {
    for accept in ["*/*", "text/event-stream", "application/json"] {
        let (service, frames) = mpsc::unbounded_channel();
        let frames = stream::unfold(frames, |mut frames| async move { Some((frames.recv().await?, frames)) });
        let mut body = answer(accept, Body::new(StreamBody::new(frames))).into_body();
        assert!(body.frame().now_or_never().is_none(), "nothing is there yet");
        for id in ["first", "second"] {
            service.send(Ok::<_, Status>(inner(id))).unwrap();
            let sent = body.frame().await.unwrap().unwrap().into_data().unwrap();
            assert!(String::from_utf8_lossy(&sent).contains(id), "{accept}: {sent:?}");
            assert!(body.frame().now_or_never().is_none(), "{accept}");
        }
    }
}

#[tokio::test]
async fn a_caller_who_leaves_ends_the_call() {
    let (service, frames) = mpsc::unbounded_channel::<Result<Frame<Bytes>, Status>>();
    let frames = stream::unfold(frames, |mut frames| async move { Some((frames.recv().await?, frames)) });
    let body = answer("*/*", Body::new(StreamBody::new(frames))).into_body();
    assert!(!service.is_closed());
    drop(body);
    assert!(service.is_closed());
}
