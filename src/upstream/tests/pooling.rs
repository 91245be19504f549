//! How many connections there are, which endpoints are chosen, and what others' callers do to them.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
};

use tokio::sync::Semaphore;
use tonic_health::pb::health_check_response::ServingStatus;

use super::*;

/// Longer than a connection is kept without a call.
const SILENCE: Duration = Duration::from_secs(200);

fn connections(upstream: &Upstream) -> usize {
    upstream.0.balance.endpoints()[0].connections()
}

/// Waits until something is so, for a time that even a loaded machine does not need.
async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..2000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not in time: {what}");
}

#[tokio::test(start_paused = true)]
async fn connections_come_as_load_asks_and_go_when_it_does() {
    let (arrived, leave) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let (count, gate) = (arrived.clone(), leave.clone());
    let address = in_memory(move |_| {
        let (count, gate) = (count.clone(), gate.clone());
        async move {
            count.fetch_add(1, SeqCst);
            let _ = gate.acquire().await;
            answered(Code::Ok)
        }
    });
    let upstream = to(vec![address], &resilience());
    let calls = |n: usize| {
        let calls = (0..n).map(|_| {
            let upstream = upstream.clone();
            tokio::spawn(async move { call(&upstream, STREAM).await.code() })
        });
        calls.collect::<Vec<_>>()
    };
    let mut out = calls(50);
    until("50 calls", || arrived.load(SeqCst) == 50).await;
    assert_eq!(connections(&upstream), 1, "what fits well stays together");
    for more in [150, 250, 350] {
        out.extend(calls(100));
        until("the calls", || arrived.load(SeqCst) == more).await;
    }
    // Who comes before the next one is there is not made to wait for it.
    until("more connections", || connections(&upstream) >= 3).await;
    leave.add_permits(10_000);
    for call in out {
        assert_eq!(call.await.unwrap(), Code::Ok);
    }
    tokio::time::sleep(SILENCE).await;
    assert_eq!(connections(&upstream), 1, "our own deployment keeps one warm");
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_leaves_and_leaves_opens_no_connection_each_time() {
    let address = in_memory(|_| async { streamed(tokio_stream::pending()) });
    let upstream = to(vec![address], &resilience());
    let mut kept = Vec::new();
    for _ in 0..40 {
        let Ok(stays) = upstream.clone().call(request(STREAM)).await;
        kept.push(stays);
        for _ in 0..100 {
            let Ok(left) = upstream.clone().call(request(STREAM)).await;
            drop(left);
        }
    }
    let living = upstream.0.balance.endpoints()[0].living();
    assert!((2..=32).contains(&living), "{living}");
    // Others find room on all of them.
    for _ in 0..400 {
        let Ok(stays) = upstream.clone().call(request(STREAM)).await;
        kept.push(stays);
    }
    let most = upstream.0.balance.endpoints()[0].most_streams();
    assert!(most <= 100, "{most} on one connection");
    drop(kept);
    tokio::time::sleep(SILENCE).await;
    until("their end", || upstream.0.balance.endpoints()[0].living() <= 1).await;
}

/// A runtime of its own, so that what listens there can be killed as a process is.
fn apart(listener: std::net::TcpListener) -> (Peer, tokio::runtime::Runtime) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let peer = {
        let _inside = runtime.enter();
        listener.set_nonblocking(true).unwrap();
        Peer::on(
            tokio::net::TcpListener::from_std(listener).unwrap(),
            [Reply::Full(Code::Ok)],
        )
    };
    (peer, runtime)
}

#[tokio::test]
async fn callers_who_leave_at_once_do_not_cost_the_others_their_connection() {
    let (peer, runtime) = apart(std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    let upstream = to_peer(&peer);
    assert_eq!(call(&upstream, LOGIN).await.code(), Code::Ok);
    for _ in 0..12 {
        // A server that is busy sees what comes meanwhile all at once; h2 bears 20 requests that were taken back by then.
        runtime.spawn(async { std::thread::sleep(Duration::from_millis(40)) });
        let leaving: Vec<_> = (0..25)
            .map(|_| {
                let upstream = upstream.clone();
                tokio::spawn(async move { send(&upstream, with_header(request(STREAM), "x-silent", "1")).await })
            })
            .collect();
        let stays = tokio::spawn({
            let upstream = upstream.clone();
            async move { call(&upstream, LOGIN).await.code() }
        });
        // By then they are sent.
        tokio::time::sleep(Duration::from_millis(10)).await;
        leaving.iter().for_each(tokio::task::JoinHandle::abort);
        assert_eq!(stays.await.unwrap(), Code::Ok);
        assert_eq!(call(&upstream, LOGIN).await.code(), Code::Ok);
    }
    for outcome in ["succeeded", "failed", "refused"] {
        assert_eq!(retries(&upstream, outcome), 0, "no call had to be sent again");
    }
    until("the resets", || peer.silent() > 200 && peer.resets() == peer.silent()).await;
    // No connection was asked to bear more than a few of them.
    let borne = peer.silent() / peer.connections();
    assert!(
        borne <= 200,
        "{} left over {} connections",
        peer.silent(),
        peer.connections()
    );
    runtime.shutdown_background();
}

#[tokio::test]
async fn an_endpoint_that_is_killed_is_left_alone_and_found_again() {
    let at = |address: &str| std::net::TcpListener::bind(address.parse::<SocketAddr>().unwrap()).unwrap();
    let stays = Peer::start([Reply::Full(Code::Ok)]).await;
    let (victim, runtime) = apart(at("127.0.0.1:0"));
    let upstream = to(vec![stays.address(), victim.address()], &resilience());
    let ok = async || assert_eq!(call(&upstream, GET_USER).await.code(), Code::Ok);
    while victim.calls() < 5 {
        ok().await;
    }
    runtime.shutdown_background();
    let failures = |upstream: &Upstream| upstream.breakers()[2].failures;
    for _ in 0..200 {
        ok().await;
    }
    assert!(failures(&upstream) <= 5, "{:?}", upstream.breakers());

    let Address::Tcp(address) = victim.address() else {
        unreachable!("peers listen on TCP")
    };
    let (again, runtime) = apart(at(&address));
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(60)).await;
    tokio::time::resume();
    // It is remembered as slow for a while, the longer the busier the machine was when it died.
    let found = async {
        while again.calls() < 5 {
            ok().await;
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(60), found).await;
    assert!(found.is_ok(), "{:?}", upstream.breakers());
    runtime.shutdown_background();
}

#[tokio::test]
async fn what_says_that_it_does_not_serve_is_not_called() {
    let (a, b) = (
        Peer::start([Reply::Full(Code::Ok)]).await,
        Peer::start([Reply::Full(Code::Ok)]).await,
    );
    let upstream = to(vec![a.address(), b.address()], &resilience());
    upstream.check_health(Duration::from_millis(20));
    let serves = || {
        upstream
            .0
            .balance
            .endpoints()
            .iter()
            .map(|e| e.serves())
            .collect::<Vec<_>>()
    };

    a.set_health(Ok(ServingStatus::NotServing));
    until("a is known not to serve", || serves() == [false, true]).await;
    let before = a.calls();
    for _ in 0..50 {
        assert_eq!(call(&upstream, GET_USER).await.code(), Code::Ok);
    }
    assert_eq!((a.calls() - before, b.calls() >= 50), (0, true));

    b.set_health(Ok(ServingStatus::NotServing));
    until("none serves", || serves() == [false, false]).await;
    assert_eq!(call(&upstream, GET_USER).await.code(), Code::Ok, "never all of them");

    // Whoever does not know the service, or no whole, serves.
    a.set_health(Err(Code::Unimplemented));
    b.set_health(Err(Code::NotFound));
    until("both serve", || serves() == [true, true]).await;
    a.set_health(Err(Code::Internal));
    until("a fails", || serves() == [false, true]).await;
}
