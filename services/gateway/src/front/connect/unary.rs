//! Unary calls: a bare message each way, and the status in HTTP's.
//!
//! An answer is collected before its head goes out, since its status comes last.

use bytes::Bytes;
use http::{HeaderMap, Response, header, response::Parts};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use logicore::{Error, Reason, compression::Encoding, layer::body::unreadable};
use tonic::{Code, Status, body::Body};

use super::{
    Call, MESSAGE_LIMIT, WORTH_COMPRESSING,
    error::{self, no_status},
    form::Codec,
    messages::{Item, Message, Messages, Of},
    metadata,
};
use crate::rest::to_json;

/// The message of a request, as it came.
///
/// # Errors
/// `MESSAGE_TOO_LARGE` above `limit` bytes, or that the caller has gone.
pub(super) async fn collect(body: Body, limit: usize) -> Result<Bytes, Error> {
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Error::new(
            Reason::MessageTooLarge,
            format!("the message is larger than {limit} bytes"),
        )
        .with("limit", limit.to_string())),
        Err(error) => Err(match error.downcast::<Status>() {
            Ok(status) => unreadable(*status),
            Err(error) => Error::new(Reason::CallerGone, "the body broke off").because(error),
        }),
    }
}

/// The answer to a call that was made.
pub(super) async fn answer(call: &Call, head: &Parts, body: Body) -> Response<Body> {
    let (message, status) = match read(body).await {
        Ok(read) => read,
        Err(status) => return error::answer(call.form, &status),
    };
    match reply(call, &head.headers, message) {
        Ok(mut out) => {
            metadata::prefixed(status.metadata().as_ref(), out.headers_mut());
            out
        }
        Err(error) => error::answer(call.form, &error.into()),
    }
}

/// The one message and the status, which is OK.
async fn read(body: Body) -> Result<(Message, Status), Status> {
    let mut messages = Messages::new(body, Of::Service, MESSAGE_LIMIT);
    let mut found = None;
    loop {
        match messages.next().await? {
            Item::Message(message) if found.is_none() => found = Some(message),
            Item::Message(_) => return Err(count("the answer holds two messages")),
            Item::End(trailers) => {
                let status = status(trailers.as_ref());
                return match (status.code(), found) {
                    (Code::Ok, Some(message)) => Ok((message, status)),
                    (Code::Ok, None) => Err(count("the answer holds no message")),
                    _ => Err(status),
                };
            }
        }
    }
}

fn count(problem: &'static str) -> Status {
    Error::new(Reason::MessageCount, problem).into()
}

/// The status that trailers tell, with the others of them as its metadata.
pub(super) fn status(trailers: Option<&HeaderMap>) -> Status {
    trailers
        .and_then(Status::from_header_map)
        .unwrap_or_else(|| no_status().into())
}

fn reply(call: &Call, head: &HeaderMap, message: Message) -> Result<Response<Body>, Error> {
    let encoding = Encoding::of_call(head).unwrap_or_default();
    // What the caller reads as it is goes on as it is.
    let passes = call.form.codec == Codec::Proto
        && message.compressed()
        && encoding.is_some_and(|encoding| call.accepted.reads(encoding));
    let (data, encoding) = match passes {
        true => (message.data, encoding),
        false => compressed(call, rendered(call, message.plain(encoding, MESSAGE_LIMIT)?)?)?,
    };
    let mut out = Response::new(Body::new(Full::from(data)));
    let headers = out.headers_mut();
    headers.insert(header::CONTENT_TYPE, call.form.content_type());
    headers.insert(header::VARY, header::HeaderValue::from_static("accept-encoding"));
    if let Some(encoding) = encoding {
        let name = header::HeaderValue::from_static(encoding.as_str());
        headers.insert(header::CONTENT_ENCODING, name);
    }
    Ok(out)
}

/// A message in the caller's codec.
pub(super) fn rendered(call: &Call, message: Bytes) -> Result<Bytes, Error> {
    match call.form.codec {
        Codec::Proto => Ok(message),
        Codec::Json => {
            let mut json = Vec::with_capacity(512 + 2 * message.len());
            to_json(&call.method.output(), message, &mut json)?;
            Ok(json.into())
        }
    }
}

/// The same, compressed where the caller reads that and it is worth it.
pub(super) fn compressed(call: &Call, data: Bytes) -> Result<(Bytes, Option<Encoding>), Error> {
    match call.accepted.best() {
        Some(encoding) if data.len() >= WORTH_COMPRESSING => Ok((encoding.compress(&data)?, Some(encoding))),
        _ => Ok((data, None)),
    }
}
