//! Joins small pieces of a body that are there already, so that each layer behind looks at them once.
//!
//! Who sends a stream of short messages sends each as a frame of its own, and several of them come with one read. A piece costs what
//! all the layers between two connections do for it, and a frame on the way out; copying a kibibyte costs next to nothing. Nobody waits
//! for a piece that is not there. In gRPC and HTTP alike the borders between pieces mean nothing.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};

/// Most bytes that are joined: the frame that every HTTP/2 peer takes (RFC 9113, 4.2).
const MOST: usize = 16 << 10;
/// Longer pieces are passed as they are.
const SMALL: usize = 4 << 10;

/// A body whose small pieces are joined.
#[derive(Debug)]
pub(crate) struct Joined<B: Body> {
    inner: B,
    /// Read, and not to be joined with what was before it.
    ahead: Option<Result<Frame<Bytes>, B::Error>>,
    /// The body has said that it is at its end.
    over: bool,
}

impl<B: Body<Data = Bytes> + Unpin> Joined<B> {
    pub(crate) fn new(inner: B) -> Self {
        Self {
            inner,
            ahead: None,
            over: false,
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if let Some(ahead) = self.ahead.take() {
            return Poll::Ready(Some(ahead));
        }
        if self.over {
            return Poll::Ready(None);
        }
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    /// What follows a small piece and fits to it, as far as it is there.
    fn join(&mut self, first: Bytes, cx: &mut Context<'_>) -> Bytes {
        let mut joined = BytesMut::new();
        while let Poll::Ready(next) = self.poll_next(cx) {
            let Some(next) = next else {
                self.over = true;
                break;
            };
            let length = first.len().max(joined.len());
            match next.as_ref().ok().and_then(Frame::data_ref) {
                Some(data) if data.len() < SMALL && length + data.len() <= MOST => {
                    if joined.is_empty() {
                        // Room for a few more of the kind: most often there are many or none.
                        joined.reserve((4 * (length + data.len())).min(MOST));
                        joined.extend_from_slice(&first);
                    }
                    joined.extend_from_slice(data);
                }
                _ => {
                    self.ahead = Some(next);
                    break;
                }
            }
        }
        if joined.is_empty() { first } else { joined.freeze() }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Joined<B>
where
    B::Error: Unpin,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = &mut *self;
        let frame = match ready!(this.poll_next(cx)) {
            Some(Ok(frame)) => frame,
            other => return Poll::Ready(other),
        };
        let frame = match frame.into_data() {
            Ok(data) if data.len() < SMALL && !this.is_end_stream() => Frame::data(this.join(data, cx)),
            Ok(data) => Frame::data(data),
            Err(frame) => frame,
        };
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.ahead.is_none() && (self.over || self.inner.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        if self.ahead.is_none() {
            self.inner.size_hint()
        } else {
            SizeHint::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use http::HeaderMap;
    use http_body_util::BodyExt;

    use super::*;

    type Piece = Result<Frame<Bytes>, &'static str>;

    /// `None` is a pause.
    struct Pieces(VecDeque<Option<Piece>>);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = &'static str;

        fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Piece>> {
            match self.0.pop_front() {
                Some(None) => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                Some(piece) => Poll::Ready(piece),
                None => Poll::Ready(None),
            }
        }

        fn is_end_stream(&self) -> bool {
            self.0.is_empty()
        }
    }

    fn data(byte: u8, length: usize) -> Option<Piece> {
        Some(Ok(Frame::data(vec![byte; length].into())))
    }

    /// What comes out: lengths of data, 0 for trailers, -1 for an error; and all the data.
    async fn read(pieces: Vec<Option<Piece>>) -> (Vec<i64>, Vec<u8>) {
        let mut body = Joined::new(Pieces(pieces.into()));
        let (mut lengths, mut all) = (Vec::new(), Vec::new());
        while !body.is_end_stream() {
            lengths.push(match body.frame().await {
                Some(Ok(frame)) => frame.data_ref().map_or(0, |data| {
                    all.extend_from_slice(data);
                    i64::try_from(data.len()).unwrap()
                }),
                Some(Err(_)) => -1,
                None => break,
            });
        }
        (lengths, all)
    }

    #[tokio::test]
    async fn what_is_there_is_joined_and_nothing_is_waited_for() {
        let (lengths, all) = read(vec![data(1, 10), data(2, 20), data(3, 0), None, data(4, 5)]).await;
        assert_eq!(lengths, [30, 5]);
        assert_eq!(all, [vec![1; 10], vec![2; 20], vec![4; 5]].concat());
    }

    #[tokio::test]
    async fn no_more_is_joined_than_a_frame_holds() {
        let (lengths, all) = read((0..40).map(|n| data(n, 1029)).collect()).await;
        assert_eq!(lengths, [15 * 1029, 15 * 1029, 10 * 1029]);
        assert_eq!(all, (0..40).flat_map(|n| [n; 1029]).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn long_pieces_pass_as_they_are() {
        let large = i64::try_from(SMALL).unwrap();
        let (lengths, _) = read(vec![data(1, SMALL), data(2, 7), data(3, SMALL), data(4, 1), data(5, 1)]).await;
        assert_eq!(lengths, [large, 7, large, 2]);
    }

    #[tokio::test]
    async fn ends_and_errors_come_behind_what_was_before_them() {
        let trailers = || Some(Ok(Frame::trailers(HeaderMap::new())));
        assert_eq!(read(vec![data(1, 1), data(2, 1), trailers()]).await.0, [2, 0]);
        assert_eq!(read(vec![data(1, 1), Some(Err("broken"))]).await.0, [1, -1]);
        assert_eq!(read(vec![trailers()]).await.0, [0]);
    }
}
