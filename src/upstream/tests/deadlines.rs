//! Time: deadlines, the time of one attempt, streams that have none. In memory, under a paused clock.

use std::sync::Mutex;

use tokio::time::Instant;
use tokio_stream::StreamExt;

use super::*;
use crate::layer::deadline;

/// What a server has seen of the calls' deadlines.
type Told = Arc<Mutex<Vec<Option<Duration>>>>;

fn telling() -> (Told, Address) {
    let told = Told::default();
    let sink = told.clone();
    let address = in_memory(move |request: Request<Body>| {
        let timeout = request
            .headers()
            .get(deadline::HEADER)
            .map(|v| deadline::parse(v).unwrap());
        sink.lock().unwrap().push(timeout);
        async { answered(Code::Ok) }
    });
    (told, address)
}

/// Never answers; counts the calls.
fn hanging() -> (Arc<Mutex<usize>>, Address) {
    let calls = Arc::new(Mutex::new(0));
    let count = calls.clone();
    let address = in_memory(move |_| {
        *count.lock().unwrap() += 1;
        std::future::pending()
    });
    (calls, address)
}

#[tokio::test(start_paused = true)]
async fn what_is_left_of_the_deadline_goes_upstream() {
    let (told, address) = telling();
    let upstream = to(vec![address], &resilience());
    let table = [
        (GET_USER, None, Some(5000)),
        (LOGIN, Some("700m"), Some(700)),
        (LOGIN, Some("10S"), Some(5000)),
        (LOGIN, Some("99999999H"), Some(5000)),
        (LOGIN, Some("nonsense"), Some(5000)),
        (STREAM, None, None),
        (STREAM, Some("10S"), Some(10_000)),
    ];
    for (path, asked, expected) in table {
        let request = match asked {
            Some(asked) => with_header(request(path), deadline::HEADER, asked),
            None => request(path),
        };
        assert_eq!(send(&upstream, request).await.code(), Code::Ok);
        let found = told.lock().unwrap().pop().unwrap();
        let expected = expected.map(Duration::from_millis);
        assert_eq!(found, expected, "{path} {asked:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_later_attempt_is_told_of_less() {
    let told = Told::default();
    let sink = told.clone();
    let address = in_memory(move |request: Request<Body>| {
        let mut told = sink.lock().unwrap();
        told.push(
            request
                .headers()
                .get(deadline::HEADER)
                .map(|v| deadline::parse(v).unwrap()),
        );
        let first = told.len() == 1;
        async move {
            if first {
                tokio::time::sleep(Duration::from_millis(400)).await;
                return Status::unavailable("").into_http();
            }
            answered(Code::Ok)
        }
    });
    assert_eq!(call(&to(vec![address], &resilience()), GET_USER).await.code(), Code::Ok);
    let told: Vec<_> = told.lock().unwrap().iter().map(|t| t.unwrap()).collect();
    assert_eq!(told[0], Duration::from_secs(5));
    assert!(
        told[1] <= Duration::from_millis(4600) && told[1] >= Duration::from_millis(4500),
        "{told:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_has_its_answer_by_its_deadline() {
    let (calls, address) = hanging();
    let upstream = to(vec![address], &resilience());
    for (asked, after) in [(None, 5000), (Some("300m"), 300)] {
        let start = Instant::now();
        let request = match asked {
            Some(asked) => with_header(request(LOGIN), deadline::HEADER, asked),
            None => request(LOGIN),
        };
        let answer = send(&upstream, request).await;
        assert_eq!(answer.reason(), Some(Reason::DeadlineExceeded));
        assert_eq!(start.elapsed().as_millis(), after);
    }
    assert_eq!(*calls.lock().unwrap(), 2, "what may not be repeated is not");
}

#[tokio::test(start_paused = true)]
async fn an_attempt_without_a_head_is_given_up_after_a_third_of_the_deadline() {
    let calls = Arc::new(Mutex::new(0));
    let count = calls.clone();
    let address = in_memory(move |_| {
        let mut calls = count.lock().unwrap();
        *calls += 1;
        let hangs = *calls == 1;
        async move {
            if hangs {
                std::future::pending::<()>().await;
            }
            answered(Code::Ok)
        }
    });
    let upstream = to(vec![address], &resilience());
    let start = Instant::now();
    let answer = call(&upstream, GET_USER).await;
    assert_eq!((answer.code(), *calls.lock().unwrap()), (Code::Ok, 2));
    let took = start.elapsed();
    assert!(
        took >= Duration::from_millis(1666) && took < Duration::from_millis(1700),
        "{took:?}"
    );
    assert_eq!(breaker(&upstream).failures, 1, "the service kept us waiting");
}

#[tokio::test(start_paused = true)]
async fn all_attempts_end_by_the_deadline() {
    let (calls, address) = hanging();
    let upstream = to(vec![address], &resilience());
    let start = Instant::now();
    let answer = call(&upstream, GET_USER).await;
    assert_eq!(answer.code(), Code::DeadlineExceeded);
    assert!(start.elapsed() <= Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(*calls.lock().unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn who_is_never_answered_is_told_that_the_time_is_over() {
    // Short ones have no time for another attempt after a wait, long ones for all three.
    for millis in (1..50).chain([300, 3000]) {
        let (_, address) = hanging();
        let upstream = to(vec![address], &resilience());
        let timeout = deadline::format(Duration::from_millis(millis));
        let mut asked = request(GET_USER);
        asked.headers_mut().insert(deadline::HEADER, timeout);
        let answer = send(&upstream, asked).await;
        assert_eq!(answer.code(), Code::DeadlineExceeded, "within {millis} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_stops_in_the_middle_ends_at_the_deadline() {
    let address = in_memory(|_| async {
        let message = tokio_stream::once(Frame::data(Bytes::from_static(MESSAGE)));
        streamed(message.chain(tokio_stream::pending()))
    });
    let upstream = to(vec![address], &resilience());
    let start = Instant::now();
    let answer = call(&upstream, GET_USER).await;
    assert_eq!(answer.data, MESSAGE);
    assert_eq!(answer.reason(), Some(Reason::DeadlineExceeded));
    assert_eq!(start.elapsed(), Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_wait_as_long_as_the_method_grants_is_the_upstreams_failure() {
    let (_, address) = hanging();
    let upstream = to(vec![address], &resilience());
    let calls = (0..20).map(|_| call(&upstream, LOGIN));
    futures_util::future::join_all(calls).await;
    assert_eq!(state(&upstream), "Open");
}

#[tokio::test(start_paused = true)]
async fn an_impatient_caller_says_nothing_about_the_upstream() {
    let (_, address) = hanging();
    let upstream = to(vec![address], &resilience());
    for _ in 0..30 {
        let answer = send(&upstream, with_header(request(LOGIN), deadline::HEADER, "1S")).await;
        assert_eq!(answer.code(), Code::DeadlineExceeded);
        // One who hangs up is no different.
        let gone = tokio::time::timeout(Duration::from_secs(2), call(&upstream, LOGIN)).await;
        assert!(gone.is_err());
    }
    let breaker = breaker(&upstream);
    assert_eq!((&*breaker.state, breaker.failures), ("Closed", 0));
}

/// A call whose body begins and does not end.
fn unfinished(path: &str) -> Request<Body> {
    let begun = tokio_stream::once(Ok::<_, Status>(Frame::data(Bytes::from_static(&MESSAGE[..3]))));
    let body = Body::new(StreamBody::new(begun.chain(tokio_stream::pending())));
    request(path).map(|_| body)
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_does_not_finish_says_nothing_about_the_upstream() {
    for path in [LOGIN, REFRESH] {
        let (calls, address) = hanging();
        let upstream = to(vec![address], &resilience());
        let start = Instant::now();
        let answers = futures_util::future::join_all((0..30).map(|_| send(&upstream, unfinished(path)))).await;
        let in_time = |answer: &Answer| answer.reason() == Some(Reason::DeadlineExceeded);
        assert!(answers.iter().all(in_time), "{path}");
        assert_eq!(start.elapsed().as_secs(), 5, "{path}");
        let breaker = breaker(&upstream);
        assert_eq!((&*breaker.state, breaker.failures), ("Closed", 0), "{path}");
        assert_eq!(
            *calls.lock().unwrap(),
            30,
            "{path}: nor does it take from the budget of retries"
        );
    }
}

/// Sends a message every `every`, `count` times, and then its status.
fn ticking(every: Duration, count: usize) -> Address {
    in_memory(move |_| async move {
        let ticks = futures_util::stream::unfold(0, move |n| async move {
            if n > count {
                return None;
            }
            tokio::time::sleep(every).await;
            let frame = if n < count {
                Frame::data(Bytes::from_static(MESSAGE))
            } else {
                Frame::trailers(body::trailers(&Status::ok("")))
            };
            Some((frame, n + 1))
        });
        streamed(ticks)
    })
}

#[tokio::test(start_paused = true)]
async fn a_stream_outlives_the_deadline_of_unary_calls() {
    let upstream = to(vec![ticking(Duration::from_secs(250), 20)], &resilience());
    let answer = call(&upstream, STREAM).await;
    assert_eq!(answer.code(), Code::Ok);
    assert_eq!(answer.data.len(), 20 * MESSAGE.len());
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_both_sides_leave_silent_ends() {
    let upstream = to(vec![ticking(Duration::from_secs(301), 1)], &resilience());
    let start = Instant::now();
    let answer = call(&upstream, STREAM).await;
    assert_eq!(answer.reason(), Some(Reason::UpstreamUnavailable));
    assert_eq!(start.elapsed().as_secs(), 300);
}

#[tokio::test(start_paused = true)]
async fn a_stream_lives_while_its_caller_speaks() {
    let address = in_memory(|request: Request<Body>| async {
        // Answers when the caller has said all.
        let (head, body) = streamed(tokio_stream::empty()).into_parts();
        drop(body);
        let heard = request.into_body();
        let end = futures_util::stream::once(async {
            let _ = heard.collect().await;
            Frame::trailers(body::trailers(&Status::ok("")))
        });
        Response::from_parts(head, streamed(end).into_body())
    });
    let upstream = to(vec![address], &resilience());
    let said = futures_util::stream::unfold(0, |n| async move {
        tokio::time::sleep(Duration::from_secs(200)).await;
        (n < 5).then(|| (Ok::<_, Status>(Frame::data(Bytes::from_static(MESSAGE))), n + 1))
    });
    let body = Body::new(StreamBody::new(said));
    let answer = send(&upstream, request(STREAM).map(|_| body)).await;
    assert_eq!(answer.code(), Code::Ok);
}

#[tokio::test(start_paused = true)]
async fn an_upstream_whose_clock_ends_the_call_first_has_not_cancelled_it() {
    for (asked, waits, expected) in [
        ("300m", 299, Code::DeadlineExceeded),
        ("300m", 285, Code::DeadlineExceeded),
        ("300m", 200, Code::Cancelled),
        ("20m", 19, Code::DeadlineExceeded),
        // Whoever has little time has not all of it taken for its end.
        ("20m", 10, Code::Cancelled),
        ("15m", 0, Code::Cancelled),
    ] {
        let wait = move || tokio::time::sleep(Duration::from_millis(waits));
        let alone = in_memory(move |_| async move {
            wait().await;
            answered(Code::Cancelled)
        });
        let behind_data = in_memory(move |_| async move {
            let message = tokio_stream::once(Frame::data(Bytes::from_static(MESSAGE)));
            let end = async move {
                wait().await;
                Frame::trailers(body::trailers(&Status::cancelled("Timeout expired")))
            };
            streamed(message.chain(futures_util::stream::once(end)))
        });
        for address in [alone, behind_data] {
            let upstream = to(vec![address], &resilience());
            let answer = send(&upstream, with_header(request(LOGIN), deadline::HEADER, asked)).await;
            assert_eq!(answer.code(), expected, "after {waits} ms of {asked}");
        }
    }
}
