//! The way back: probes, callers who leave, stragglers. In memory, under a paused clock.

use std::sync::Mutex;

use tokio::sync::Semaphore;

use super::*;

/// A server that a test controls while it runs.
#[derive(Clone)]
struct Switch {
    code: Arc<Mutex<Code>>,
    calls: Arc<Mutex<usize>>,
    /// Calls wait for a permit each; there are plenty until a test takes them.
    gate: Arc<Semaphore>,
}

const PLENTY: usize = 1000;

impl Switch {
    fn start(code: Code) -> (Self, Upstream) {
        Self::start_with(code, &resilience())
    }

    fn start_with(code: Code, resilience: &Resilience) -> (Self, Upstream) {
        let switch = Self {
            code: Arc::new(Mutex::new(code)),
            calls: Arc::default(),
            gate: Arc::new(Semaphore::new(PLENTY)),
        };
        let on = switch.clone();
        let address = in_memory(move |_| {
            *on.calls.lock().unwrap() += 1;
            let on = on.clone();
            async move {
                on.gate.acquire().await.unwrap().forget();
                answered(*on.code.lock().unwrap())
            }
        });
        (switch, to(vec![address], resilience))
    }

    fn answer(&self, code: Code) {
        *self.code.lock().unwrap() = code;
    }

    fn calls(&self) -> usize {
        *self.calls.lock().unwrap()
    }

    /// From now on calls wait.
    fn hold(&self) {
        self.gate.forget_permits(PLENTY);
    }

    fn release(&self, calls: usize) {
        self.gate.add_permits(calls);
    }
}

/// A server that failed until the breaker opened.
async fn opened() -> (Switch, Upstream) {
    let (switch, upstream) = Switch::start(Code::Internal);
    for _ in 0..20 {
        call(&upstream, LOGIN).await;
    }
    assert_eq!(state(&upstream), "Open");
    (switch, upstream)
}

/// Past the reset time and its jitter.
async fn reset_time() {
    tokio::time::sleep(Duration::from_secs(33)).await;
}

fn spawned(upstream: &Upstream, path: &'static str) -> tokio::task::JoinHandle<Answer> {
    let upstream = upstream.clone();
    tokio::spawn(async move { call(&upstream, path).await })
}

/// Until every task has come as far as it can.
async fn settled() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn after_the_reset_time_one_probe_goes_out_and_its_success_closes() {
    let (switch, upstream) = opened().await;
    tokio::time::sleep(Duration::from_secs(29)).await;
    assert_eq!(call(&upstream, LOGIN).await.reason(), Some(Reason::CircuitOpen));
    assert_eq!(switch.calls(), 20);
    reset_time().await;
    switch.answer(Code::Ok);
    switch.hold();
    let probe = spawned(&upstream, LOGIN);
    settled().await;
    assert_eq!(state(&upstream), "HalfOpen");
    for _ in 0..5 {
        let refused = call(&upstream, GET_USER).await;
        assert_eq!(refused.reason(), Some(Reason::CircuitOpen));
        assert!(
            refused.retry_after().unwrap() < Duration::from_secs(1),
            "it may soon be over"
        );
    }
    assert_eq!(switch.calls(), 21, "the probe alone");
    switch.release(PLENTY);
    assert_eq!(probe.await.unwrap().code(), Code::Ok);
    assert!(upstream.closed());
    assert_eq!(call(&upstream, LOGIN).await.code(), Code::Ok);
    assert_eq!((events(&upstream, "half_opened"), events(&upstream, "closed")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_failed_probe_opens_it_again() {
    let (switch, upstream) = opened().await;
    reset_time().await;
    assert_eq!(call(&upstream, LOGIN).await.code(), Code::Internal);
    assert_eq!(state(&upstream), "Open");
    assert_eq!(call(&upstream, LOGIN).await.reason(), Some(Reason::CircuitOpen));
    assert_eq!(switch.calls(), 21);
    assert_eq!(events(&upstream, "opened"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_callers_fault_is_a_successful_probe() {
    let (switch, upstream) = opened().await;
    reset_time().await;
    switch.answer(Code::NotFound);
    assert_eq!(call(&upstream, GET_USER).await.code(), Code::NotFound);
    assert!(upstream.closed());
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_probe_is_given_back() {
    let (switch, upstream) = opened().await;
    reset_time().await;
    switch.answer(Code::Ok);
    switch.hold();
    for _ in 0..3 {
        let probe = spawned(&upstream, LOGIN);
        settled().await;
        probe.abort();
        assert!(probe.await.unwrap_err().is_cancelled());
        assert_eq!(state(&upstream), "HalfOpen");
    }
    assert_eq!(switch.calls(), 23, "each was let through");
    switch.release(PLENTY);
    assert_eq!(call(&upstream, LOGIN).await.code(), Code::Ok);
    assert!(upstream.closed());
}

#[tokio::test(start_paused = true)]
async fn a_probe_whose_answer_nobody_reads_is_given_back() {
    let (switch, upstream) = opened().await;
    reset_time().await;
    switch.answer(Code::Ok);
    let Ok(response) = upstream.clone().call(request(LOGIN)).await;
    assert_eq!(state(&upstream), "HalfOpen", "a unary call is judged by its trailers");
    drop(response);
    assert_eq!(state(&upstream), "HalfOpen");
    assert_eq!(call(&upstream, LOGIN).await.code(), Code::Ok);
    assert!(upstream.closed());
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_judged_by_its_head() {
    let (switch, upstream) = opened().await;
    reset_time().await;
    switch.answer(Code::Ok);
    let Ok(response) = upstream.clone().call(request(STREAM)).await;
    assert!(upstream.closed(), "a stream may last for days");
    drop(response);
}

#[tokio::test(start_paused = true)]
async fn cancelled_calls_leave_no_mark() {
    let (switch, upstream) = Switch::start(Code::Ok);
    switch.hold();
    for _ in 0..40 {
        let gone = spawned(&upstream, LOGIN);
        settled().await;
        gone.abort();
        let _ = gone.await;
    }
    let breaker = breaker(&upstream);
    assert_eq!((breaker.successes, breaker.failures, &*breaker.state), (0, 0, "Closed"));
    assert_eq!(switch.calls(), 40);
}

#[tokio::test(start_paused = true)]
async fn a_late_straggler_neither_closes_nor_opens_it() {
    let mut quick = resilience();
    quick.circuit_reset_timeout = Duration::from_secs(1);
    let (switch, upstream) = Switch::start_with(Code::Ok, &quick);
    switch.hold();
    let stragglers: Vec<_> = (0..3).map(|_| spawned(&upstream, LOGIN)).collect();
    settled().await;
    assert_eq!(switch.calls(), 3);
    // Opened by others meanwhile.
    for _ in 0..5 {
        upstream
            .0
            .breaker
            .acquire()
            .unwrap()
            .record(breaker::Outcome::ConnectionFailure);
    }
    assert_eq!(state(&upstream), "Open");
    switch.release(1);
    settled().await;
    assert_eq!(state(&upstream), "Open", "a success from before it opened");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(state(&upstream), "HalfOpen");
    switch.answer(Code::Internal);
    switch.release(2);
    settled().await;
    assert_eq!(state(&upstream), "HalfOpen", "failures from before it opened");
    let codes = futures_util::future::join_all(stragglers).await;
    let codes = codes.into_iter().map(|answer| answer.unwrap().code());
    assert_eq!(codes.collect::<Vec<_>>(), [Code::Ok, Code::Internal, Code::Internal]);
    switch.release(PLENTY);
    switch.answer(Code::Ok);
    assert_eq!(call(&upstream, LOGIN).await.code(), Code::Ok);
    assert!(upstream.closed());
}

#[tokio::test(start_paused = true)]
async fn who_looks_after_an_upstream_keeps_it_no_longer_than_others_do() {
    // Takes connections and never speaks, so a check of health is always under way.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let name = format!("localhost:{}", silent.local_addr().unwrap().port());
    let upstream = to(vec![Address::Tcp(name)], &resilience());
    upstream.check_health(Duration::from_secs(1));
    upstream.0.keep_fresh();
    let balance = Arc::downgrade(&upstream.0.balance);
    let feed = upstream.unguarded();
    drop(upstream);
    let lookups = Duration::from_secs(70);
    tokio::time::sleep(lookups).await;
    assert!(balance.strong_count() > 1, "somebody holds it, and both look after it");
    drop(feed);
    tokio::time::sleep(lookups).await;
    assert_eq!(balance.strong_count(), 0);
}
