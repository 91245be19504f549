//! Bodies over HTTP/1.1 that nobody reads to their end, since the call was refused or had its answer early.
//!
//! Such a connection is closed, and a caller who still writes sees that before it sees the answer. So what is left is read and
//! thrown away, as far as that is cheap.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Version, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::{runtime::Handle, time::timeout};
use tonic::{Status, body::Body};

/// What is thrown away at most: whoever sends more does not get to know why that was refused.
const MOST: usize = 256 << 10;
/// For how long.
const LONGEST: Duration = Duration::from_secs(2);

/// Lets the body be dropped at any time.
pub(super) fn linger(request: Request<Body>) -> Request<Body> {
    // Who waits for leave to send sends nothing that would have to be read.
    let waits = request.headers().contains_key(header::EXPECT);
    if request.version() >= Version::HTTP_2 || waits || request.body().is_end_stream() {
        return request;
    }
    request.map(|inner| Body::new(Lingering(Some(inner))))
}

/// Empty once the body was read to its end.
struct Lingering(Option<Body>);

impl HttpBody for Lingering {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Some(inner) = &mut self.0 else {
            return Poll::Ready(None);
        };
        let frame = ready!(Pin::new(inner).poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) {
            self.0 = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or(SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        let left = self.0.take().filter(|body| !body.is_end_stream());
        if let (Some(body), Ok(runtime)) = (left, Handle::try_current()) {
            runtime.spawn(timeout(LONGEST, drain(body)));
        }
    }
}

async fn drain(mut body: Body) {
    let mut left = MOST;
    while let Some(Ok(frame)) = body.frame().await {
        match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::StreamBody;
    use tokio::sync::mpsc;
    use tokio_stream::wrappers::ReceiverStream;

    use super::*;

    fn sending(version: Version) -> (mpsc::Sender<Result<Frame<Bytes>, Status>>, Request<Body>) {
        let (send, frames) = mpsc::channel(1);
        let body = Body::new(StreamBody::new(ReceiverStream::new(frames)));
        let request = Request::post("/").version(version).body(body).unwrap();
        (send, linger(request))
    }

    fn kib() -> Result<Frame<Bytes>, Status> {
        Ok(Frame::data(vec![0; 1 << 10].into()))
    }

    #[tokio::test]
    async fn what_nobody_reads_is_thrown_away_up_to_a_bound() {
        let (send, request) = sending(Version::HTTP_11);
        drop(request);
        let mut sent = 0;
        while send.send(kib()).await.is_ok() {
            sent += 1 << 10;
        }
        assert!((MOST..=MOST + (4 << 10)).contains(&sent), "{sent}");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_a_caller_who_says_nothing_more() {
        let (send, request) = sending(Version::HTTP_11);
        drop(request);
        send.closed().await;
    }

    #[tokio::test]
    async fn streams_of_http_2_end_at_once() {
        let (send, request) = sending(Version::HTTP_2);
        drop(request);
        assert!(send.is_closed());
    }

    #[tokio::test]
    async fn what_is_read_is_read_as_it_came() {
        let (send, request) = sending(Version::HTTP_11);
        let reader = tokio::spawn(request.into_body().collect());
        for _ in 0..3 {
            send.send(kib()).await.unwrap();
        }
        drop(send);
        assert_eq!(reader.await.unwrap().unwrap().to_bytes().len(), 3 << 10);
    }
}
