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
