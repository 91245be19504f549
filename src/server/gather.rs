//! Small writes are held for one turn of the scheduler, so that what others are about to say leaves in the same one.
//!
//! A task that has an answer wakes the connection's task, and tokio's scheduler runs that one next; and h2 writes every frame of data by
//! itself. Each of sixteen answers that are there together, and each message of a stream, would be a system call of its own, which costs
//! more than all that the gateway does with it. After one turn everybody who had something to say has said it.
//!
//! The decision to question: a flush is answered before it is done. The connection's task is woken for another turn, in which h2 asks
//! for a flush again, as it does in each; that one writes. HTTP/2 alone gains: an HTTP/1 connection has one answer at a time, and is left
//! alone.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that are worth a system call of their own. A frame of 16 KiB, which is all that most peers take, is not: on loopback and in a
/// data centre's network the kernel does with four of them at once what it does with one, and copying them costs less.
const ENOUGH: usize = 32 << 10;
/// Bytes that are held at most: four such frames with their heads.
const MOST: usize = 4 * ((16 << 10) + 9);
/// Room that is kept for connections which say little.
const KEPT: usize = 4 << 10;
/// Pieces that go out with one system call: what is held, and a frame's head and payload, which h2 may have in parts.
const SLICES: usize = 8;
/// Flushes of the handshake, which nothing follows of itself.
const EARLY: u8 = 2;
/// What every HTTP/2 client says first.
const PREFACE: &[u8] = b"PRI ";

/// Where the turn stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// Nobody has asked for a flush.
    Open,
    /// Somebody has; the task runs again.
    Asked,
    /// It does: the next flush writes.
    Due,
}

pin_project! {
    /// A connection whose small writes are held for a turn.
    pub(crate) struct Gathered<I> {
        #[pin]
        io: I,
        // `None` until the peer has said what it speaks.
        http2: Option<bool>,
        held: Held,
        turn: Turn,
        early: u8,
    }
}

/// What was taken and is not written yet.
#[derive(Debug, Default)]
struct Held {
    bytes: Vec<u8>,
    written: usize,
}

impl Held {
    fn poll_out<I: AsyncWrite>(&mut self, mut io: Pin<&mut I>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.bytes.len() {
            let written = ready!(io.as_mut().poll_write(cx, &self.bytes[self.written..]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += written;
        }
        self.clear();
        Poll::Ready(Ok(()))
    }

    /// Writes what is held and what comes now, together as far as the peer takes them. Bytes of the latter that were written.
    fn poll_out_with<I: AsyncWrite>(
        &mut self,
        mut io: Pin<&mut I>,
        bufs: &[io::IoSlice<'_>],
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        while !self.bytes.is_empty() {
            let held = &self.bytes[self.written..];
            let mut all = [io::IoSlice::new(&[]); SLICES];
            let slices = std::iter::once(io::IoSlice::new(held)).chain(bufs.iter().copied());
            all.iter_mut().zip(slices).for_each(|(place, slice)| *place = slice);
            let written = ready!(io.as_mut().poll_write_vectored(cx, &all[..SLICES.min(1 + bufs.len())]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            match written.checked_sub(held.len()) {
                None => self.written += written,
                Some(0) => self.clear(),
                Some(more) => {
                    self.clear();
                    return Poll::Ready(Ok(more));
                }
            }
        }
        match bufs {
            [only] => io.poll_write(cx, only),
            _ => io.poll_write_vectored(cx, bufs),
        }
    }

    fn clear(&mut self) {
        let little = self.bytes.len() <= KEPT;
        self.bytes.clear();
        if little {
            self.bytes.shrink_to(KEPT);
        }
        self.written = 0;
    }

    fn take(&mut self, bufs: &[io::IoSlice<'_>], bytes: usize) {
        if self.bytes.len() + bytes > KEPT {
            // What follows will be as long.
            self.bytes.reserve(MOST - self.bytes.len());
        }
        bufs.iter().for_each(|buf| self.bytes.extend_from_slice(buf));
    }
}

impl<I> Gathered<I> {
    /// A connection that speaks HTTP/2.
    pub(crate) fn http2(io: I) -> Self {
        Self::new(io, Some(true))
    }

    /// A connection whose peer begins.
    pub(crate) fn accepted(io: I) -> Self {
        Self::new(io, None)
    }

    fn new(io: I, http2: Option<bool>) -> Self {
        Self {
            io,
            http2,
            held: Held::default(),
            turn: Turn::Open,
            early: 0,
        }
    }

    /// Whether so many bytes are held and not written.
    fn holds(&self, bytes: usize) -> bool {
        self.http2 == Some(true) && bytes < ENOUGH && self.held.bytes.len() + bytes <= MOST
    }
}

impl<I: AsyncRead> AsyncRead for Gathered<I> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.project();
        // h2 reads first in each turn, and flushes last.
        if *this.turn == Turn::Asked {
            *this.turn = Turn::Due;
        }
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
        self.poll_write_vectored(cx, &[io::IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let bytes = bufs.iter().map(|buf| buf.len()).sum();
        let holds = self.holds(bytes);
        let this = self.project();
        if holds {
            this.held.take(bufs, bytes);
            return Poll::Ready(Ok(bytes));
        }
        this.held.poll_out_with(this.io, bufs, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut this = self.project();
        if !this.held.bytes.is_empty() && *this.early >= EARLY && *this.turn != Turn::Due {
            if *this.turn == Turn::Open {
                *this.turn = Turn::Asked;
                cx.waker().wake_by_ref();
            }
            return Poll::Ready(Ok(()));
        }
        ready!(this.held.poll_out(this.io.as_mut(), cx))?;
        *this.turn = Turn::Open;
        *this.early = this.early.saturating_add(1);
        this.io.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut this = self.project();
        ready!(this.held.poll_out(this.io.as_mut(), cx))?;
        this.io.poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
