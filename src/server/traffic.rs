//! What has gone over a connection, as far as its end depends on it: bytes, requests, and answers that the peer does not take.
//!
//! The decision to question: hyper asks for an answer's next frame only when the peer has made room for it, so nobody sees that a
//! peer makes none: WINDOW_UPDATE never comes, PING is answered, and the answer holds what is behind it for ever. Counted here are
//! answers by the minute in which they began to wait, which costs two atomic additions a frame and knows no single stream. So it is
//! the connection that ends.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tonic::{Status, body::Body};

/// Put into the extensions of an answer that refuses what no client that works would send.
#[derive(Clone, Copy, Debug)]
pub struct Unwelcome;

/// Requests of this kind after which a connection is a flood.
const MOST_UNWELCOME: usize = 20;
/// Minutes that are told apart.
const TURNS: usize = 4;

/// The traffic of one connection.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    /// Bytes that came.
    pub(super) received: AtomicUsize,
    /// Requests that came.
    pub(super) requests: AtomicUsize,
    /// The peer said more than it did.
    pub(super) flood: AtomicBool,
    unwelcome: AtomicUsize,
    turn: AtomicUsize,
    waiting: [AtomicUsize; TURNS],
}

impl Traffic {
    /// Takes note of a request that was refused for what it is.
    pub(super) fn note_unwelcome(&self) {
        if self.unwelcome.fetch_add(1, Relaxed) >= MOST_UNWELCOME {
            self.flood.store(true, Relaxed);
        }
    }

    /// Begins the next turn; whether an answer waits since two whole turns at least.
    pub(super) fn stalled(&self) -> bool {
        let now = self.turn.fetch_add(1, Relaxed) + 1;
        // The next one to be used again.
        self.waiting[(now + 1) % TURNS].load(Relaxed) > 0
    }
}

/// An answer's body, which knows whether it waits for the peer.
#[derive(Debug)]
pub(super) struct Answer {
    inner: Body,
    traffic: Arc<Traffic>,
    /// The turn in which it began to wait.
    waits: Option<usize>,
}

impl Answer {
    pub(super) fn new(inner: Body, traffic: Arc<Traffic>) -> Self {
        let mut answer = Self {
            inner,
            traffic,
            waits: None,
        };
        answer.wait();
        answer
    }

    fn wait(&mut self) {
        let turn = self.traffic.turn.load(Relaxed) % TURNS;
        self.traffic.waiting[turn].fetch_add(1, Relaxed);
        self.waits = Some(turn);
    }

    fn go_on(&mut self) {
        if let Some(turn) = self.waits.take() {
            self.traffic.waiting[turn].fetch_sub(1, Relaxed);
        }
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        self.go_on();
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        if let Poll::Ready(Some(Ok(_))) = polled {
            self.wait();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.go_on();
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, Full};

    use super::*;

    fn answer(traffic: &Arc<Traffic>) -> Answer {
        Answer::new(Body::new(Full::from("x")), Arc::clone(traffic))
    }

    #[tokio::test]
    async fn an_answer_that_nobody_takes_is_known_after_two_turns() {
        let traffic = Arc::default();
        let untouched = answer(&traffic);
        assert_eq!([(); 3].map(|()| traffic.stalled()), [false, false, true]);
        drop(untouched);
        assert_eq!([(); 8].map(|()| traffic.stalled()), [false; 8]);

        let mut begun = answer(&traffic);
        assert!(!traffic.stalled() && !traffic.stalled());
        begun.frame().await.unwrap().unwrap();
        assert_eq!([(); 3].map(|()| traffic.stalled()), [false, false, true]);
    }

    #[tokio::test]
    async fn an_answer_that_waits_for_us_is_none_of_the_peers() {
        let traffic = Arc::default();
        let pending = http_body_util::StreamBody::new(tokio_stream::pending::<Result<Frame<Bytes>, Status>>());
        let mut silent = Answer::new(Body::new(pending), Arc::clone(&traffic));
        let polled = std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut silent).poll_frame(cx))).await;
        assert!(polled.is_pending());
        assert_eq!([(); 8].map(|()| traffic.stalled()), [false; 8]);
    }
}
