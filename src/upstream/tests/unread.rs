//! Callers who do not read, and services that send little in each frame.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use super::*;

/// More than h2 bears of such frames that nobody reads, where each has a stream's whole window of them.
const SILENT: usize = 8;

/// A piece that tells its place.
fn piece(number: usize) -> Bytes {
    format!("{number:010}").into()
}

/// Streams short pieces without an end to whoever asks with a message, and counts them; answers one who sends none.
fn pusher(pushed: Arc<AtomicUsize>) -> Address {
    in_memory(move |request| {
        let pushed = Arc::clone(&pushed);
        async move {
            if request.uri().path() != STREAM {
                return answered(Code::Ok);
            }
            let pieces = (0..).map(move |number| {
                pushed.fetch_add(1, SeqCst);
                Frame::data(piece(number))
            });
            streamed(tokio_stream::iter(pieces))
        }
    })
}

/// Waits until nothing more is pushed.
async fn stalled(pushed: &AtomicUsize) -> usize {
    let mut before = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let now = pushed.load(SeqCst);
        if now == before && now > 0 {
            return now;
        }
        before = now;
    }
}

#[tokio::test]
async fn who_reads_nothing_costs_the_others_no_connection() {
    let pushed = Arc::default();
    let upstream = to(vec![pusher(Arc::clone(&pushed))], &resilience());
    let mut silent = Vec::new();
    for _ in 0..SILENT {
        let Ok(response) = upstream.clone().call(request(STREAM)).await;
        silent.push(response.into_body());
    }
    let pieces = stalled(&pushed).await;
    assert!(pieces > SILENT * 40_000, "their windows are full: {pieces}");
    assert_eq!(call(&upstream, GET_USER).await.code(), Code::Ok);
    assert_eq!(upstream.0.balance.endpoints()[0].connections(), 1, "it is the same");
    // Whoever reads after all finds everything in its order.
    for mut body in silent {
        let mut came = Vec::new();
        while came.len() < 1 << 20 {
            let frame = body.frame().await.expect("there is no end").expect("nor a failure");
            let data = frame.into_data().expect("but data");
            assert!(
                data.len() <= 16 << 10,
                "as much would be asked of the service again: {}",
                data.len()
            );
            came.extend_from_slice(&data);
        }
        let right = (0..).flat_map(piece);
        assert!(right.take(came.len()).eq(came.iter().copied()));
    }
}
