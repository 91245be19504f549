use super::*;
use crate::upstream::breaker::Outcome;

const COMMON: Common = Common {
    service: "user",
    own: true,
};

fn balance(n: u16) -> Balance {
    let addresses = (1..=n).map(|port| Address::Tcp(format!("127.0.0.1:{port}"))).collect();
    let config = Config {
        threshold: 50,
        reset_timeout: Duration::from_secs(30),
    };
    Balance::new(COMMON, addresses, config, Metrics::new())
}

fn fail(endpoint: &Endpoint) {
    for _ in 0..5 {
        if let Ok(permit) = endpoint.breaker.acquire() {
            permit.record(Outcome::ConnectionFailure);
        }
    }
}

fn state(endpoint: &Endpoint) -> State {
    endpoint.breaker.snapshot().state
}

#[tokio::test(start_paused = true)]
async fn the_slow_endpoint_is_avoided() {
    let balance = balance(3);
    let slow = balance.endpoints()[0].name.clone();
    let mut calls = 0;
    for _ in 0..1000 {
        let mut picked = balance.pick().await.expect("there are three");
        let is_slow = picked.endpoint.name == slow;
        calls += u32::from(is_slow);
        let took = if is_slow { 500 } else { 1 };
        tokio::time::advance(Duration::from_millis(took)).await;
        picked.call.answered();
    }
    assert!(calls < 20, "the slow one got {calls} of 1000");
}

#[tokio::test(start_paused = true)]
async fn an_open_endpoint_is_not_chosen_until_its_probe_is_due() {
    let balance = balance(2);
    let dead = balance.endpoints()[0].clone();
    fail(&dead);
    assert_eq!(state(&dead), State::Open);
    for _ in 0..50 {
        assert_ne!(balance.pick().await.expect("one is left").endpoint.name, dead.name);
    }
    tokio::time::advance(Duration::from_secs(34)).await;
    let probe = balance.pick().await.expect("two");
    assert_eq!(probe.endpoint.name, dead.name, "the probe goes first");
    assert_ne!(
        balance.pick().await.expect("two").endpoint.name,
        dead.name,
        "one probe at a time"
    );
    probe.permit.expect("a probe has a permit").record(Outcome::Success);
    assert_eq!(state(&dead), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn at_most_half_of_the_endpoints_open_and_never_the_last() {
    let three = balance(3);
    three.endpoints().iter().for_each(|e| fail(e));
    let open = three.endpoints().iter().filter(|e| state(e) == State::Open).count();
    assert_eq!(open, 1);
    let one = balance(1);
    fail(&one.endpoints()[0]);
    assert_eq!(state(&one.endpoints()[0]), State::Closed);
    assert!(one.pick().await.is_some());
}

#[tokio::test(start_paused = true)]
async fn closing_what_is_closed_makes_no_room() {
    let two = balance(2);
    let endpoints = two.endpoints();
    fail(&endpoints[0]);
    endpoints[1].breaker.reset();
    fail(&endpoints[1]);
    let states = [state(&endpoints[0]), state(&endpoints[1])];
    assert_eq!(states, [State::Open, State::Closed]);
}

#[tokio::test(start_paused = true)]
async fn a_new_endpoint_starts_slow() {
    let balance = balance(1);
    let mut picks = Vec::new();
    // The other one is measured: a millisecond.
    for _ in 0..20 {
        let mut call = balance.endpoints()[0].load.begin();
        tokio::time::advance(Duration::from_millis(1)).await;
        call.answered();
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    let fresh = Arc::new(Endpoint::tcp(
        COMMON,
        "127.0.0.1:3".parse().unwrap(),
        &Place {
            text: String::new(),
            tls: None,
        },
        balance.breaker(),
    ));
    balance.replace(vec![balance.endpoints()[0].clone(), fresh.clone()]);
    for _ in 0..8 {
        let mut share = 0;
        for _ in 0..10 {
            // Ten calls at once.
            let mut calls = Vec::new();
            for _ in 0..10 {
                calls.push(balance.pick().await.unwrap());
            }
            share += calls.iter().filter(|c| c.endpoint.name == fresh.name).count();
            tokio::time::advance(Duration::from_millis(1)).await;
            calls.iter_mut().for_each(|c| c.call.answered());
            drop(calls);
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        picks.push(share);
    }
    assert!(picks[0] < 25, "{picks:?} of 100 each");
    assert!(picks[7] > 40, "{picks:?} of 100 each");
}

#[tokio::test]
async fn a_name_is_looked_up_and_known_endpoints_are_kept() {
    let config = Config {
        threshold: 50,
        reset_timeout: Duration::from_secs(30),
    };
    let balance = Balance::new(COMMON, vec![Address::Tcp("localhost:9".into())], config, Metrics::new());
    assert!(balance.pick().await.is_some());
    let before = balance.endpoints();
    balance.look_up(false).await;
    assert!(Arc::ptr_eq(&before[0], &balance.endpoints()[0]));
}
