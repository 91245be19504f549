//! Which failures are tried again, for which methods, how often.

use super::*;

/// Calls of these methods are tried again when nobody knows what the first attempt did.
const REPEATABLE: [&str; 2] = [GET_USER, REFRESH];

#[tokio::test]
async fn unavailable_is_tried_again_where_the_method_may_be_repeated() {
    for reply in [Reply::Trailers(Code::Unavailable), Reply::Head(Code::Unavailable)] {
        for path in REPEATABLE {
            let peer = Peer::start([reply.clone(), Reply::Full(Code::Ok)]).await;
            let upstream = to_peer(&peer);
            let answer = call(&upstream, path).await;
            assert_eq!(answer.code(), Code::Ok, "{reply:?} {path}");
            assert_eq!(answer.data, MESSAGE);
            assert_eq!(peer.calls(), 2);
            assert_eq!(retries(&upstream, "succeeded"), 1);
            let bodies: Vec<_> = peer.seen().into_iter().map(|seen| seen.body).collect();
            assert_eq!(bodies, [MESSAGE, MESSAGE], "the whole body both times");
        }
        for path in [LOGIN, STREAM, "/unknown.Service/Method"] {
            let peer = Peer::start([reply.clone(), Reply::Full(Code::Ok)]).await;
            let answer = call(&to_peer(&peer), path).await;
            assert_eq!(
                (answer.code(), peer.calls()),
                (Code::Unavailable, 1),
                "{reply:?} {path}"
            );
            assert_eq!(answer.status().message(), "as scripted");
        }
    }
}

#[tokio::test]
async fn there_are_three_attempts() {
    let peer = Peer::start([Reply::Trailers(Code::Unavailable)]).await;
    let upstream = to_peer(&peer);
    assert_eq!(call(&upstream, GET_USER).await.code(), Code::Unavailable);
    assert_eq!(peer.calls(), 3);
    assert_eq!(retries(&upstream, "failed"), 2);
    let mut one = resilience();
    one.retry_attempts = 1;
    let upstream = to(vec![peer.address()], &one);
    assert_eq!(call(&upstream, GET_USER).await.code(), Code::Unavailable);
    assert_eq!(peer.calls(), 4);
}

#[tokio::test]
async fn no_other_status_is_tried_again() {
    for code in (1..17).map(Code::from).filter(|code| *code != Code::Unavailable) {
        for reply in [Reply::Trailers(code), Reply::Head(code)] {
            let peer = Peer::start([reply, Reply::Full(Code::Ok)]).await;
            let answer = call(&to_peer(&peer), GET_USER).await;
            assert_eq!((answer.code(), peer.calls()), (code, 1));
        }
    }
}

#[tokio::test]
async fn an_answer_that_has_begun_is_not_tried_again() {
    let peer = Peer::start([Reply::Full(Code::Unavailable)]).await;
    let answer = call(&to_peer(&peer), GET_USER).await;
    assert_eq!((answer.code(), peer.calls()), (Code::Unavailable, 1));
    assert_eq!(answer.data, MESSAGE);
}

#[tokio::test]
async fn a_refused_connection_is_tried_again_for_every_method() {
    for path in [LOGIN, GET_USER, STREAM] {
        let nobody = Nobody::new();
        let upstream = nobody.upstream();
        let answer = call(&upstream, path).await;
        assert_eq!(answer.reason(), Some(Reason::UpstreamUnavailable), "{path}");
        assert!(answer.retry_after().is_some());
        assert_eq!(retries(&upstream, "failed"), 2, "{path}");
    }
}

#[tokio::test]
async fn a_refused_stream_is_tried_again_for_every_method() {
    for path in [LOGIN, GET_USER, STREAM] {
        let peer = Peer::start([Reply::Reset(h2::Reason::REFUSED_STREAM), Reply::Full(Code::Ok)]).await;
        let answer = call(&to_peer(&peer), path).await;
        assert_eq!((answer.code(), peer.calls()), (Code::Ok, 2), "{path}");
    }
}

#[tokio::test]
async fn a_call_left_out_by_a_goaway_is_tried_again_for_every_method() {
    for path in [LOGIN, GET_USER, STREAM] {
        let peer = Peer::start_going_away([Reply::Full(Code::Ok)]).await;
        let upstream = to_peer(&peer);
        let answer = call(&upstream, path).await;
        assert_eq!(answer.code(), Code::Ok, "{path}");
        assert_eq!((peer.calls(), peer.connections()), (1, 2));
        assert_eq!(
            breaker(&upstream).failures,
            0,
            "a server that leaves in order has not failed"
        );
    }
}

#[tokio::test]
async fn no_call_is_lost_while_connections_go_away_in_order() {
    let peer = Peer::start([Reply::FullThenGoAway]).await;
    let upstream = to_peer(&peer);
    for number in 0..30 {
        assert_eq!(call(&upstream, LOGIN).await.code(), Code::Ok, "{number}");
    }
    assert!(peer.connections() > 2, "{}", peer.connections());
}

#[tokio::test]
async fn what_broke_off_is_tried_again_where_the_method_may_be_repeated() {
    let broken = [
        Reply::Reset(h2::Reason::INTERNAL_ERROR),
        Reply::Reset(h2::Reason::CANCEL),
        Reply::HeadThenReset(h2::Reason::CANCEL),
        Reply::Http(502, "text/html"),
        Reply::Http(503, "text/html"),
    ];
    for reply in broken {
        let peer = Peer::start([reply.clone(), Reply::Full(Code::Ok)]).await;
        let answer = call(&to_peer(&peer), GET_USER).await;
        assert_eq!((answer.code(), peer.calls()), (Code::Ok, 2), "{reply:?}");
        let peer = Peer::start([reply.clone(), Reply::Full(Code::Ok)]).await;
        let answer = call(&to_peer(&peer), LOGIN).await;
        assert_ne!(answer.code(), Code::Ok);
        assert_eq!(peer.calls(), 1, "{reply:?}");
    }
}

#[tokio::test]
async fn a_body_above_64_kib_is_sent_once() {
    let large = Bytes::from(vec![7; (64 << 10) + 1]);
    for reply in [Reply::Trailers(Code::Unavailable), Reply::Head(Code::Unavailable)] {
        let peer = Peer::start([reply, Reply::Full(Code::Ok)]).await;
        let answer = send(&to_peer(&peer), request_of(GET_USER, large.clone())).await;
        assert_eq!((answer.code(), peer.calls()), (Code::Unavailable, 1));
        assert_eq!(answer.status().message(), "as scripted", "the upstream's own answer");
        assert_eq!(peer.seen()[0].body, large);
    }
    let kept = large.slice(1..);
    let peer = Peer::start([Reply::Trailers(Code::Unavailable), Reply::Full(Code::Ok)]).await;
    let answer = send(&to_peer(&peer), request_of(GET_USER, kept.clone())).await;
    assert_eq!((answer.code(), peer.calls()), (Code::Ok, 2));
    assert!(peer.seen().iter().all(|seen| seen.body == kept));
}

#[tokio::test]
async fn a_large_body_that_nobody_read_is_sent_again() {
    let large = Bytes::from(vec![7; 1 << 20]);
    let nobody = Nobody::new();
    let upstream = nobody.upstream();
    send(&upstream, request_of(LOGIN, large)).await;
    assert_eq!(retries(&upstream, "failed"), 2);
}

#[tokio::test]
async fn a_pushback_is_honoured() {
    const PUSHBACK: &str = "grpc-retry-pushback-ms";
    for (value, calls) in [("-1", 1), ("soon", 1), ("60000", 1), ("0", 2), ("40", 2)] {
        let peer = Peer::start([Reply::With(Code::Unavailable, PUSHBACK, value), Reply::Full(Code::Ok)]).await;
        let answer = call(&to_peer(&peer), GET_USER).await;
        assert_eq!(peer.calls(), calls, "{value}");
        if calls == 1 {
            assert_eq!(answer.code(), Code::Unavailable);
            assert_eq!(answer.trailers[PUSHBACK], value, "the caller learns of it");
        }
    }
}

#[tokio::test]
async fn the_budget_bounds_what_is_tried_again() {
    let peer = Peer::start([Reply::Trailers(Code::Unavailable)]).await;
    let upstream = to_peer_unbroken(&peer);
    let calls = (0..150).map(|_| call(&upstream, GET_USER));
    for answer in futures_util::future::join_all(calls).await {
        assert_eq!(answer.code(), Code::Unavailable);
    }
    // 150 calls would like 300 retries. A hundred are free, and one for every five calls.
    let retried = peer.calls() - 150;
    assert!((100..=131).contains(&retried), "{retried}");
    assert!(retries(&upstream, "refused") > 0);
}
