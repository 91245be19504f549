//! The body of an answer: the same message a number of times, and a good status, which is counted.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    task::{Context, Poll},
};

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame};
use prost::Message;

use super::PREFIX;

static CALLS: AtomicU64 = AtomicU64::new(0);
static MESSAGES: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

/// Calls that ended with status 0, their messages, and the bytes of those, since start.
pub(crate) fn counted() -> String {
    [&CALLS, &MESSAGES, &BYTES]
        .map(|n| n.load(Relaxed).to_string())
        .join(" ")
}

/// `bench.v1.StreamRequest`.
#[derive(Clone, PartialEq, Message)]
struct StreamRequest {
    #[prost(uint32, tag = "1")]
    count: u32,
    #[prost(uint32, tag = "2")]
    size: u32,
}

/// `bench.v1.StreamResponse`.
#[derive(Clone, PartialEq, Message)]
struct StreamResponse {
    #[prost(bytes = "vec", tag = "1")]
    filling: Vec<u8>,
}

pub(crate) struct Answer {
    message: Bytes,
    left: u32,
    ended: bool,
}

impl Answer {
    /// This framed message once.
    pub(crate) fn once(message: Bytes) -> Self {
        Self {
            message,
            left: 1,
            ended: false,
        }
    }

    /// What the framed request asks for.
    pub(crate) fn stream(request: &Bytes) -> Self {
        let asked = request.get(PREFIX..).map(StreamRequest::decode);
        let asked = asked.and_then(Result::ok).unwrap_or_default();
        let message = StreamResponse {
            filling: vec![7; asked.size as usize],
        };
        let mut framed = BytesMut::with_capacity(PREFIX + message.encoded_len());
        framed.put_u8(0);
        framed.put_u32(u32::try_from(message.encoded_len()).unwrap_or_default());
        framed.extend_from_slice(&message.encode_to_vec());
        Self {
            message: framed.freeze(),
            left: asked.count,
            ended: false,
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left > 0 {
            self.left -= 1;
            MESSAGES.fetch_add(1, Relaxed);
            BYTES.fetch_add(self.message.len() as u64, Relaxed);
            return Poll::Ready(Some(Ok(Frame::data(self.message.clone()))));
        }
        if std::mem::replace(&mut self.ended, true) {
            return Poll::Ready(None);
        }
        CALLS.fetch_add(1, Relaxed);
        let status = HeaderMap::from_iter([(
            http::HeaderName::from_static("grpc-status"),
            HeaderValue::from_static("0"),
        )]);
        Poll::Ready(Some(Ok(Frame::trailers(status))))
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }
}
