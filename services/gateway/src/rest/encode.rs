//! A gRPC answer as a REST answer.
//!
//! A unary answer is collected before its head is sent, since its status stands in the trailers. A stream's head goes out at
//! once, so a failure in the middle of it is the last line.

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderValue, Response, header, response::Parts};
use http_body::Frame;
use http_body_util::{Full, StreamBody};
use logicore::{
    Error,
    error::{Level, chain},
};
use prost_reflect::DynamicMessage;
use tonic::{Code, Status, body::Body};

use super::{
    Match,
    error::{carry, error_json, http_error},
    frames::{Frames, malformed},
    write,
};

/// Largest message of an answer: far above what a service answers, and a bound for one that has gone mad.
const MESSAGE_LIMIT: usize = 64 << 20;

/// The REST answer that a gRPC answer means: JSON, NDJSON for a stream, `google.rpc.Status` for an error.
pub async fn encode(route: &Match, answer: Response<Body>) -> Response<Body> {
    let (parts, body) = answer.into_parts();
    let mut out = match reply(route, &parts, body).await {
        Ok(out) => out,
        Err(status) => {
            log(route, &status);
            http_error(status)
        }
    };
    carry(&parts.headers, out.headers_mut());
    // An answer is meant for one caller; most of auth's carry tokens.
    out.headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    *out.extensions_mut() = parts.extensions;
    if route.head { head_only(out) } else { out }
}

async fn reply(route: &Match, parts: &Parts, body: Body) -> Result<Response<Body>, Status> {
    let in_head = Status::from_header_map(&parts.headers);
    let ended = in_head.is_some();
    if let Some(status) = in_head.filter(|s| s.code() != Code::Ok) {
        return Err(status);
    }
    let mut frames = Frames::new(body, MESSAGE_LIMIT, ended);
    if route.binding.method.is_server_streaming() {
        return Ok(json_body("application/x-ndjson", lines(route.clone(), frames)));
    }
    let missing = || Status::from(malformed("the answer holds no message"));
    let message = frames.next().await.ok_or_else(missing)??;
    match frames.next().await {
        None => {}
        Some(Err(status)) => return Err(status),
        Some(Ok(_)) => return Err(malformed("the answer holds two messages").into()),
    }
    let mut json = Vec::with_capacity(512 + 2 * message.len());
    render(route, message, &mut json)?;
    Ok(json_body("application/json", Body::new(Full::from(json))))
}

/// One line for each message: `{"result":...}`; where it failed, `{"error":...}` is the last one.
fn lines(route: Match, frames: Frames) -> Body {
    let lines = futures_util::stream::unfold(Some((route, frames)), |open| async move {
        let (route, mut frames) = open?;
        let mut line = b"{\"result\":".to_vec();
        match frames.next().await?.and_then(|m| render(&route, m, &mut line)) {
            Ok(()) => {
                line.extend_from_slice(b"}\n");
                Some((data(line), Some((route, frames))))
            }
            Err(status) => {
                log(&route, &status);
                let line = format!("{{\"error\":{}}}\n", error_json(&status));
                Some((data(line), None))
            }
        }
    });
    Body::new(StreamBody::new(lines))
}

fn data(line: impl Into<Bytes>) -> Result<Frame<Bytes>, Infallible> {
    Ok(Frame::data(line.into()))
}

/// Writes a message, or the field of it that is the body.
fn render(route: &Match, message: Bytes, json: &mut Vec<u8>) -> Result<(), Status> {
    let message = DynamicMessage::decode(route.binding.method.output(), message)
        .map_err(|e| malformed("the answer is not the message that it should be").because(e))?;
    let written = match &route.binding.response {
        None => write::message(&message, json),
        Some(field) => write::field(&message, field, json),
    };
    written.map_err(|why| malformed("the answer has no JSON form").because(why).into())
}

/// Logs what was found wrong with an answer here. An error that the service or a layer answered was logged by it.
fn log(route: &Match, status: &Status) {
    let error = std::error::Error::source(status).and_then(|e| e.downcast_ref::<Error>());
    if let Some(error) = error.filter(|e| e.row().level == Level::Error) {
        let (method, error) = (&*route.method_path, chain(error));
        tracing::error!(method, error, "answer has no rest form");
    }
}

fn json_body(content_type: &'static str, body: Body) -> Response<Body> {
    let mut out = Response::new(body);
    out.headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
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
