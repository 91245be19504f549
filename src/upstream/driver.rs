//! What runs a connection: h2's half of it, and the pulse by which a peer that is gone without a word is noticed.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use h2::{Ping, PingPong, client::Connection};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, Sleep, sleep},
};

use super::{paced::Tally, unread::Answers};
use crate::error::BoxError;

/// A peer is noticed to be gone after the sum of the two.
const PULSE: Duration = Duration::from_secs(10);
const PULSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes that come until answers which nobody reads are looked after.
const UNREAD: usize = 256 << 10;

/// What runs a connection; ends with it.
pub(super) type Running = Pin<Box<dyn Runs>>;

/// A connection that runs.
pub(super) trait Runs: Future<Output = Result<(), BoxError>> + Send {
    /// Streams that the peer allows at once.
    fn allowed(&self) -> usize;
}

pub(super) struct Driver<T> {
    connection: Connection<T, Bytes>,
    pulse: Option<Pulse>,
    ended: Arc<AtomicBool>,
    tally: Arc<Tally>,
    answers: Arc<Answers>,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Driver<T> {
    /// `ended` is set when the connection is over. `pulse`: whether the peer is asked now and then if it is there.
    pub(super) fn new(
        mut connection: Connection<T, Bytes>,
        ended: Arc<AtomicBool>,
        pulse: bool,
        (tally, answers): (Arc<Tally>, Arc<Answers>),
    ) -> Self {
        let pulse = connection.ping_pong().filter(|_| pulse).map(|ping| Pulse {
            ping,
            timer: Box::pin(sleep(PULSE)),
            asked: false,
        });
        Self {
            connection,
            pulse,
            ended,
            tally,
            answers,
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Future for Driver<T> {
    type Output = Result<(), BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        // First, so that what it asks leaves with the rest.
        if let Some(pulse) = &mut this.pulse
            && pulse.poll_gone(cx).is_ready()
        {
            this.ended.store(true, Relaxed);
            return Poll::Ready(Err(io::Error::from(io::ErrorKind::TimedOut).into()));
        }
        let polled = Pin::new(&mut this.connection).poll(cx);
        if this.tally.came.load(Relaxed) >= UNREAD {
            this.tally.came.store(0, Relaxed);
            this.answers.take_out();
        }
        let ended = ready!(polled);
        this.ended.store(true, Relaxed);
        Poll::Ready(ended.map_err(Into::into))
    }
}

impl<T> Drop for Driver<T> {
    fn drop(&mut self) {
        self.ended.store(true, Relaxed);
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Runs for Driver<T> {
    fn allowed(&self) -> usize {
        self.connection.max_concurrent_send_streams()
    }
}

/// PING now and then, and PONG in time.
struct Pulse {
    ping: PingPong,
    timer: Pin<Box<Sleep>>,
    asked: bool,
}

impl Pulse {
    /// Ready once the peer did not answer.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.asked {
                match self.ping.poll_pong(cx) {
                    Poll::Ready(Ok(_)) => self.next(false, PULSE),
                    // The connection itself says how it ended.
                    Poll::Ready(Err(_)) => return Poll::Pending,
                    Poll::Pending => return self.timer.as_mut().poll(cx),
                }
            } else {
                ready!(self.timer.as_mut().poll(cx));
                if self.ping.send_ping(Ping::opaque()).is_err() {
                    return Poll::Pending;
                }
                self.next(true, PULSE_TIMEOUT);
            }
        }
    }

    fn next(&mut self, asked: bool, after: Duration) {
        self.asked = asked;
        self.timer.as_mut().reset(Instant::now() + after);
    }
}
