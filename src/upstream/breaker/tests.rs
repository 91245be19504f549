use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

const RESET: Duration = Duration::from_secs(30);

fn breaker() -> Breaker {
    watched().0
}

fn watched() -> (Breaker, Arc<Mutex<Vec<Event>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let config = Config {
        threshold: 50,
        reset_timeout: RESET,
    };
    let observer = Box::new(move |event, _| log.lock().unwrap().push(event));
    (Breaker::new(config, observer, None), seen)
}

fn call(b: &Breaker, outcome: Outcome) {
    b.acquire().expect("admitted").record(outcome);
}

fn opened() -> Breaker {
    let b = breaker();
    for _ in 0..5 {
        call(&b, Outcome::ConnectionFailure);
    }
    assert_eq!(b.snapshot().state, State::Open);
    b
}

async fn past_reset() {
    tokio::time::advance(RESET + RESET.mul_f64(JITTER)).await;
}

#[tokio::test(start_paused = true)]
async fn opens_at_the_threshold_and_not_below_twenty_calls() {
    let b = breaker();
    for _ in 0..9 {
        call(&b, Outcome::Success);
    }
    for _ in 0..10 {
        call(&b, Outcome::Failure);
        assert_eq!(b.snapshot().state, State::Closed);
    }
    call(&b, Outcome::Failure);
    assert_eq!(b.snapshot().state, State::Open);
    let wait = b.acquire().expect_err("refused");
    assert!(wait >= RESET && wait <= RESET.mul_f64(1.0 + JITTER), "{wait:?}");
    assert_eq!(b.snapshot().rejected, 1);
}

#[tokio::test(start_paused = true)]
async fn five_connection_failures_in_a_row_open_it() {
    let b = breaker();
    for _ in 0..4 {
        call(&b, Outcome::ConnectionFailure);
    }
    call(&b, Outcome::Success);
    for _ in 0..4 {
        call(&b, Outcome::ConnectionFailure);
    }
    assert_eq!(b.snapshot().state, State::Closed);
    call(&b, Outcome::ConnectionFailure);
    assert_eq!(b.snapshot().state, State::Open);
}

#[tokio::test(start_paused = true)]
async fn half_open_admits_one_probe() {
    let b = opened();
    past_reset().await;
    let probe = b.acquire().expect("the probe");
    assert_eq!(b.snapshot().state, State::HalfOpen);
    assert!(b.acquire().is_err());
    probe.record(Outcome::Success);
    assert_eq!(b.snapshot().state, State::Closed);
    assert!(b.acquire().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_failed_probe_opens_it_again_for_the_whole_time() {
    let b = opened();
    past_reset().await;
    call(&b, Outcome::Failure);
    assert_eq!(b.snapshot().state, State::Open);
    assert!(b.acquire().expect_err("refused") >= RESET);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_probe_is_given_back() {
    let b = opened();
    past_reset().await;
    drop(b.acquire().expect("the probe"));
    assert_eq!(b.snapshot().state, State::HalfOpen);
    call(&b, Outcome::Success);
    assert_eq!(b.snapshot().state, State::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_straggler_is_ignored() {
    let b = breaker();
    let (early, late) = (b.acquire().expect("admitted"), b.acquire().expect("admitted"));
    for _ in 0..5 {
        call(&b, Outcome::ConnectionFailure);
    }
    early.record(Outcome::Success);
    assert_eq!(b.snapshot().state, State::Open);
    past_reset().await;
    let probe = b.acquire().expect("the probe");
    late.record(Outcome::Failure);
    assert_eq!(b.snapshot().state, State::HalfOpen);
    assert!(b.acquire().is_err(), "the probe is still the only one");
    probe.record(Outcome::Success);
    assert_eq!(b.snapshot().state, State::Closed);
}

#[tokio::test(start_paused = true)]
async fn the_window_slides() {
    let b = breaker();
    for _ in 0..19 {
        call(&b, Outcome::Failure);
    }
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(b.snapshot().failures, 0);
    call(&b, Outcome::Failure);
    assert_eq!(b.snapshot().state, State::Closed);
    tokio::time::advance(Duration::from_secs(9)).await;
    for _ in 0..19 {
        call(&b, Outcome::Failure);
    }
    assert_eq!(b.snapshot().state, State::Open, "one of nine seconds ago still counts");
}

#[tokio::test(start_paused = true)]
async fn neutral_calls_leave_no_mark() {
    let b = breaker();
    for _ in 0..100 {
        call(&b, Outcome::Neutral);
    }
    let s = b.snapshot();
    assert_eq!((s.successes, s.failures, s.state), (0, 0, State::Closed));
}

#[tokio::test(start_paused = true)]
async fn no_endpoint_opens_it_at_once() {
    let b = breaker();
    call(&b, Outcome::NoEndpoint);
    assert_eq!(b.snapshot().state, State::Open);
}

#[tokio::test(start_paused = true)]
async fn an_operator_closes_it() {
    let b = opened();
    b.reset();
    assert_eq!(b.snapshot().state, State::Closed);
    assert_eq!(b.snapshot().consecutive_failures, 0);
}

#[tokio::test(start_paused = true)]
async fn events_tell_the_story() {
    let (b, seen) = watched();
    for _ in 0..5 {
        call(&b, Outcome::ConnectionFailure);
    }
    assert!(b.acquire().is_err());
    past_reset().await;
    call(&b, Outcome::Success);
    b.reset();
    use Event::{Closed, HalfOpened, Opened, Rejected, Reset};
    assert_eq!(*seen.lock().unwrap(), [Opened, Rejected, HalfOpened, Closed, Reset]);
}

#[tokio::test(start_paused = true)]
async fn a_gate_keeps_it_closed() {
    let asked = Arc::new(AtomicU64::new(0));
    let count = asked.clone();
    let config = Config {
        threshold: 50,
        reset_timeout: RESET,
    };
    let gate: Gate = Box::new(move || {
        count.fetch_add(1, Ordering::SeqCst);
        false
    });
    let b = Breaker::new(config, Box::new(|_, _| ()), Some(gate));
    for _ in 0..6 {
        call(&b, Outcome::ConnectionFailure);
    }
    assert_eq!(b.snapshot().state, State::Closed);
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}
