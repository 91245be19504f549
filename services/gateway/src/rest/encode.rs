//! A gRPC answer as a REST answer.
//!
//! A unary answer is collected before its head is sent, since its status stands in the trailers. Streams are in `stream`,
//! what is no JSON in `raw`.

use bytes::Bytes;
use http::{HeaderValue, Response, header, response::Parts};
use http_body_util::Full;
use logicore::{
    Error,
    error::{Level, chain},
};
use prost_reflect::DynamicMessage;
use tonic::{Code, Status, body::Body};

use super::{
    Match,
    binding::Binding,
    compress::compress,
    direct,
    error::http_error,
    frames::{Frames, malformed},
    headers::{from_metadata, from_trailers},
    raw, stream, write,
};

/// Largest message of an answer: far above what a service answers, and a bound for one that has gone mad.
const MESSAGE_LIMIT: usize = 64 << 20;

/// The REST answer that a gRPC answer means: JSON, the form of a stream that was asked for, the bytes of a
/// `google.api.HttpBody`, or `google.rpc.Status` for an error.
pub async fn encode(route: &Match, answer: Response<Body>) -> Response<Body> {
    let (parts, body) = answer.into_parts();
    let mut out = match reply(route, &parts, body).await {
        Ok(out) => out,
        Err(status) => {
            log(route, &status);
            http_error(status)
        }
    };
    from_metadata(&parts.headers, out.headers_mut());
    // An answer is meant for one caller, most of auth's carry tokens; a service may know better.
    out.headers_mut()
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    *out.extensions_mut() = parts.extensions;
    if route.head {
        return head_only(out);
    }
    compress(&route.codings, route.binding.method.is_server_streaming(), out).await
}

async fn reply(route: &Match, parts: &Parts, body: Body) -> Result<Response<Body>, Status> {
    let in_head = Status::from_header_map(&parts.headers);
    let ended = in_head.is_some();
    if let Some(status) = in_head.filter(|s| s.code() != Code::Ok) {
        return Err(status);
    }
    let binding = &route.binding;
    let mut frames = Frames::new(body, MESSAGE_LIMIT, ended);
    if binding.answers_raw() {
        return raw::reply(binding, frames).await;
    }
    if binding.method.is_server_streaming() {
        let media_type = HeaderValue::from_static(route.form.media_type());
        let mut out = with_type(media_type, stream::body(route.clone(), frames));
        out.headers_mut()
            .insert(header::VARY, HeaderValue::from_static("accept"));
        // What stands between may hold a stream back, to send it at once.
        out.headers_mut()
            .insert("x-accel-buffering", HeaderValue::from_static("no"));
        return Ok(out);
    }
    let message = frames.only().await?;
    let mut json = Vec::with_capacity(512 + 2 * message.len());
    render(route, message, &mut json)?;
    let json = Body::new(Full::from(json));
    let mut out = with_type(HeaderValue::from_static("application/json"), json);
    from_trailers(frames.trailers(), out.headers_mut());
    Ok(out)
}

/// Writes a message, or the field of it that is the body.
pub(super) fn render(route: &Match, message: Bytes, json: &mut Vec<u8>) -> Result<(), Status> {
    let (binding, start) = (&*route.binding, json.len());
    let written = match &binding.response {
        None => direct::message(&binding.shapes, binding.shape, &message, json),
        Some(field) => direct::field(&binding.shapes, binding.shape, field.number(), &message, json),
    };
    written.or_else(|direct::Rare| {
        json.truncate(start);
        general(binding, message, json)
    })
}

fn general(binding: &Binding, message: Bytes, json: &mut Vec<u8>) -> Result<(), Status> {
    let message = DynamicMessage::decode(binding.method.output(), message)
        .map_err(|e| malformed("the answer is not the message that it should be").because(e))?;
    let written = match &binding.response {
        None => write::message(&message, json),
        Some(field) => write::field(&message, field, json),
    };
    written.map_err(|why| malformed("the answer has no JSON form").because(why).into())
}

/// Logs what was found wrong with an answer here. An error that the service or a layer answered was logged by it.
pub(super) fn log(route: &Match, status: &Status) {
    let error = std::error::Error::source(status).and_then(|e| e.downcast_ref::<Error>());
    if let Some(error) = error.filter(|e| e.row().level == Level::Error) {
        let (method, error) = (&*route.method_path, chain(error));
        tracing::error!(method, error, "answer has no rest form");
    }
}

/// A good answer of a content type.
pub(super) fn with_type(content_type: HeaderValue, body: Body) -> Response<Body> {
    let mut out = Response::new(body);
    out.headers_mut().insert(header::CONTENT_TYPE, content_type);
    out
}

/// The same head, with the length that the body would have.
fn head_only(answer: Response<Body>) -> Response<Body> {
    let (mut parts, body) = answer.into_parts();
    if let Some(length) = http_body::Body::size_hint(&body).exact() {
        parts.headers.insert(header::CONTENT_LENGTH, length.into());
    }
    Response::from_parts(parts, Body::empty())
}
