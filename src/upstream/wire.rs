//! The body of a response as it comes; has its place on the connection until it is dropped.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::{Reason, RecvStream};
use http_body::{Body as HttpBody, Frame};

use super::connection::Stream;

/// Bytes that are taken before the peer is told that there is room for as many: a small part of a stream's window.
const ACKNOWLEDGED: usize = 32 << 10;

/// A response's body.
#[derive(Debug)]
pub(super) struct Wire {
    inner: RecvStream,
    stream: Option<Stream>,
    /// Bytes that were taken since the peer was told.
    taken: usize,
    /// All data has come; trailers may follow.
    data_over: bool,
    whole: bool,
}

impl Wire {
    pub(super) fn new(inner: RecvStream, stream: Option<Stream>) -> Self {
        Self {
            inner,
            stream,
            taken: 0,
            data_over: false,
            whole: false,
        }
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, h2::Error>>> {
        let Some(data) = ready!(self.inner.poll_data(cx)) else {
            return Poll::Ready(None);
        };
        let data = data?;
        self.taken += data.len();
        if self.taken >= ACKNOWLEDGED {
            // Fails for a stream that is over, which the next read tells.
            let _ = self
                .inner
                .flow_control()
                .release_capacity(std::mem::take(&mut self.taken));
        }
        Poll::Ready(Some(Ok(data)))
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        if !self.data_over {
            match ready!(self.poll_data(cx)) {
                Some(Ok(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                // An early answer that is whole (RFC 9113, 8.1). That no status came is told by who reads this.
                Some(Err(error)) if error.reason() == Some(Reason::NO_ERROR) => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => self.data_over = true,
            }
        }
        let trailers = ready!(self.inner.poll_trailers(cx))?;
        Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
    }
}

impl HttpBody for Wire {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let polled = self.poll_next(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => self.whole = frame.is_trailers(),
            Poll::Ready(_) => self.whole = true,
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let left = !self.whole && !self.inner.is_end_stream();
        if let Some(stream) = self.stream.as_ref().filter(|_| left) {
            stream.count_reset();
        }
    }
}
