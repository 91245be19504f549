//! Streams: envelopes each way, the last one of an answer tells how it ended. HTTP's status is 200 whatever happens.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_util::stream::unfold;
use http::{HeaderName, HeaderValue, Response, header, response::Parts};
use http_body::{Body as HttpBody, Frame};
use http_body_util::StreamBody;
use logicore::{
    compression::{Encoding, GRPC_ENCODING},
    framing::COMPRESSED,
};
use tonic::{Status, body::Body};

use super::{
    Call, MESSAGE_LIMIT,
    adapt::message,
    error::{self, no_status},
    form::Codec,
    messages::{Item, Messages, Of, enveloped},
    unary::{compressed, rendered, status},
};
use crate::bodies::Quota;

const ENCODING: HeaderName = HeaderName::from_static("connect-content-encoding");

/// The body of a request as gRPC frames it. Plain messages in protobuf pass as they came; long ones of others take their memory
/// from the quota.
pub(super) fn request(call: &Arc<Call>, body: Body, limit: usize, quota: Quota) -> Body {
    if call.form.codec == Codec::Proto && call.sent.is_none() {
        return body;
    }
    let messages = Messages::new(body, Of::Caller, limit).within(quota);
    let frames = unfold(Some((messages, Arc::clone(call))), move |open| async move {
        let (mut messages, call) = open?;
        let framed = match messages.next().await {
            Ok(Item::End(_)) => return None,
            Ok(Item::Message(m)) => {
                let plain = m.plain(call.sent, limit);
                plain.and_then(|m| message(&call, m)).map_err(Status::from)
            }
            Err(status) => Err(status),
        };
        let open = framed.is_ok().then_some((messages, call));
        Some((framed.map(|message| Frame::data(enveloped(0, &message))), open))
    });
    Body::new(StreamBody::new(frames))
}

/// The answer to a call whose stream has begun.
pub(super) fn answer(call: &Arc<Call>, head: &Parts, body: Body) -> Response<Body> {
    let theirs = head.headers.get(GRPC_ENCODING).filter(|name| *name != "identity");
    let (body, encoding) = match call.form.codec {
        Codec::Proto => (Body::new(Ended { inner: Some(body) }), theirs.cloned()),
        Codec::Json => {
            let ours = call.accepted.best().map(|e| HeaderValue::from_static(e.as_str()));
            let theirs = Encoding::named(theirs).unwrap_or_default();
            (in_json(Arc::clone(call), theirs, body), ours)
        }
    };
    let mut out = Response::new(body);
    out.headers_mut().insert(header::CONTENT_TYPE, call.form.content_type());
    if let Some(encoding) = encoding {
        out.headers_mut().insert(ENCODING, encoding);
    }
    out
}

fn in_json(call: Arc<Call>, theirs: Option<Encoding>, body: Body) -> Body {
    let messages = Messages::new(body, Of::Service, MESSAGE_LIMIT);
    let frames = unfold(Some((messages, call)), move |open| async move {
        let (mut messages, call) = open?;
        let ended = match messages.next().await {
            Ok(Item::Message(m)) => {
                let json = m.plain(theirs, MESSAGE_LIMIT).and_then(|m| rendered(&call, m));
                match json.and_then(|json| compressed(&call, json)) {
                    Ok((data, encoding)) => {
                        let flags = if encoding.is_some() { COMPRESSED } else { 0 };
                        let frame = Frame::data(enveloped(flags, &data));
                        return Some((Ok::<_, Status>(frame), Some((messages, call))));
                    }
                    Err(error) => error.into(),
                }
            }
            Ok(Item::End(trailers)) => status(trailers.as_ref()),
            Err(status) => status,
        };
        Some((Ok(Frame::data(error::end(&ended))), None))
    });
    Body::new(StreamBody::new(frames))
}

/// An answer in protobuf, whose messages pass as they came and whose trailers become the last envelope.
struct Ended {
    /// `None` once it is over.
    inner: Option<Body>,
}

impl HttpBody for Ended {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Some(inner) = self.inner.as_mut() else {
            return Poll::Ready(None);
        };
        let ended = match ready!(Pin::new(inner).poll_frame(cx)) {
            Some(Ok(frame)) => match frame.into_trailers() {
                Ok(trailers) => status(Some(&trailers)),
                Err(data) => return Poll::Ready(Some(Ok(data))),
            },
            Some(Err(status)) => status,
            None => no_status().into(),
        };
        self.inner = None;
        Poll::Ready(Some(Ok(Frame::data(error::end(&ended)))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_none()
    }
}
