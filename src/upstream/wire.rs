//! The body of a response as it comes; has its place on the connection until it is dropped.

use std::{
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::{Reason, RecvStream};
use http_body::{Body as HttpBody, Frame};

use super::{
    connection::Stream,
    unread::{Unread, lock},
};

/// Bytes that are taken before they are given back to the windows, where more is there at once: each giving back locks the connection. It
/// saves no frame, since h2 tells the peer of nothing before half of a window is free.
const ACKNOWLEDGED: usize = 32 << 10;

/// Who has what came.
#[derive(Debug)]
pub(super) enum Inner {
    /// h2 alone: the answer of a method that gives one message.
    One(RecvStream),
    /// An answer that streams, which its connection looks after.
    Streams(Arc<Mutex<Unread>>),
}

impl Inner {
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, h2::Error>>> {
        match self {
            Self::One(inner) => inner.poll_data(cx),
            Self::Streams(unread) => lock(unread).poll_data(cx),
        }
    }

    fn with<T>(&mut self, what: impl FnOnce(&mut RecvStream) -> T) -> T {
        match self {
            Self::One(inner) => what(inner),
            Self::Streams(unread) => what(lock(unread).inner()),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::One(inner) => inner.is_end_stream(),
            Self::Streams(unread) => lock(unread).is_end_stream(),
        }
    }
}

/// A response's body.
#[derive(Debug)]
pub(super) struct Wire {
    inner: Inner,
    stream: Option<Stream>,
    /// Bytes that were taken and not given back to the windows.
    taken: usize,
    /// All data has come; trailers may follow.
    data_over: bool,
    whole: bool,
}

impl Wire {
    pub(super) fn new(inner: Inner, stream: Option<Stream>) -> Self {
        Self {
            inner,
            stream,
            taken: 0,
            data_over: false,
            whole: false,
        }
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, h2::Error>>> {
        match self.inner.poll_data(cx) {
            Poll::Ready(Some(Ok(data))) => {
                self.taken += data.len();
                if self.taken >= ACKNOWLEDGED {
                    self.give_back();
                }
                Poll::Ready(Some(Ok(data)))
            }
            // The connection's window is everybody's: streams that fall silent must keep nothing of it.
            Poll::Pending => {
                self.give_back();
                Poll::Pending
            }
            ended => ended,
        }
    }

    fn give_back(&mut self) {
        if self.taken > 0 {
            let taken = std::mem::take(&mut self.taken);
            // Fails for a stream that is over, which the next read tells.
            let _ = self.inner.with(|inner| inner.flow_control().release_capacity(taken));
        }
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
        let trailers = ready!(self.inner.with(|inner| inner.poll_trailers(cx)))?;
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{Request, Response};
    use http_body_util::BodyExt as _;
    use tokio::io::DuplexStream;

    use super::*;

    /// Less than is given back while more is there; three of them fill a connection's window of 65,535 bytes.
    const EACH: usize = 30_000;

    /// Begins each answer by as much, and ends none.
    async fn serve(io: DuplexStream) {
        let mut connection = h2::server::handshake(io).await.unwrap();
        let mut open = Vec::new();
        while let Some(Ok((_, mut answer))) = connection.accept().await {
            let mut body = answer.send_response(Response::new(()), false).unwrap();
            body.send_data(vec![0; EACH].into(), false).unwrap();
            open.push(body);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn streams_that_fall_silent_keep_nothing_of_the_connections_window() {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        tokio::spawn(serve(theirs));
        let (mut sender, connection) = h2::client::handshake(ours).await.unwrap();
        tokio::spawn(connection);
        let mut silent = Vec::new();
        for number in 1..=20 {
            let request = Request::get("http://peer/").body(()).unwrap();
            let (answer, _) = sender.send_request(request, true).unwrap();
            let mut body = Wire::new(Inner::One(answer.await.unwrap().into_body()), None);
            let mut came = 0;
            // Reads on when all has come, as who forwards a stream does.
            while let Ok(frame) = tokio::time::timeout(Duration::from_secs(1), body.frame()).await {
                came += frame.unwrap().unwrap().into_data().unwrap().len();
            }
            assert_eq!(came, EACH, "of stream {number}");
            silent.push(body);
        }
    }
}
