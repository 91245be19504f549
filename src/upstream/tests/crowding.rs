//! An upstream that has as many calls at once as it may.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use tokio::sync::Notify;
use tokio_stream::StreamExt as _;

use super::*;

/// A service that answers each call by a message at once, and by its end when it is told to.
struct Slow {
    arrived: Arc<AtomicUsize>,
    end: Arc<Notify>,
    upstream: Upstream,
}

impl Slow {
    /// One that has `most` calls at once.
    fn new(most: usize) -> Self {
        let (arrived, end) = (Arc::<AtomicUsize>::default(), Arc::<Notify>::default());
        let (count, ends) = (arrived.clone(), end.clone());
        let address = in_memory(move |_| {
            count.fetch_add(1, SeqCst);
            let ends = ends.clone();
            let end = async move {
                ends.notified().await;
                Frame::trailers(body::trailers(&Status::ok("")))
            };
            let message = tokio_stream::once(Frame::data(Bytes::from_static(MESSAGE)));
            std::future::ready(streamed(message.chain(futures_util::stream::once(end))))
        });
        let upstream = to(vec![address], &resilience());
        upstream.limit_calls(most);
        Self { arrived, end, upstream }
    }

    /// A call whose answer has begun.
    async fn begin(&self, path: &str) -> Response<Body> {
        let Ok(response) = self.upstream.clone().call(request(path)).await;
        assert!(code_in_head(&response).is_none(), "it was let in");
        response
    }

    fn taken(&self) -> usize {
        self.upstream.0.places.taken()
    }
}

fn code_in_head(response: &Response<Body>) -> Option<Code> {
    body::code_in(response.headers())
}

#[tokio::test(start_paused = true)]
async fn a_call_beyond_the_limit_is_refused_and_asks_nothing_of_anybody() {
    let slow = Slow::new(1);
    let _held = slow.begin(STREAM).await;
    for number in 1..=30 {
        // May be repeated, and is not.
        let answer = call(&slow.upstream, GET_USER).await;
        assert_eq!(answer.code(), Code::Unavailable);
        assert_eq!(answer.reason(), Some(Reason::UpstreamFull));
        assert_eq!(answer.retry_after(), Some(Duration::from_secs(1)));
        let info = answer.status().get_details_error_info().unwrap();
        assert_eq!(info.metadata["upstream"], "user");
        let refused = &slow.upstream.0.metrics.calls_refused;
        assert_eq!(refused.with_label_values(&["user", "full"]).get(), number);
    }
    assert_eq!(slow.arrived.load(SeqCst), 1);
    assert_eq!(retries(&slow.upstream, "failed"), 0);
    let breaker = breaker(&slow.upstream);
    assert_eq!((&*breaker.state, breaker.failures, breaker.rejected), ("Closed", 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_place_is_held_until_the_answer_has_ended() {
    for path in [LOGIN, REFRESH, STREAM] {
        let slow = Slow::new(1);
        let begun = slow.begin(path).await;
        assert_eq!(call(&slow.upstream, path).await.reason(), Some(Reason::UpstreamFull));
        slow.end.notify_one();
        assert_eq!(Answer::of(begun).await.code(), Code::Ok);
        assert_eq!(slow.taken(), 0, "{path}");
        slow.begin(path).await;
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_gives_the_place_back() {
    let slow = Slow::new(1);
    let begun = slow.begin(STREAM).await;
    drop(begun);
    assert_eq!(slow.taken(), 0, "while the answer comes");

    let never = to(vec![in_memory(|_| std::future::pending())], &resilience());
    never.limit_calls(1);
    let left = tokio::time::timeout(Duration::from_millis(100), call(&never, STREAM)).await;
    assert!(left.is_err());
    assert_eq!(never.0.places.taken(), 0, "before it");

    assert_eq!(call(&never, LOGIN).await.code(), Code::DeadlineExceeded);
    assert_eq!(never.0.places.taken(), 0, "at the deadline");
}

#[tokio::test]
async fn an_answer_without_a_body_and_one_that_never_comes_give_it_back() {
    for reply in [
        Reply::Head(Code::NotFound),
        Reply::NoTrailers,
        Reply::Http(502, "text/html"),
    ] {
        let peer = Peer::start([reply.clone()]).await;
        let upstream = to_peer(&peer);
        upstream.limit_calls(1);
        assert_ne!(call(&upstream, LOGIN).await.code(), Code::Ok);
        assert_eq!(upstream.0.places.taken(), 0, "{reply:?}");
    }
    let upstream = Nobody::new().upstream();
    upstream.limit_calls(1);
    assert_eq!(call(&upstream, LOGIN).await.reason(), Some(Reason::UpstreamUnavailable));
    assert_eq!(upstream.0.places.taken(), 0, "nobody is there");
}

#[tokio::test]
async fn an_answer_that_ended_and_is_failed_here_gives_it_back_at_once() {
    let peer = Peer::start([Reply::Trailers(Code::Ok)]).await;
    let upstream = to_peer(&peer);
    upstream.limit_calls(1);
    let Ok(answer) = upstream.clone().call(request(LOGIN)).await;
    let mut body = answer.into_body();
    let trailers = body.frame().await.unwrap().unwrap().into_trailers().unwrap();
    assert_eq!(trailers["grpc-status"], "12", "none came where one must");
    assert_eq!(upstream.0.places.taken(), 0);
    drop(body);
}

#[tokio::test]
async fn each_attempt_takes_the_place_that_the_one_before_gave_back() {
    let peer = Peer::start([Reply::Trailers(Code::Unavailable), Reply::Full(Code::Ok)]).await;
    let upstream = to_peer(&peer);
    upstream.limit_calls(1);
    assert_eq!(call(&upstream, GET_USER).await.code(), Code::Ok);
    assert_eq!((peer.calls(), upstream.0.places.taken()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn who_finds_no_place_is_not_the_probe() {
    let failing = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let fails = failing.clone();
    let address = in_memory(move |request| {
        std::future::ready(match request.uri().path() {
            STREAM => streamed(futures_util::stream::pending()),
            _ if fails.load(SeqCst) => answered(Code::Internal),
            _ => answered(Code::Ok),
        })
    });
    let upstream = to(vec![address], &resilience());
    let Ok(held) = upstream.clone().call(request(STREAM)).await;
    for _ in 0..20 {
        call(&upstream, LOGIN).await;
    }
    assert_eq!(state(&upstream), "Open");
    failing.store(false, SeqCst);
    upstream.limit_calls(1);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(call(&upstream, LOGIN).await.reason(), Some(Reason::UpstreamFull));
    assert_eq!(state(&upstream), "HalfOpen");
    drop(held);
    assert_eq!(
        call(&upstream, LOGIN).await.code(),
        Code::Ok,
        "the probe is still to be had"
    );
    assert_eq!(state(&upstream), "Closed");
}

/// A request of a caller at this address.
fn from(address: &str, path: &str) -> Request<Body> {
    let mut request = request(path);
    let peer = crate::server::PeerAddr(format!("{address}:4711").parse().unwrap());
    request.extensions_mut().insert(peer);
    request
}

#[tokio::test(start_paused = true)]
async fn one_caller_has_a_quarter_of_the_places_and_others_have_the_rest() {
    let slow = Slow::new(8);
    let begin = async |address: &str| {
        let Ok(response) = slow.upstream.clone().call(from(address, STREAM)).await;
        assert!(code_in_head(&response).is_none(), "it was let in: {address}");
        response
    };
    let busy = "192.0.2.1";
    let mut held = vec![begin(busy).await, begin(busy).await];
    for _ in 0..30 {
        // May be repeated, and is not.
        let answer = send(&slow.upstream, from(busy, GET_USER)).await;
        assert_eq!(answer.code(), Code::ResourceExhausted);
        assert_eq!(answer.reason(), Some(Reason::TooManyCalls));
        assert_eq!(answer.retry_after(), Some(Duration::from_secs(1)));
    }
    let refused = |why| {
        slow.upstream
            .0
            .metrics
            .calls_refused
            .with_label_values(&["user", why])
            .get()
    };
    assert_eq!((refused("caller"), refused("full")), (30, 0));
    assert_eq!(slow.arrived.load(SeqCst), 2);
    assert_eq!(retries(&slow.upstream, "failed"), 0);
    let breaker = breaker(&slow.upstream);
    assert_eq!((&*breaker.state, breaker.failures, breaker.rejected), ("Closed", 0, 0));

    for other in ["192.0.2.2", "192.0.2.3", "192.0.2.4"] {
        held.extend([begin(other).await, begin(other).await]);
    }
    let late = async || send(&slow.upstream, from("192.0.2.5", GET_USER)).await.reason();
    assert_eq!(late().await, Some(Reason::UpstreamFull));
    held.swap_remove(0);
    held.push(begin(busy).await);
    assert_eq!(
        late().await,
        Some(Reason::UpstreamFull),
        "whoever was refused holds nothing"
    );
    drop(held);
    assert_eq!((slow.taken(), slow.upstream.0.places.counted()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn without_a_limit_nobody_has_a_share() {
    let slow = Slow::new(usize::MAX);
    let Ok(_held) = slow.upstream.clone().call(from("192.0.2.1", STREAM)).await;
    assert_eq!((slow.taken(), slow.upstream.0.places.counted()), (1, 0));
}
