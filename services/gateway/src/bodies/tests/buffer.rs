use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt, stream};
use http_body_util::{Full, StreamBody};
use logicore::{Error, Reason};
use tonic::{Status, body::Body};

use super::*;

const MOST: usize = 4 << 20;

fn buffer(bounds: &Bounds) -> Buffer {
    let request = by(&principal(), announced(0));
    Buffer::within(bounds.quota(&request.extensions))
}

fn pending() -> Body {
    Body::new(StreamBody::new(stream::pending::<
        Result<http_body::Frame<Bytes>, Status>,
    >()))
}

fn taken(bounds: &Bounds) -> usize {
    AT_ONCE - bounds.places.available_permits()
}

#[tokio::test(start_paused = true)]
async fn a_message_has_a_place_from_its_length_on_until_it_is_cut() {
    let bounds = Bounds::new(MOST);
    let mut buffer = buffer(&bounds);
    buffer.put(&[7; SHORT], MOST);
    assert!(buffer.next(&mut pending(), MOST).now_or_never().is_none());
    assert_eq!(taken(&bounds), 0, "short ones are not counted");
    buffer.put(&[7; SHORT], MOST);
    assert!(buffer.next(&mut pending(), MOST).now_or_never().is_none());
    assert_eq!(taken(&bounds), MOST >> 10);
    assert!(buffer.next(&mut pending(), MOST).now_or_never().is_none());
    assert_eq!(taken(&bounds), MOST >> 10, "once");
    let message = buffer.cut(2 * SHORT - 1);
    assert_eq!(
        (message.len(), buffer.bytes(), taken(&bounds)),
        (2 * SHORT - 1, &[7][..], 0)
    );
    assert!(message.is_unique(), "the rest does not keep its memory");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_leaves_gives_its_place_back() {
    let bounds = Bounds::new(MOST);
    let mut buffer = buffer(&bounds);
    buffer.put(&[7; SHORT + 1], MOST);
    assert!(buffer.next(&mut pending(), MOST).now_or_never().is_none());
    drop(buffer);
    assert_eq!(taken(&bounds), 0);
}

#[tokio::test(start_paused = true)]
async fn a_long_message_must_come_in_time_and_others_need_not() {
    let bounds = Bounds::new(MOST);
    let mut buffer = buffer(&bounds);
    buffer.put(&[7; SHORT], MOST);
    let hour = Duration::from_secs(3600);
    let short = tokio::time::timeout(hour, buffer.next(&mut pending(), MOST)).await;
    assert!(short.is_err(), "whoever has no place takes none from others");
    buffer.put(&[7; 1], MOST);
    let soon = Duration::from_secs(20);
    let early = tokio::time::timeout(soon, buffer.next(&mut pending(), MOST)).await;
    assert!(early.is_err());
    assert!(matches!(
        buffer.next(&mut Body::new(Full::from("x")), MOST).await,
        Some(Ok(_))
    ));
    let late = tokio::time::timeout(hour, buffer.next(&mut pending(), MOST)).await;
    let Ok(Some(Err(status))) = late else {
        panic!("{late:?}");
    };
    assert_eq!(Error::reason_of(&status), Some(Reason::DeadlineExceeded));
}

#[test]
fn what_a_message_may_take_is_what_is_held_of_it() {
    let mut buffer = Buffer::default();
    while buffer.bytes().len() < MOST {
        let more = 16_384.min(MOST - buffer.bytes().len());
        buffer.put(&[7; 16_384][..more], MOST);
    }
    let whole = buffer.cut(MOST);
    drop(buffer);
    let Ok(whole) = whole.try_into_mut() else {
        panic!("nobody else holds it");
    };
    assert_eq!((whole.len(), whole.capacity()), (MOST, MOST));
}
