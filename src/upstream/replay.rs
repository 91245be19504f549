//! A request body that is copied while it is forwarded, so that it can be sent again.
//!
//! Up to 64 KiB are kept; a longer body can be sent once. All attempts share one state; each new attempt makes the ones before it
//! fail, so a connection that still drains an abandoned attempt can not steal frames from the next.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tonic::{Status, body::Body};

use super::idle::Activity;

/// Longest body that can be sent again.
const COPIED: usize = 64 << 10;

/// The body of a call, from which each attempt takes its own.
#[derive(Clone, Debug)]
pub(super) struct Replay {
    shared: Arc<Mutex<Shared>>,
    activity: Activity,
}

#[derive(Debug)]
struct Shared {
    inner: Body,
    copied: Vec<Bytes>,
    size: usize,
    /// Nothing is kept any more.
    given_up: bool,
    ended: bool,
    /// The attempt that may read.
    attempt: u32,
}

impl Replay {
    pub(super) fn new(inner: Body, activity: Activity) -> Self {
        if inner.is_end_stream() {
            activity.complete();
        }
        let shared = Shared {
            inner,
            copied: Vec::new(),
            size: 0,
            given_up: false,
            ended: false,
            attempt: 0,
        };
        Self {
            shared: Arc::new(Mutex::new(shared)),
            activity,
        }
    }

    /// The body of the next attempt; `None` once too much went by to start over.
    pub(super) fn attempt(&self) -> Option<Body> {
        let number = self.lock().begin()?;
        // Not under the lock: a new `Body` asks at once whether it is at its end.
        Some(Body::new(Attempt {
            replay: self.clone(),
            number,
            position: 0,
        }))
    }

    /// Stops the attempts so far, so that none of them takes what the next one needs. Returns whether there can be a next one.
    pub(super) fn rewind(&self) -> bool {
        self.lock().begin().is_some()
    }

    /// There will be no other attempt: what was copied is let go.
    pub(super) fn commit(&self) {
        self.lock().give_up();
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Shared {
    fn begin(&mut self) -> Option<u32> {
        if self.given_up {
            return None;
        }
        self.attempt += 1;
        Some(self.attempt)
    }

    fn give_up(&mut self) {
        self.given_up = true;
        self.copied = Vec::new();
    }

    fn keep(&mut self, data: &Bytes) {
        self.size += data.len();
        if self.size > COPIED {
            self.give_up();
        }
        if !self.given_up {
            self.copied.push(data.clone());
        }
    }
}

struct Attempt {
    replay: Replay,
    number: u32,
    position: usize,
}

impl HttpBody for Attempt {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        let mut shared = this.replay.lock();
        if shared.attempt != this.number {
            return Poll::Ready(Some(Err(Status::cancelled("another attempt took over"))));
        }
        if let Some(data) = shared.copied.get(this.position) {
            this.position += 1;
            return Poll::Ready(Some(Ok(Frame::data(data.clone()))));
        }
        if shared.ended {
            return Poll::Ready(None);
        }
        let frame = std::task::ready!(Pin::new(&mut shared.inner).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                this.replay.activity.touch();
                if let Some(data) = frame.data_ref() {
                    shared.keep(data);
                    this.position = shared.copied.len();
                }
            }
            Some(Err(_)) => shared.give_up(),
            None => shared.ended = true,
        }
        // Whoever sends it asks whether it is at its end, and does not poll again then.
        if shared.ended || shared.inner.is_end_stream() {
            this.replay.activity.complete();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        let shared = self.replay.lock();
        let all_sent = self.position >= shared.copied.len();
        all_sent && (shared.ended || shared.inner.is_end_stream())
    }

    /// Unknown on purpose: hyper would send an exact hint as `content-length`.
    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, Full};

    use super::*;

    fn replay(size: usize) -> Replay {
        let inner = Body::new(Full::new(Bytes::from(vec![7; size])).map_err(|e| match e {}));
        Replay::new(inner, Activity::new())
    }

    async fn read(body: Body) -> usize {
        body.collect().await.expect("whole").to_bytes().len()
    }

    #[tokio::test]
    async fn a_short_body_can_be_sent_again() {
        let replay = replay(COPIED);
        for _ in 0..3 {
            assert_eq!(read(replay.attempt().expect("kept")).await, COPIED);
        }
    }

    #[tokio::test]
    async fn a_long_body_can_be_sent_once() {
        let replay = replay(COPIED + 1);
        assert_eq!(read(replay.attempt().expect("first")).await, COPIED + 1);
        assert!(replay.attempt().is_none());
    }

    #[tokio::test]
    async fn an_unread_long_body_can_still_be_sent() {
        let replay = replay(COPIED + 1);
        drop(replay.attempt());
        assert_eq!(read(replay.attempt().expect("nothing went by")).await, COPIED + 1);
    }

    #[tokio::test]
    async fn a_body_is_kept_whole_while_the_next_attempt_waits() {
        let replay = replay(COPIED + 1);
        let old = replay.attempt().expect("first");
        assert!(replay.rewind());
        assert!(old.collect().await.is_err());
        assert_eq!(read(replay.attempt().expect("nothing went by")).await, COPIED + 1);
        assert!(!replay.rewind());
    }

    #[tokio::test]
    async fn an_abandoned_attempt_reads_nothing_more() {
        let replay = replay(10);
        let old = replay.attempt().expect("first");
        let new = replay.attempt().expect("second");
        assert!(old.collect().await.is_err());
        assert_eq!(read(new).await, 10);
    }
}
