//! `google.api.HttpBody` as an answer: its bytes with its content type, not JSON.
//!
//! A short unary answer is collected, so that its status is known before its head is sent. Of a longer one, and of a stream,
//! bytes are passed on as they come; one that fails on its way breaks off, and the caller sees that it did.

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use http_body::Frame;
use http_body_util::{Full, StreamBody};
use prost_reflect::FieldDescriptor;
use tonic::{Status, body::Body};

use super::{
    binding::Binding,
    encode::with_type,
    frames::{Frames, malformed},
    headers::from_trailers,
    wire::{self, Wire},
};

/// Up to here a unary answer is collected.
const SHORT: usize = 64 << 10;

/// Longest content type.
const LONGEST_TYPE: usize = 1 << 10;

const CONTENT_TYPE: u32 = 1;
const DATA: u32 = 2;

/// The answer of a method that answers so.
pub(super) async fn reply(binding: &Binding, mut frames: Frames) -> Result<Response<Body>, Status> {
    let streams = binding.method.is_server_streaming();
    let length = match frames.length().await.transpose()? {
        Some(length) => length,
        None if streams => return Ok(bytes(b"", Body::empty())),
        None => return Err(malformed("the answer holds no message").into()),
    };
    if !streams && length <= SHORT {
        let message = frames.take(length).await?;
        if frames.length().await.transpose()?.is_some() {
            return Err(malformed("the answer holds two messages").into());
        }
        let (content_type, data) = whole(&message, binding.response.as_ref())?;
        let mut out = bytes(&content_type, Body::new(Full::from(data)));
        from_trailers(frames.trailers(), out.headers_mut());
        return Ok(out);
    }
    let mut download = Download {
        frames,
        field: binding.response.clone(),
        streams,
        content_type: Bytes::new(),
        left: 0,
        data: 0,
        ready: Bytes::new(),
    };
    download.open(length).await?;
    let mut out = bytes(&download.content_type, Body::empty());
    if !streams {
        let length = download.data + download.ready.len();
        out.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    }
    Ok(out.map(|_| download.into_body()))
}

/// What is read of a page that a service wrote: it comes from the gateway's own origin, whose pages hold tokens.
const PAGE: HeaderValue = HeaderValue::from_static(
    "default-src 'self';script-src 'none';object-src 'none';base-uri 'none';form-action 'none';frame-ancestors 'self'",
);

/// Bytes of a service, which a browser may show and in which nothing runs.
fn bytes(content_type: &[u8], body: Body) -> Response<Body> {
    let mut out = with_type(media_type(content_type), body);
    out.headers_mut().insert(header::CONTENT_SECURITY_POLICY, PAGE);
    out
}

/// What a service says of its bytes; else they are just bytes.
fn media_type(text: &[u8]) -> HeaderValue {
    match HeaderValue::from_bytes(text) {
        Ok(value) if !value.is_empty() => value,
        _ => HeaderValue::from_static("application/octet-stream"),
    }
}

/// Content type and data of a message that is there.
fn whole(message: &Bytes, field: Option<&FieldDescriptor>) -> Result<(Bytes, Bytes), Status> {
    let body = match field {
        Some(field) => wire::last(message, field.number()),
        None => Some(message.clone()),
    };
    let body = body.ok_or_else(not_this_message)?;
    let part = |number| wire::last(&body, number).ok_or_else(not_this_message);
    Ok((part(CONTENT_TYPE)?, part(DATA)?))
}

fn not_this_message() -> Status {
    malformed("the answer is not the message that it should be").into()
}

/// An answer on its way.
#[derive(Debug)]
struct Download {
    frames: Frames,
    /// The field that holds the body, where the message is not itself one.
    field: Option<FieldDescriptor>,
    streams: bool,
    content_type: Bytes,
    /// What of the message is still to come, with its data.
    left: usize,
    /// What of the data is still to come.
    data: usize,
    /// Data that is there.
    ready: Bytes,
}

impl Download {
    /// Begins a message: reads up to its data.
    async fn open(&mut self, length: usize) -> Result<(), Status> {
        if self.field.is_none() {
            self.left = length;
            return self.fields().await;
        }
        let message = self.frames.take_bounded(length).await?;
        (self.content_type, self.ready) = whole(&message, self.field.as_ref())?;
        Ok(())
    }

    /// Reads fields up to the data, or to the message's end.
    async fn fields(&mut self) -> Result<(), Status> {
        while self.left > 0 {
            match wire::tag(self.varint().await?).ok_or_else(not_this_message)? {
                (CONTENT_TYPE, Wire::Length) => {
                    let length = self.varint().await?;
                    self.content_type = self.bytes(length, LONGEST_TYPE).await?;
                }
                (DATA, Wire::Length) => {
                    self.data = usize::try_from(self.varint().await?).unwrap_or(usize::MAX);
                    if self.data > self.left {
                        return Err(not_this_message());
                    }
                    return Ok(());
                }
                (_, wire) => self.skip(wire).await?,
            }
        }
        Ok(())
    }

    async fn skip(&mut self, wire: Wire) -> Result<(), Status> {
        let mut length = match wire {
            Wire::Varint => return self.varint().await.map(drop),
            Wire::Eight => 8,
            Wire::Four => 4,
            Wire::Length => usize::try_from(self.varint().await?).unwrap_or(usize::MAX),
        };
        self.left = self.left.checked_sub(length).ok_or_else(not_this_message)?;
        while length > 0 {
            length -= self.frames.some(length).await?.len();
        }
        Ok(())
    }

    async fn varint(&mut self) -> Result<u64, Status> {
        let mut value = 0;
        for shift in (0..70).step_by(7) {
            let byte = self.bytes(1, 1).await?[0];
            value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or_default();
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(not_this_message())
    }

    async fn bytes(&mut self, length: u64, most: usize) -> Result<Bytes, Status> {
        let length = usize::try_from(length)
            .ok()
            .filter(|length| *length <= most.min(self.left));
        let length = length.ok_or_else(not_this_message)?;
        self.left -= length;
        self.frames.take(length).await
    }

    /// Data that is next.
    async fn next(&mut self) -> Option<Result<Bytes, Status>> {
        match self.step().await {
            Ok(data) => data.map(Ok),
            Err(status) => Some(Err(status)),
        }
    }

    async fn step(&mut self) -> Result<Option<Bytes>, Status> {
        loop {
            if !self.ready.is_empty() {
                return Ok(Some(std::mem::take(&mut self.ready)));
            }
            if self.data > 0 {
                let data = self.frames.some(self.data).await?;
                self.data -= data.len();
                self.left -= data.len();
                return Ok(Some(data));
            }
            if self.left > 0 {
                self.fields().await?;
                if self.data > 0 && !self.streams {
                    // The length of the first was announced.
                    return Err(malformed("the answer holds its data twice").into());
                }
                continue;
            }
            match self.frames.length().await.transpose()? {
                None => return Ok(None),
                Some(length) if self.streams => self.open(length).await?,
                Some(_) => return Err(malformed("the answer holds two messages").into()),
            }
        }
    }

    fn into_body(self) -> Body {
        let chunks = futures_util::stream::unfold(Some(self), |open| async move {
            let mut download = open?;
            let data = download.next().await?.map(Frame::data);
            let more = data.is_ok().then_some(download);
            Some((data, more))
        });
        Body::new(StreamBody::new(chunks))
    }
}
