//! gRPC-Web: gRPC whose trailers are the last frame of the body, and whose bytes are base64 where the caller asks for text
//! (grpc/grpc, doc/PROTOCOL-WEB.md).
//!
//! Messages pass as they came. An answer that ends with its head stays one, its status in headers: that saves a body, every
//! client reads it, and CORS exposes it.

mod text;
mod trailers;

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body::{Body as HttpBody, Frame};
use logicore::{
    Error,
    layer::{body::code_in, refuse},
};
use tonic::{Status, body::Body};

use super::{Face, grpc};
use crate::{protocol::Protocol, rest::take_off, routes::Table};

const KIND: &str = "application/grpc-web";
const TEXT: &str = "application/grpc-web-text";

/// A call by gRPC-Web.
pub(super) struct Call {
    /// The caller reads base64.
    text: bool,
}

impl Face for Call {
    fn begin(request: &mut Request<Body>, table: &Table) -> Result<Self, Box<Response<Body>>> {
        grpc::mark(table, request, Protocol::GrpcWeb);
        Ok(Self::adapt(request))
    }

    async fn answer(self, answer: Response<Body>) -> Response<Body> {
        let (mut head, body) = answer.into_parts();
        let format = head.headers.get(header::CONTENT_TYPE);
        let format = web(format, self.text);
        // A browser reads them as headers of this origin.
        take_off(&mut head.headers);
        head.headers.insert(header::CONTENT_TYPE, format);
        match code_in(&head.headers) {
            Some(_) => Response::from_parts(head, body),
            None => Response::from_parts(
                head,
                Body::new(Framed {
                    inner: body,
                    text: self.text,
                }),
            ),
        }
    }

    fn refusal(error: Error) -> Response<Body> {
        let mut answer = refuse(error);
        answer.headers_mut().insert(header::CONTENT_TYPE, WEB);
        answer
    }
}

impl Call {
    fn adapt(request: &mut Request<Body>) -> Self {
        let headers = request.headers_mut();
        let sends_text = headers.get(header::CONTENT_TYPE).is_some_and(is_text);
        // Who does not say what it reads, reads what it sends.
        let text = match headers.get(header::ACCEPT) {
            Some(accept) if begins(accept, KIND) => is_text(accept),
            _ => sends_text,
        };
        let format = headers.get(header::CONTENT_TYPE).map_or(NATIVE, native);
        headers.insert(header::CONTENT_TYPE, format);
        if sends_text {
            // It counts base64.
            headers.remove(header::CONTENT_LENGTH);
            let body = std::mem::take(request.body_mut());
            *request.body_mut() = Body::new(text::Decoded::new(body));
        }
        Self { text }
    }
}

const NATIVE: HeaderValue = HeaderValue::from_static("application/grpc");
const NATIVE_PROTO: HeaderValue = HeaderValue::from_static("application/grpc+proto");
const WEB: HeaderValue = HeaderValue::from_static("application/grpc-web+proto");
const WEB_TEXT: HeaderValue = HeaderValue::from_static("application/grpc-web-text+proto");

fn begins(value: &HeaderValue, kind: &str) -> bool {
    let start = value.as_bytes().get(..kind.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(kind.as_bytes()))
}

fn is_text(value: &HeaderValue) -> bool {
    begins(value, TEXT)
}

/// What stands behind a kind: `+proto` or another message format.
fn format<'a>(value: &'a HeaderValue, kind: &str) -> &'a [u8] {
    value.as_bytes().get(kind.len()..).unwrap_or_default()
}

/// The content type without the web in it.
fn native(value: &HeaderValue) -> HeaderValue {
    let kind = if is_text(value) { TEXT } else { KIND };
    match format(value, kind) {
        b"" => NATIVE,
        b"+proto" => NATIVE_PROTO,
        other => HeaderValue::from_bytes(&[NATIVE.as_bytes(), other].concat()).unwrap_or(NATIVE),
    }
}

/// The content type with it.
fn web(value: Option<&HeaderValue>, text: bool) -> HeaderValue {
    let plain = if text { WEB_TEXT } else { WEB };
    match value.map_or(&b""[..], |value| format(value, "application/grpc")) {
        b"" | b"+proto" => plain,
        other => {
            let kind = if text { TEXT } else { KIND };
            HeaderValue::from_bytes(&[kind.as_bytes(), other].concat()).unwrap_or(plain)
        }
    }
}

/// The body of an answer, its trailers in the last frame.
struct Framed {
    inner: Body,
    text: bool,
}

impl HttpBody for Framed {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            end => return Poll::Ready(end),
        };
        let data = frame.into_data().unwrap_or_else(|frame| {
            let trailers = frame.into_trailers().unwrap_or_default();
            trailers::frame(&trailers)
        });
        let data = if self.text { text::encoded(&data) } else { data };
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }
}

#[cfg(test)]
mod tests;
