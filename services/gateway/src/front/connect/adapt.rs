//! A request's body as gRPC's, once it is known that its caller may send one.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, header, request::Parts};
use http_body_util::Full;
use logicore::Error;
use tonic::body::Body;

use super::{
    Call,
    form::Codec,
    messages::{Message, enveloped},
    stream, unary,
};
use crate::{bodies::Bounds, rest::from_json};

/// The request as the stack below takes it.
///
/// # Errors
/// What is wrong with the message of a unary call; what is wrong with those of a stream is told as they come.
pub(crate) async fn adapt(
    call: &Arc<Call>,
    mut parts: Parts,
    body: Body,
    bounds: &Bounds,
) -> Result<Request<Body>, Error> {
    let longest = bounds.longest(&parts.extensions);
    if call.form.stream {
        let body = stream::request(call, body, longest, bounds.quota(&parts.extensions));
        return Ok(Request::from_parts(parts, body));
    }
    let place = bounds.place(&parts, longest).await;
    let data = match &call.query {
        Some(message) => Bytes::copy_from_slice(message),
        None => unary::collect(body, longest).await?,
    };
    let sent = Message {
        flags: u8::from(call.sent.is_some()),
        data,
    };
    let message = message(call, sent.plain(call.sent, longest)?)?;
    drop(place);
    parts.headers.remove(header::CONTENT_LENGTH);
    let body = Body::new(Full::from(enveloped(0, &message)));
    Ok(Request::from_parts(parts, body))
}

/// A message of the caller's codec in protobuf's wire format.
pub(super) fn message(call: &Call, data: Bytes) -> Result<Bytes, Error> {
    match call.form.codec {
        Codec::Proto => Ok(data),
        Codec::Json => from_json(&call.method.input(), &data),
    }
}
