mod attack;
mod buffer;

pub(crate) use attack::{Attack, slow};
use http::HeaderValue;

use super::*;
use crate::limits::tests::principal;

fn announced(bytes: usize) -> Parts {
    let request = http::Request::post("/").header(header::CONTENT_LENGTH, HeaderValue::from(bytes));
    request.body(()).unwrap().into_parts().0
}

fn by(caller: &Arc<Principal>, mut request: Parts) -> Parts {
    request.extensions.insert(Arc::clone(caller));
    request
}

#[test]
fn a_stranger_may_say_less() {
    let bounds = Bounds::new(4 << 20);
    assert_eq!(bounds.longest(&Extensions::new()), STRANGER);
    assert_eq!(Bounds::new(1000).longest(&Extensions::new()), 1000);
}

#[tokio::test(start_paused = true)]
async fn long_bodies_wait_for_each_other_and_short_ones_for_nobody() {
    let bounds = Bounds::new(4 << 20);
    let mut held = Vec::new();
    for _ in 0..16 {
        held.push(bounds.place(&announced(4 << 20), 4 << 20).await.unwrap());
    }
    let (unannounced, ()) = http::Request::new(()).into_parts();
    let waits = async || {
        let place = bounds.place(&unannounced, 4 << 20);
        tokio::time::timeout(std::time::Duration::from_secs(60), place).await
    };
    assert!(
        waits().await.is_err(),
        "a length that is not announced counts as the longest"
    );
    assert!(bounds.place(&announced(1000), 4 << 20).await.is_none());
    held.pop();
    assert!(waits().await.is_ok_and(|place| place.is_some()));
}
#[tokio::test(start_paused = true)]
async fn one_callers_bodies_keep_nobody_else_waiting() {
    let (bounds, slow, other) = (Bounds::new(4 << 20), principal(), principal());
    let place = async |caller: &Arc<Principal>| {
        let request = by(caller, announced(4 << 20));
        let place = bounds.place(&request, 4 << 20);
        tokio::time::timeout(std::time::Duration::from_secs(60), place).await
    };
    let held = [place(&slow).await, place(&slow).await];
    assert!(place(&slow).await.is_err(), "it has its share");
    assert!(place(&other).await.is_ok_and(|place| place.is_some()));
    drop(held);
    assert!(place(&slow).await.is_ok_and(|place| place.is_some()));
}

#[tokio::test(start_paused = true)]
async fn messages_that_are_guarded_count_with_them() {
    let (bounds, caller) = (Bounds::new(4 << 20), principal());
    let request = by(&caller, announced(4 << 20));
    let held = [
        bounds.place(&request, 4 << 20).await,
        bounds.place(&request, 4 << 20).await,
    ];
    let take = async |bytes: usize| {
        let taken = bounds.take(&request.extensions, bytes);
        tokio::time::timeout(std::time::Duration::from_secs(60), taken).await
    };
    assert!(take(SHORT + 1).await.is_err(), "its caller has its share");
    assert!(take(SHORT).await.is_ok_and(|place| place.is_none()));
    drop(held);
    assert!(take(SHORT + 1).await.is_ok_and(|place| place.is_some()));
}

#[tokio::test(start_paused = true)]
async fn what_a_compressed_body_becomes_is_not_announced() {
    let bounds = Bounds::new(4 << 20);
    let place = async |codings: &[&'static str]| {
        let mut request = announced(100);
        for coding in codings {
            let coding = HeaderValue::from_static(coding);
            request.headers.append(header::CONTENT_ENCODING, coding);
        }
        bounds.place(&request, 4 << 20).await.is_some()
    };
    assert!(place(&["gzip"]).await);
    assert!(place(&["x-GZIP"]).await);
    assert!(place(&["identity", "gzip"]).await);
    assert!(!place(&["Identity"]).await);
    assert!(!place(&[]).await);
}

#[tokio::test(start_paused = true)]
async fn a_message_beyond_its_callers_share_counts_with_all_that_it_takes() {
    let (bounds, slow) = (Bounds::new(256 << 20), principal());
    let take = async |caller: &Arc<Principal>, bytes: usize| {
        let request = by(caller, announced(bytes));
        let place = bounds.place(&request, 256 << 20);
        tokio::time::timeout(std::time::Duration::from_secs(60), place).await
    };
    let held = take(&slow, 256 << 20).await;
    assert!(held.is_ok_and(|place| place.is_some()), "longer than all places were");
    let held = take(&slow, 200 << 20).await.unwrap();
    assert!(take(&slow, SHORT + 1).await.is_err(), "one at a time");
    let mut others = Vec::new();
    for _ in 0..14 {
        others.push(take(&principal(), 8 << 20).await.unwrap());
    }
    assert!(take(&principal(), 8 << 20).await.is_err(), "312 MiB are there in all");
    assert!(take(&principal(), 256 << 20).await.is_err());
    drop((held, others));
    assert!(take(&principal(), 256 << 20).await.is_ok());
}
