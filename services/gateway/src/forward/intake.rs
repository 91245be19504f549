//! Watches a request's body on its way to the upstream: no message above the limit, and a caller who breaks off is told apart from an
//! upstream that does. Bytes pass as they came.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use http_body::{Body as HttpBody, Frame, SizeHint};
use logicore::{Error, Reason};
use tokio::sync::oneshot;
use tonic::{Status, body::Body};

/// One byte of flags and four of length stand before each message (gRPC over HTTP/2).
const PREFIX: usize = 5;

/// A body under watch, and what becomes wrong with it; the second never ends while all is well.
pub(super) fn watch(body: Body, limit: usize) -> (Body, impl Future<Output = Error> + Unpin + Send) {
    let (tell, told) = oneshot::channel();
    let watched = Watched {
        inner: body,
        limit,
        scan: Scan::default(),
        tell: Some(tell),
    };
    (Body::new(watched), Wrong(Some(told)))
}

struct Wrong(Option<oneshot::Receiver<Error>>);

impl Future for Wrong {
    type Output = Error;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Error> {
        let Some(told) = &mut self.0 else {
            return Poll::Pending;
        };
        match Pin::new(told).poll(cx) {
            Poll::Ready(Ok(error)) => Poll::Ready(error),
            Poll::Ready(Err(_)) => {
                // The body was read to its end, or nobody wants it any more.
                self.0 = None;
                Poll::Pending
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

struct Watched {
    inner: Body,
    limit: usize,
    scan: Scan,
    /// Empty once something was wrong: nothing more is read then.
    tell: Option<oneshot::Sender<Error>>,
}

impl Watched {
    fn wrong(&mut self, error: Error) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Some(tell) = self.tell.take() {
            // Nobody listens when the answer has begun: then its end is all that the caller gets.
            if tell.send(error).is_err() {
                return Poll::Ready(Some(Err(Status::cancelled("the request broke off"))));
            }
        }
        // The call is being dropped; it must not see an error that it would take for the upstream's.
        Poll::Pending
    }
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        if this.tell.is_none() {
            return Poll::Pending;
        }
        match std::task::ready!(Pin::new(&mut this.inner).poll_frame(cx)) {
            Some(Ok(frame)) => {
                let longest = frame.data_ref().map_or(0, |data| this.scan.longest(data));
                if longest > this.limit {
                    return this.wrong(too_large(this.limit));
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(status)) => this.wrong(Error::new(Reason::CallerGone, "the request broke off").because(status)),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

fn too_large(limit: usize) -> Error {
    Error::new(
        Reason::MessageTooLarge,
        format!("a message of the request is larger than {limit} bytes"),
    )
    .with("limit", limit.to_string())
}

/// Follows the prefixes of messages through data that is cut anywhere.
#[derive(Debug, Default)]
struct Scan {
    /// What of a prefix has come.
    prefix: [u8; PREFIX],
    have: usize,
    /// What of the current message is still to come.
    left: usize,
}

impl Scan {
    /// The longest message that the data announces.
    fn longest(&mut self, data: &Bytes) -> usize {
        let mut data: &[u8] = data;
        let mut longest = 0;
        while !data.is_empty() {
            if self.left > 0 {
                let skipped = self.left.min(data.len());
                data.advance(skipped);
                self.left -= skipped;
                continue;
            }
            let taken = (PREFIX - self.have).min(data.len());
            self.prefix[self.have..self.have + taken].copy_from_slice(&data[..taken]);
            data.advance(taken);
            self.have += taken;
            if self.have == PREFIX {
                self.have = 0;
                let [_, a, b, c, d] = self.prefix;
                self.left = u32::from_be_bytes([a, b, c, d]) as usize;
                longest = longest.max(self.left);
            }
        }
        longest
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, Full, StreamBody};

    use super::*;

    fn framed(lengths: &[usize]) -> Vec<u8> {
        let mut out = Vec::new();
        for length in lengths {
            out.push(0);
            out.extend_from_slice(&u32::try_from(*length).unwrap().to_be_bytes());
            out.extend(std::iter::repeat_n(7, *length));
        }
        out
    }

    #[test]
    fn messages_are_followed_wherever_they_are_cut() {
        let bytes = framed(&[0, 3, 300, 5]);
        for cut in 1..bytes.len() {
            let mut scan = Scan::default();
            let longest = bytes
                .chunks(cut)
                .map(|c| scan.longest(&Bytes::copy_from_slice(c)))
                .max();
            assert_eq!(longest, Some(300), "cut at every {cut}");
            assert_eq!((scan.have, scan.left), (0, 0));
        }
    }

    #[tokio::test]
    async fn what_fits_passes_byte_for_byte() {
        let bytes = framed(&[10, 0, 10]);
        let (body, mut wrong) = watch(Body::new(Full::from(bytes.clone())), 10);
        assert_eq!(body.collect().await.unwrap().to_bytes(), bytes);
        assert!(futures_util::poll!(&mut wrong).is_pending());
    }

    #[tokio::test]
    async fn a_message_above_the_limit_is_told_before_it_has_come() {
        let (body, wrong) = watch(Body::new(Full::from(framed(&[10, 11])[..20].to_vec())), 10);
        let reader = tokio::spawn(body.collect());
        assert_eq!(wrong.await.reason(), Reason::MessageTooLarge);
        assert!(!reader.is_finished(), "the call sees no error, it is dropped");
        reader.abort();
    }

    #[tokio::test]
    async fn a_caller_who_breaks_off_is_told_apart() {
        let frames = [Ok(Frame::data(Bytes::from_static(&[0]))), Err(Status::unknown("reset"))];
        let (body, wrong) = watch(Body::new(StreamBody::new(tokio_stream::iter(frames))), 10);
        let reader = tokio::spawn(body.collect());
        assert_eq!(wrong.await.reason(), Reason::CallerGone);
        reader.abort();
    }
}
