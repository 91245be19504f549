//! A gRPC answer as a REST answer.
//!
//! A unary answer is collected before its head is sent, since its status stands in the trailers. A stream's head goes out at
//! once, so a failure in the middle of it is the last line.

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderValue, Response, header, response::Parts};
use http_body::Frame;
use http_body_util::{Full, StreamBody};
use logicore::Error;
use prost_reflect::{DynamicMessage, Kind, ReflectMessage, SerializeOptions};
use tonic::{Code, Status, body::Body};

use super::{
    Match,
    error::{carry, error_json, http_error},
    frames::{Frames, malformed},
};

/// Largest message of an answer: far above what a service answers, and a bound for one that has gone mad.
const MESSAGE_LIMIT: usize = 64 << 20;

/// The REST answer that a gRPC answer means: JSON, NDJSON for a stream, `google.rpc.Status` for an error.
pub async fn encode(route: &Match, answer: Response<Body>) -> Response<Body> {
    let (parts, body) = answer.into_parts();
    let mut out = match reply(route, &parts, body).await {
        Ok(out) => out,
        Err(status) => http_error(status),
    };
    carry(&parts.headers, out.headers_mut());
    // An answer is meant for one caller; most of auth's carry tokens.
    out.headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    *out.extensions_mut() = parts.extensions;
    if route.head { head_only(out) } else { out }
}

async fn reply(route: &Match, parts: &Parts, body: Body) -> Result<Response<Body>, Status> {
    if let Some(status) = Status::from_header_map(&parts.headers).filter(|s| s.code() != Code::Ok) {
        return Err(status);
    }
    let mut frames = Frames::new(body, MESSAGE_LIMIT);
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
    let json = render(route, message)?;
    Ok(json_body("application/json", Body::new(Full::from(json))))
}

/// One line for each message: `{"result":...}`; at the end, where it failed, `{"error":...}`.
fn lines(route: Match, frames: Frames) -> Body {
    let lines = futures_util::stream::unfold((route, frames), |(route, mut frames)| async move {
        let next = frames.next().await?.and_then(|message| render(&route, message));
        let line = match next {
            Ok(json) => [b"{\"result\":".as_slice(), &json, b"}\n"].concat(),
            Err(status) => format!("{{\"error\":{}}}\n", error_json(&status)).into_bytes(),
        };
        Some((Ok::<_, Infallible>(Frame::data(Bytes::from(line))), (route, frames)))
    });
    Body::new(StreamBody::new(lines))
}

/// A message as protobuf JSON: fields without presence are shown when empty, absent messages are not.
fn render(route: &Match, message: Bytes) -> Result<Vec<u8>, Status> {
    let message = DynamicMessage::decode(route.binding.method.output(), message)
        .map_err(|e| malformed("the answer is not the message that it should be").because(e))?;
    let mut json = Vec::with_capacity(512);
    match &route.binding.response {
        None => write(&message, &mut json)?,
        Some(field) => {
            let value = message.get_field(field);
            match (value.as_message(), field.kind()) {
                (Some(inner), Kind::Message(_)) => write(inner, &mut json)?,
                _ => {
                    let mut whole = Vec::new();
                    write(&message, &mut whole)?;
                    let mut whole: serde_json::Value = serde_json::from_slice(&whole).map_err(Error::internal)?;
                    serde_json::to_writer(&mut json, &whole[field.json_name()].take()).map_err(Error::internal)?;
                }
            }
        }
    }
    Ok(json)
}

fn write(message: &DynamicMessage, out: &mut Vec<u8>) -> Result<(), Error> {
    let options = SerializeOptions::new().skip_default_fields(false);
    message
        .serialize_with_options(&mut serde_json::Serializer::new(out), &options)
        .map_err(|e| {
            let name = message.descriptor().full_name().to_owned();
            malformed("the answer has no JSON form")
                .with("message", name)
                .because(e)
        })
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
