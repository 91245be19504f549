//! When memory is asked for, and for how long it is held.

use std::{
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::Instant,
};
use tokio_stream::wrappers::UnboundedReceiverStream;

use super::*;

const MOST: usize = 4 << 20;
/// How long a message may take once it has its memory.
const PATIENCE: Duration = Duration::from_secs(60);

/// Memory for one message, which keeps what it was asked for.
#[derive(Clone)]
struct One {
    free: Arc<Semaphore>,
    asked: Arc<Mutex<Vec<usize>>>,
}

impl One {
    fn new() -> Self {
        Self {
            free: Arc::new(Semaphore::new(1)),
            asked: Arc::default(),
        }
    }

    fn asked(&self) -> Vec<usize> {
        self.asked.lock().unwrap().clone()
    }
}

impl Memory for One {
    type Taken = (OwnedSemaphorePermit, Instant);

    async fn take(&self, extensions: &http::Extensions, bytes: usize) -> (OwnedSemaphorePermit, Instant) {
        assert!(extensions.get::<Arc<Principal>>().is_some(), "who calls is known");
        self.asked.lock().unwrap().push(bytes);
        (
            self.free.clone().acquire_owned().await.unwrap(),
            Instant::now() + PATIENCE,
        )
    }

    fn until((_, until): &(OwnedSemaphorePermit, Instant)) -> Option<Instant> {
        Some(*until)
    }
}

/// A request that must be about its caller, with this body.
fn about_oneself(body: Body) -> Request<Body> {
    let mut request = Request::new(body);
    let extensions = request.extensions_mut();
    extensions.insert(Arc::clone(testkit::policies().get(GET_USER).unwrap()));
    extensions.insert(OWN_SUBJECT);
    extensions.insert(somebody());
    request
}

/// What becomes of a call; while it is served, memory must be free again.
async fn served(memory: &One, body: Body) -> Status {
    let free = memory.free.clone();
    let handler = tower::service_fn(move |_: Request<Body>| {
        let free = free.available_permits();
        async move {
            assert_eq!(free, 1, "held no longer than it is collected");
            Ok::<_, Infallible>(Status::ok("").into_http())
        }
    });
    let guard = GuardLayer::new(MOST).within(memory.clone()).layer(handler);
    let Ok(response) = guard.oneshot(about_oneself(body)).await;
    Status::from_header_map(response.headers()).unwrap()
}

/// A message about nobody, framed, of this size in all.
fn long(size: usize) -> Bytes {
    let mut message = vec![0x12];
    // Field 2, unknown here; its length takes three bytes.
    prost::encoding::encode_varint((size - PREFIX - 4) as u64, &mut message);
    message.resize(size - PREFIX, b'x');
    framed(&message)
}

fn pieces(body: &Bytes, size: usize) -> Body {
    let pieces: Vec<_> = body
        .chunks(size)
        .map(|piece| Ok::<_, Status>(Frame::data(Bytes::copy_from_slice(piece))))
        .collect();
    Body::new(StreamBody::new(tokio_stream::iter(pieces)))
}

#[tokio::test]
async fn what_is_there_already_asks_for_none_and_what_comes_asks_once() {
    let (memory, body) = (One::new(), long(100_000));
    let whole = served(&memory, Body::new(Full::new(body.clone()))).await;
    assert_eq!((whole.code(), memory.asked()), (Code::Ok, Vec::new()));
    for size in [3, 5, 16_384, 99_999] {
        let memory = One::new();
        let status = served(&memory, pieces(&body, size)).await;
        assert_eq!((status.code(), memory.asked()), (Code::Ok, vec![100_000]), "{size}");
    }
}

#[tokio::test]
async fn what_is_granted_is_what_is_held() {
    let body = long(100_000);
    for size in [3, 5, 16_384, 60_000, 99_999] {
        let (parts, sent) = about_oneself(pieces(&body, size)).into_parts();
        let collected = super::collect::collect(sent, MOST, &One::new(), &parts.extensions).await;
        let Ok(collected) = collected.unwrap().try_into_mut() else {
            panic!("nobody else holds it");
        };
        assert_eq!((collected.len(), collected.capacity()), (100_000, 100_000), "{size}");
        assert_eq!(collected, body);
    }
}

#[test]
fn room_comes_with_the_bytes_and_not_with_what_is_announced() {
    use super::collect::{FIRST, add, within};
    let mut all = within(MOST, &[0; PREFIX]);
    assert!(all.capacity() <= FIRST, "{}", all.capacity());
    while all.len() < MOST {
        let more = 16_384.min(MOST - all.len());
        add(&mut all, &[7; 16_384][..more], MOST);
        let most = FIRST.max(2 * all.len()).min(MOST);
        assert!(all.capacity() <= most, "{} of {}", all.capacity(), all.len());
    }
    assert_eq!(all.capacity(), MOST);
    assert_eq!(within(100, &[0; PREFIX]).capacity(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_body_is_left_where_it_is_while_there_is_no_memory() {
    let (memory, body) = (One::new(), long(100_000));
    let held = memory.free.clone().acquire_owned().await.unwrap();
    let read = Arc::new(AtomicUsize::new(0));
    let counts = read.clone();
    let frames: Vec<_> = body.chunks(10_000).map(Bytes::copy_from_slice).collect();
    let counted = tokio_stream::iter(frames.into_iter().map(move |piece| {
        counts.fetch_add(1, SeqCst);
        Ok::<_, Status>(Frame::data(piece))
    }));
    let waiting = memory.clone();
    let call = tokio::spawn(async move { served(&waiting, Body::new(StreamBody::new(counted))).await });
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert_eq!((read.load(SeqCst), call.is_finished()), (1, false));
    drop(held);
    assert_eq!(call.await.unwrap().code(), Code::Ok);
}

#[tokio::test]
async fn whoever_leaves_gives_it_back() {
    let memory = One::new();
    let (send, frames) = mpsc::unbounded_channel();
    send.send(Ok::<_, Status>(Frame::data(long(100_000).slice(..50_000))))
        .unwrap();
    let body = Body::new(StreamBody::new(UnboundedReceiverStream::new(frames)));
    let call = served(&memory, body);
    let left = tokio::time::timeout(std::time::Duration::from_millis(20), call).await;
    assert!(left.is_err(), "the rest never comes");
    assert_eq!((memory.asked().len(), memory.free.available_permits()), (1, 1));
}

#[tokio::test]
async fn what_cannot_become_right_is_refused_before_the_rest_comes() {
    let message = framed(&get_user(""));
    let too_long = Bytes::from_static(&[0, 0xff, 0xff, 0xff, 0xff, 1]);
    let two = Bytes::from([&message[..], &message[..]].concat());
    for (body, reason) in [(too_long, Reason::MessageTooLarge), (two, Reason::MessageCount)] {
        let (send, frames) = mpsc::unbounded_channel();
        for piece in body.chunks(4) {
            send.send(Ok::<_, Status>(Frame::data(Bytes::copy_from_slice(piece))))
                .unwrap();
        }
        let memory = One::new();
        let body = Body::new(StreamBody::new(UnboundedReceiverStream::new(frames)));
        let status = served(&memory, body).await;
        assert_eq!(Error::reason_of(&status), Some(reason));
        drop(send);
    }
}

#[tokio::test(start_paused = true)]
async fn who_sends_slowly_keeps_memory_for_a_while_and_not_for_ever() {
    let memory = One::new();
    let begun = Frame::data(long(100_000).slice(..1000));
    let pieces = tokio_stream::iter([Ok::<_, Status>(begun)]);
    let body = StreamBody::new(tokio_stream::StreamExt::chain(pieces, tokio_stream::pending()));
    let start = Instant::now();
    let guard = GuardLayer::new(MOST)
        .within(memory.clone())
        .layer(tower::service_fn(|_: Request<Body>| async {
            Ok::<_, Infallible>(Status::ok("").into_http())
        }));
    let Ok(response) = guard.oneshot(about_oneself(Body::new(body))).await;
    let status = Status::from_header_map(response.headers()).unwrap();
    assert_eq!(Error::reason_of(&status), Some(Reason::DeadlineExceeded));
    assert_eq!((start.elapsed(), memory.free.available_permits()), (PATIENCE, 1));
}
