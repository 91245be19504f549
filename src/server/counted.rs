//! What a connection is read from and written to: counts what came, ends what floods, and waits only so long for a peer that reads
//! nothing, which would hold its answers in our memory otherwise.

use std::{
    io,
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::{Context, Poll, ready},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Sleep,
};

use super::{
    frames::{Flood, Frames},
    traffic::Traffic,
};

/// A peer that takes nothing of what it is sent for so long is gone, or means to make us keep it.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// Frames that count as one turn of the 128 that a task has before it lets others go on.
const FRAMES_A_TURN: usize = 8;

pin_project! {
    /// Counts what has been received, and gives up on a peer that floods or reads nothing.
    pub(super) struct Counted<I> {
        #[pin]
        io: I,
        traffic: Arc<Traffic>,
        frames: Frames,
        // Runs while the peer takes nothing.
        stalled: Option<Pin<Box<Sleep>>>,
    }
}

/// What came of a write, or of the wait for it.
fn in_time<T>(
    stalled: &mut Option<Pin<Box<Sleep>>>,
    cx: &mut Context<'_>,
    polled: Poll<io::Result<T>>,
) -> Poll<io::Result<T>> {
    if polled.is_ready() {
        *stalled = None;
        return polled;
    }
    let timer = stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(WRITE_TIMEOUT)));
    ready!(timer.as_mut().poll(cx));
    Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
}

/// Takes turns from the task, which goes on when the others had theirs: tokio counts reads, and one read may hold a thousand frames.
fn pay(turns: usize, cx: &mut Context<'_>) {
    for _ in 0..turns {
        match tokio::task::coop::poll_proceed(cx) {
            Poll::Ready(turn) => turn.made_progress(),
            Poll::Pending => return,
        }
    }
}

fn sent(frames: &mut Frames, polled: &Poll<io::Result<usize>>) {
    if let Poll::Ready(Ok(bytes)) = polled {
        frames.sent(*bytes);
    }
}

impl<I: AsyncRead> AsyncRead for Counted<I> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.project();
        let before = buf.filled().len();
        let polled = this.io.poll_read(cx, buf);
        let came = &buf.filled()[before..];
        this.traffic.received.fetch_add(came.len(), Relaxed);
        if let Err(Flood) = this.frames.received(came) {
            this.traffic.flood.store(true, Relaxed);
        }
        if this.traffic.flood.load(Relaxed) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        pay(this.frames.take_work() / FRAMES_A_TURN, cx);
        polled
    }
}

impl<I: AsyncWrite> AsyncWrite for Counted<I> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.project();
        let polled = this.io.poll_write(cx, buf);
        sent(this.frames, &polled);
        in_time(this.stalled, cx, polled)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.project();
        let polled = this.io.poll_flush(cx);
        in_time(this.stalled, cx, polled)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.project();
        let polled = this.io.poll_shutdown(cx);
        in_time(this.stalled, cx, polled)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.project();
        let polled = this.io.poll_write_vectored(cx, bufs);
        sent(this.frames, &polled);
        in_time(this.stalled, cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

impl<I> Counted<I> {
    /// Counts into `traffic`.
    pub(super) fn new(io: I, traffic: Arc<Traffic>, frames: Frames) -> Self {
        Self {
            io,
            traffic,
            frames,
            stalled: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
        time::{Instant, sleep},
    };

    use super::*;
    use crate::server::gather::Gathered;

    fn pipe() -> (Counted<DuplexStream>, DuplexStream) {
        let (io, peer) = tokio::io::duplex(10);
        (Counted::new(io, Arc::default(), Frames::watched()), peer)
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_reads_nothing_is_given_up() {
        let (mut io, _peer) = pipe();
        let start = Instant::now();
        let error = io.write_all(&[0; 100]).await.unwrap_err();
        assert_eq!(
            (error.kind(), start.elapsed()),
            (io::ErrorKind::TimedOut, WRITE_TIMEOUT)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_only_held_is_no_progress() {
        let (counted, _peer) = pipe();
        let (mut io, start) = (Gathered::http2(counted), Instant::now());
        // Answers to PINGs, far fewer than are held.
        let error = loop {
            let answered = async {
                io.write_all(&[0; 17]).await?;
                io.flush().await?;
                io.flush().await
            };
            match tokio::time::timeout(Duration::from_secs(20), answered).await {
                Ok(Err(error)) => break error,
                Ok(Ok(())) | Err(_) => sleep(Duration::from_secs(1)).await,
            }
            assert!(start.elapsed() < WRITE_TIMEOUT * 3, "it is never given up");
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_reads_slowly_is_borne() {
        let (mut io, mut peer) = pipe();
        let reader = tokio::spawn(async move {
            for _ in 0..10 {
                sleep(WRITE_TIMEOUT - Duration::from_secs(1)).await;
                peer.read_exact(&mut [0; 10]).await.unwrap();
            }
        });
        io.write_all(&[0; 100]).await.unwrap();
        reader.await.unwrap();
    }
}
