//! What opens the breaker of a service, what does not, and what an open one says.

use super::*;

async fn calls(upstream: &Upstream, path: &str, count: usize) {
    for _ in 0..count {
        call(upstream, path).await;
    }
}

#[tokio::test]
async fn a_callers_fault_never_opens_it() {
    let faults = [
        Code::InvalidArgument,
        Code::NotFound,
        Code::AlreadyExists,
        Code::PermissionDenied,
        Code::ResourceExhausted,
        Code::FailedPrecondition,
        Code::Aborted,
        Code::OutOfRange,
        Code::Unimplemented,
        Code::Unauthenticated,
    ];
    let replies: Vec<_> = faults
        .into_iter()
        .flat_map(|code| [Reply::Trailers(code), Reply::Head(code), Reply::Full(code)])
        .collect();
    let count = replies.len();
    let peer = Peer::start(replies).await;
    let upstream = to_peer(&peer);
    calls(&upstream, LOGIN, count).await;
    let breaker = breaker(&upstream);
    assert_eq!((&*breaker.state, breaker.failures), ("Closed", 0));
    assert_eq!(breaker.successes, count as u64, "the upstream did its part");
    assert_eq!(peer.calls(), count);
}

#[tokio::test]
async fn an_upstreams_fault_opens_it_wherever_the_status_stands() {
    for code in [Code::Unavailable, Code::Internal, Code::Unknown, Code::DataLoss] {
        for reply in [Reply::Trailers(code), Reply::Head(code), Reply::Full(code)] {
            let peer = Peer::start([reply.clone()]).await;
            let upstream = to_peer(&peer);
            calls(&upstream, LOGIN, 19).await;
            assert_eq!(state(&upstream), "Closed", "{reply:?}: too few calls to judge by");
            calls(&upstream, LOGIN, 1).await;
            assert_eq!(state(&upstream), "Open", "{reply:?}");
        }
    }
}

#[tokio::test]
async fn every_broken_answer_counts() {
    let broken = [
        Reply::Reset(h2::Reason::INTERNAL_ERROR),
        Reply::HeadThenReset(h2::Reason::CANCEL),
        Reply::DataThenReset(h2::Reason::INTERNAL_ERROR),
        Reply::NoTrailers,
        Reply::NoStatus,
        Reply::Http(502, "text/html"),
        Reply::Http(200, "text/html"),
        Reply::DataThenGone,
    ];
    for reply in broken {
        let peer = Peer::start([reply.clone()]).await;
        let upstream = to_peer(&peer);
        let all = (0..3).map(|_| call(&upstream, LOGIN));
        futures_util::future::join_all(all).await;
        let breaker = breaker(&upstream);
        assert!(breaker.failures >= 1, "{reply:?}: {breaker:?}");
        assert_eq!(breaker.successes, 0, "{reply:?}");
    }
}

#[tokio::test]
async fn half_of_the_calls_must_fail() {
    let half = [Reply::Full(Code::Ok), Reply::Trailers(Code::Internal)];
    let replies: Vec<_> = half.into_iter().cycle().take(20).collect();
    let upstream = to_peer(&Peer::start([replies.clone(), vec![Reply::Full(Code::Ok)]].concat()).await);
    calls(&upstream, LOGIN, 20).await;
    assert_eq!(state(&upstream), "Open");
    let mut replies = replies;
    replies[1] = Reply::Full(Code::Ok);
    let upstream = to_peer(&Peer::start(replies).await);
    calls(&upstream, LOGIN, 20).await;
    assert_eq!(state(&upstream), "Closed");
}

#[tokio::test]
async fn five_refused_connections_open_it() {
    let nobody = Nobody::new();
    let upstream = nobody.upstream();
    call(&upstream, LOGIN).await;
    let after_three = breaker(&upstream);
    assert_eq!((&*after_three.state, after_three.consecutive_failures), ("Closed", 3));
    let answer = call(&upstream, LOGIN).await;
    assert_eq!(state(&upstream), "Open");
    assert_eq!(answer.code(), Code::Unavailable);
    assert_eq!(events(&upstream, "opened"), 1);
}

#[tokio::test]
async fn an_open_one_refuses_at_once_and_counts() {
    let peer = Peer::start([Reply::Trailers(Code::Internal)]).await;
    let upstream = to_peer(&peer);
    calls(&upstream, LOGIN, 20).await;
    for number in 1..=3 {
        let answer = call(&upstream, GET_USER).await;
        assert_eq!(answer.code(), Code::Unavailable);
        assert_eq!(answer.reason(), Some(Reason::CircuitOpen));
        let info = answer.status().get_details_error_info().unwrap();
        assert_eq!(info.metadata["breaker"], "user");
        let wait = answer.retry_after().unwrap();
        assert!(
            wait > Duration::from_secs(20) && wait <= Duration::from_secs(33),
            "{wait:?}"
        );
        assert_eq!(breaker(&upstream).rejected, number);
        assert_eq!(events(&upstream, "rejected"), number, "no attempt is made of a refusal");
    }
    assert_eq!(peer.calls(), 20);
    assert_eq!(retries(&upstream, "failed"), 0);
    assert!(!upstream.closed());
}

#[tokio::test]
async fn an_operator_closes_it_by_its_name() {
    let peer = Peer::start([vec![Reply::Trailers(Code::Internal); 20], vec![Reply::Full(Code::Ok)]].concat()).await;
    let upstream = to_peer(&peer);
    calls(&upstream, LOGIN, 20).await;
    assert!(!upstream.reset_breaker("auth"));
    assert_eq!(state(&upstream), "Open");
    assert!(upstream.reset_breaker("user"));
    assert!(upstream.closed());
    assert_eq!(events(&upstream, "reset"), 1);
    assert_eq!(call(&upstream, LOGIN).await.code(), Code::Ok);
    let endpoint = upstream.breakers()[1].name.clone();
    assert!(endpoint.starts_with("user/127.0.0.1:"), "{endpoint}");
    assert!(upstream.reset_breaker(&endpoint));
}

#[tokio::test]
async fn an_upstream_without_an_endpoint_is_open_after_one_call() {
    let upstream = to(Vec::new(), &resilience());
    let answer = call(&upstream, GET_USER).await;
    assert_eq!(answer.reason(), Some(Reason::UpstreamUnavailable));
    assert!(answer.retry_after().is_some());
    assert_eq!(state(&upstream), "Open");
    assert_eq!(call(&upstream, GET_USER).await.reason(), Some(Reason::CircuitOpen));
}

#[tokio::test]
async fn of_two_endpoints_the_one_that_is_gone_is_left_alone() {
    let peer = Peer::start([Reply::Full(Code::Ok)]).await;
    let gone = Nobody::new();
    let addresses = vec![gone.address(), peer.address()];
    let upstream = to(addresses, &resilience());
    for number in 0..50 {
        assert_eq!(call(&upstream, LOGIN).await.code(), Code::Ok, "{number}");
    }
    assert_eq!(peer.calls(), 50);
    assert!(upstream.closed());
}

#[tokio::test]
async fn a_peer_that_distrusts_us_is_no_callers_fault() {
    let stranger = || Error::new(Reason::PeerNotTrusted, "the role token is of another secret");
    let address = in_memory(move |_| std::future::ready(crate::layer::refuse(stranger())));
    let upstream = to(vec![address], &resilience());
    let answer = call(&upstream, LOGIN).await;
    assert_eq!(answer.reason(), Some(Reason::UpstreamUnavailable));
    assert!(
        answer.status().message().contains("MESH_SECRET"),
        "whoever reads it knows what to do"
    );
    assert_eq!(breaker(&upstream).failures, 1);
}
