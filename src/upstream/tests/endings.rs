//! Answers that end as no answer should, and the statuses that callers get instead.

use super::*;

/// Reply, reason, code, and whether the message before it still arrives.
type Row = (Reply, Reason, Code, bool);

#[tokio::test]
async fn every_broken_answer_becomes_a_proper_status() {
    let table: [Row; 13] = [
        (Reply::NoTrailers, Reason::UpstreamMalformed, Code::Internal, true),
        (Reply::NoStatus, Reason::UpstreamMalformed, Code::Internal, true),
        (
            Reply::Reset(h2::Reason::INTERNAL_ERROR),
            Reason::UpstreamMalformed,
            Code::Internal,
            false,
        ),
        (
            Reply::Reset(h2::Reason::CANCEL),
            Reason::UpstreamUnavailable,
            Code::Unavailable,
            false,
        ),
        (
            Reply::Reset(h2::Reason::ENHANCE_YOUR_CALM),
            Reason::UpstreamUnavailable,
            Code::Unavailable,
            false,
        ),
        (
            Reply::DataThenReset(h2::Reason::INTERNAL_ERROR),
            Reason::UpstreamMalformed,
            Code::Internal,
            true,
        ),
        (
            Reply::DataThenReset(h2::Reason::CANCEL),
            Reason::UpstreamUnavailable,
            Code::Unavailable,
            true,
        ),
        (
            Reply::DataThenGone,
            Reason::UpstreamUnavailable,
            Code::Unavailable,
            true,
        ),
        (
            Reply::Http(502, "text/html"),
            Reason::UpstreamUnavailable,
            Code::Unavailable,
            false,
        ),
        (
            Reply::Http(429, "text/plain"),
            Reason::UpstreamUnavailable,
            Code::Unavailable,
            false,
        ),
        (
            Reply::Http(500, "application/grpc"),
            Reason::UpstreamMalformed,
            Code::Internal,
            false,
        ),
        (
            Reply::Http(404, "text/html"),
            Reason::UpstreamMalformed,
            Code::Internal,
            false,
        ),
        (
            Reply::Http(200, "application/json"),
            Reason::UpstreamMalformed,
            Code::Internal,
            false,
        ),
    ];
    for (reply, reason, code, message) in table {
        for path in [LOGIN, STREAM] {
            let peer = Peer::start([reply.clone()]).await;
            let answer = call(&to_peer(&peer), path).await;
            assert_eq!(answer.reason(), Some(reason), "{reply:?} {path}");
            assert_eq!((answer.code(), answer.http), (code, StatusCode::OK), "{reply:?} {path}");
            assert_eq!(answer.data == MESSAGE, message, "{reply:?} {path}");
            assert_eq!(answer.head["content-type"], "application/grpc");
        }
    }
}

#[tokio::test]
async fn a_broken_answer_tells_nothing_of_its_page() {
    let peer = Peer::start([Reply::Http(502, "text/html")]).await;
    let answer = call(&to_peer(&peer), LOGIN).await;
    assert!(answer.data.is_empty());
    assert!(!answer.status().message().contains("h1"), "{:?}", answer.status());
}

#[tokio::test]
async fn a_request_that_breaks_off_ends_at_the_upstream_too() {
    let peer = Peer::start([Reply::Echo]).await;
    let upstream = to_peer(&peer);
    let frames = [
        Ok(Frame::data(Bytes::from_static(&MESSAGE[..5]))),
        Err(Status::cancelled("the caller left")),
    ];
    let body = Body::new(StreamBody::new(tokio_stream::iter(frames)));
    let answer = send(&upstream, request(LOGIN).map(|_| body)).await;
    assert_ne!(answer.code(), Code::Ok);
    assert_eq!(breaker(&upstream).successes, 0);
}

/// gRPC, "Status codes and their use in gRPC": a cardinality violation is UNIMPLEMENTED.
#[tokio::test]
async fn an_answer_that_must_be_one_message_is_one() {
    let peer = Peer::start([
        Reply::Trailers(Code::Ok),
        Reply::Head(Code::Ok),
        Reply::Echo,
        Reply::Full(Code::Ok),
    ])
    .await;
    let upstream = to_peer(&peer);
    let two = Bytes::from_static(&[0, 0, 0, 0, 1, 7, 0, 0, 0, 0, 0]);
    for (body, code) in [
        (Bytes::new(), Code::Unimplemented),
        (Bytes::new(), Code::Unimplemented),
        (two.clone(), Code::Unimplemented),
        (Bytes::new(), Code::Ok),
    ] {
        let answer = send(&upstream, request_of(LOGIN, body)).await;
        assert_eq!(answer.code(), code);
    }
    assert!(upstream.closed(), "an upstream that answers is no broken one");
    // A stream may hold none, or any number.
    let peer = Peer::start([Reply::Trailers(Code::Ok), Reply::Echo]).await;
    let upstream = to_peer(&peer);
    for body in [Bytes::new(), two] {
        assert_eq!(send(&upstream, request_of(STREAM, body)).await.code(), Code::Ok);
    }
}
