//! Small writes wait for one turn of the scheduler, so that what others are about to say leaves in the same one.
//!
//! A task that has an answer wakes the connection's task, and tokio's scheduler runs that one next: each of sixteen answers that are
//! there together would be a system call of its own, which costs more than all that the gateway does with it. After one turn everybody
//! who had something to say has said it. HTTP/2 alone gains: an HTTP/1 connection has one answer at a time.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that are worth a system call of their own.
const ENOUGH: usize = 4 << 10;
/// What every HTTP/2 client says first.
const PREFACE: &[u8] = b"PRI ";

pin_project! {
    /// A connection whose small writes wait for a turn.
    pub(crate) struct Gathered<I> {
        #[pin]
        io: I,
        // `None` until the peer has said what it speaks.
        http2: Option<bool>,
        waited: bool,
    }
}

impl<I> Gathered<I> {
    /// A connection that speaks HTTP/2.
    pub(crate) fn http2(io: I) -> Self {
        Self {
            io,
            http2: Some(true),
            waited: false,
        }
    }

    /// A connection whose peer begins.
    pub(crate) fn accepted(io: I) -> Self {
        Self {
            io,
            http2: None,
            waited: false,
        }
    }
}

/// Whether a write of so many bytes shall wait; its task runs again when others have.
fn waits(http2: Option<bool>, waited: &mut bool, bytes: usize, cx: &Context<'_>) -> bool {
    if *waited || bytes >= ENOUGH || http2 != Some(true) {
        return false;
    }
    *waited = true;
    cx.waker().wake_by_ref();
    true
}

impl<I: AsyncRead> AsyncRead for Gathered<I> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.project();
        let before = buf.filled().len();
        ready!(this.io.poll_read(cx, buf))?;
        let read = &buf.filled()[before..];
        if this.http2.is_none() && !read.is_empty() {
            *this.http2 = Some(read.starts_with(PREFACE));
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite> AsyncWrite for Gathered<I> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.project();
        if waits(*this.http2, this.waited, buf.len(), cx) {
            return Poll::Pending;
        }
        let written = ready!(this.io.poll_write(cx, buf));
        *this.waited = false;
        Poll::Ready(written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.project();
        let bytes = bufs.iter().map(|buf| buf.len()).sum();
        if waits(*this.http2, this.waited, bytes, cx) {
            return Poll::Pending;
        }
        let written = ready!(this.io.poll_write_vectored(cx, bufs));
        *this.waited = false;
        Poll::Ready(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().io.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().io.poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::poll_fn,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering::Relaxed},
        },
        task::Wake,
    };

    use super::*;

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    fn write(io: &mut Gathered<Vec<u8>>, bytes: &[u8]) -> (Poll<io::Result<usize>>, usize) {
        let woken = Arc::new(Woken::default());
        let waker = Arc::clone(&woken).into();
        let polled = Pin::new(io).poll_write(&mut Context::from_waker(&waker), bytes);
        (polled, woken.0.load(Relaxed))
    }

    #[test]
    fn a_small_write_waits_one_turn_and_no_more() {
        let mut io = Gathered::http2(Vec::new());
        for _ in 0..2 {
            assert!(matches!(write(&mut io, b"a"), (Poll::Pending, 1)));
            assert!(matches!(write(&mut io, b"ab"), (Poll::Ready(Ok(2)), 0)));
        }
        assert_eq!(io.io, b"abab");
    }

    #[test]
    fn a_large_write_does_not_wait() {
        let mut io = Gathered::http2(Vec::new());
        assert!(matches!(write(&mut io, &[0; ENOUGH]), (Poll::Ready(Ok(ENOUGH)), 0)));
    }

    #[tokio::test]
    async fn only_http2_waits() {
        for (said, waits) in [(&b"PRI * HTTP/2.0"[..], true), (b"POST / HTTP/1.1", false)] {
            let mut io = Gathered::accepted(saying(said));
            let mut buffer = [0; 64];
            poll_fn(|cx| Pin::new(&mut io).poll_read(cx, &mut ReadBuf::new(&mut buffer)))
                .await
                .unwrap();
            let waker = Arc::new(Woken::default()).into();
            let polled = Pin::new(&mut io).poll_write(&mut Context::from_waker(&waker), b"x");
            assert_eq!(polled.is_pending(), waits);
        }
    }

    /// Something that says this, and takes what it is told.
    fn saying(said: &'static [u8]) -> impl AsyncRead + AsyncWrite + Unpin {
        tokio::io::join(said, Vec::new())
    }
}
