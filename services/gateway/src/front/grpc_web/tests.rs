use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::HeaderMap;
use http_body_util::{BodyExt, Full, StreamBody};

use super::{trailers::FLAG, *};

fn call(content_type: &'static str, accept: Option<&'static str>, body: &'static [u8]) -> (Call, Request<Body>) {
    let mut request = Request::post("/a.B/C").header("content-type", content_type);
    if let Some(accept) = accept {
        request = request.header("accept", accept);
    }
    let mut request = request
        .header("content-length", body.len())
        .body(Body::new(Full::from(body)))
        .unwrap();
    (Call::adapt(&mut request), request)
}

fn answer(frames: Vec<Frame<Bytes>>) -> Response<Body> {
    let frames = tokio_stream::iter(frames.into_iter().map(Ok::<_, Status>));
    Response::builder()
        .header("content-type", "application/grpc")
        .header("x-kept", "yes")
        .body(Body::new(StreamBody::new(frames)))
        .unwrap()
}

fn trailers() -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("5"));
    trailers.insert("grpc-message", HeaderValue::from_static("no%20such"));
    trailers.append("x-cost-bin", HeaderValue::from_static("AAE"));
    trailers.append("x-cost-bin", HeaderValue::from_static("AAI"));
    trailers
}

const MESSAGE: &[u8] = &[0, 0, 0, 0, 2, 8, 1];
const LINES: &[u8] = b"grpc-status:5\r\ngrpc-message:no%20such\r\nx-cost-bin:AAE\r\nx-cost-bin:AAI\r\n";

fn whole() -> Vec<u8> {
    [MESSAGE, &[FLAG, 0, 0, 0, LINES.len() as u8], LINES].concat()
}

#[tokio::test]
async fn trailers_become_the_last_frame() {
    let (call, request) = call("application/grpc-web+proto", None, MESSAGE);
    assert_eq!(request.headers()["content-type"], "application/grpc+proto");
    assert_eq!(request.into_body().collect().await.unwrap().to_bytes(), MESSAGE);
    let answer = call
        .answer(answer(vec![Frame::data(MESSAGE.into()), Frame::trailers(trailers())]))
        .await;
    assert_eq!(answer.headers()["content-type"], "application/grpc-web+proto");
    assert_eq!(answer.headers()["x-kept"], "yes");
    let collected = answer.into_body().collect().await.unwrap();
    assert!(collected.trailers().is_none());
    assert_eq!(collected.to_bytes(), whole());
}

#[tokio::test]
async fn text_is_decoded_and_encoded() {
    let (call, request) = call("application/grpc-web-text+proto", None, b"AAAAAAIIAQ==");
    assert_eq!(request.headers()["content-type"], "application/grpc+proto");
    assert!(!request.headers().contains_key("content-length"), "it counts base64");
    assert_eq!(request.into_body().collect().await.unwrap().to_bytes(), MESSAGE);
    let frames = vec![
        Frame::data(Bytes::from_static(&MESSAGE[..6])),
        Frame::data(Bytes::from_static(&MESSAGE[6..])),
        Frame::trailers(trailers()),
    ];
    let answer = call.answer(answer(frames)).await;
    assert_eq!(answer.headers()["content-type"], "application/grpc-web-text+proto");
    let mut body = answer.into_body();
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        // Each piece can be decoded as it comes.
        bytes.extend(STANDARD.decode(frame.unwrap().into_data().unwrap()).unwrap());
    }
    assert_eq!(bytes, whole());
}

#[tokio::test]
async fn the_caller_may_read_another_form_than_it_sends() {
    for (sends, accepts, reads) in [
        (
            "application/grpc-web",
            Some("application/grpc-web-text"),
            "application/grpc-web-text+proto",
        ),
        (
            "application/grpc-web-text",
            Some("application/grpc-web"),
            "application/grpc-web+proto",
        ),
        (
            "application/grpc-web-text",
            Some("*/*"),
            "application/grpc-web-text+proto",
        ),
        ("application/grpc-web", None, "application/grpc-web+proto"),
    ] {
        let (call, request) = call(sends, accepts, b"");
        assert_eq!(request.headers()["content-type"], "application/grpc");
        let answer = call.answer(answer(vec![Frame::trailers(trailers())])).await;
        assert_eq!(answer.headers()["content-type"], reads, "{sends} {accepts:?}");
    }
}

#[tokio::test]
async fn another_message_format_keeps_its_name() {
    let (call, request) = call("application/grpc-web+thrift", None, b"");
    assert_eq!(request.headers()["content-type"], "application/grpc+thrift");
    let mut theirs = answer(vec![Frame::trailers(trailers())]);
    let format = HeaderValue::from_static("application/grpc+thrift");
    theirs.headers_mut().insert("content-type", format);
    let answer = call.answer(theirs).await;
    assert_eq!(answer.headers()["content-type"], "application/grpc-web+thrift");
}

#[tokio::test]
async fn an_answer_that_ends_with_its_head_stays_one() {
    let (call, _) = call("application/grpc-web", None, b"");
    let answer = call.answer(Status::not_found("no such").into_http()).await;
    assert_eq!(answer.headers()["content-type"], "application/grpc-web+proto");
    assert_eq!(answer.headers()["grpc-status"], "5");
    assert!(answer.into_body().collect().await.unwrap().to_bytes().is_empty());
}

#[tokio::test]
async fn a_refusal_is_one_of_grpc_web() {
    let error = Error::new(logicore::Reason::RateLimited, "slowly");
    let answer = Call::refusal(error);
    assert_eq!(answer.headers()["content-type"], "application/grpc-web+proto");
    assert_eq!(answer.headers()["grpc-status"], "8");
}

#[tokio::test]
async fn what_a_browser_would_take_for_the_origins_word_does_not_pass() {
    let (call, _) = call("application/grpc-web", None, MESSAGE);
    let mut answer = answer(vec![Frame::trailers(trailers())]);
    let theirs = [
        "set-cookie",
        "access-control-allow-origin",
        "strict-transport-security",
        "content-security-policy",
        "nel",
        "x-logicore-peer",
    ];
    for name in theirs.into_iter().chain(["grpc-encoding", "x-logicore-stale"]) {
        answer.headers_mut().append(name, HeaderValue::from_static("gzip"));
    }
    let answer = call.answer(answer).await;
    let mut left: Vec<_> = answer.headers().keys().map(|name| name.as_str()).collect();
    left.sort_unstable();
    assert_eq!(left, ["content-type", "grpc-encoding", "x-kept", "x-logicore-stale"]);
}
