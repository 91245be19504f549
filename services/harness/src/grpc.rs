//! gRPC and gRPC-Web by hand: any path, any bytes, and an answer with everything that came.

use std::net::SocketAddr;

use anyhow::{Context as _, bail, ensure};
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::http::send;

/// One byte of flags and four of length stand before each message.
const PREFIX: usize = 5;
/// The flag of gRPC-Web's frame of trailers.
const TRAILERS: u8 = 0x80;

/// The answer to a call.
#[derive(Debug)]
pub struct GrpcReply {
    /// HTTP status, which is 200 whatever the call's own status.
    pub http: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Frames of messages, as they came.
    pub body: Bytes,
    /// Trailers; empty where the head said it all.
    pub trailers: HeaderMap,
    /// The call's status.
    pub status: Status,
}

impl GrpcReply {
    /// The code of the status.
    #[must_use]
    pub fn code(&self) -> Code {
        self.status.code()
    }

    /// Code and reason, which is empty in an answer that is no error.
    #[must_use]
    pub fn outcome(&self) -> (Code, String) {
        (self.code(), self.reason())
    }

    /// The reason of an error answer.
    #[must_use]
    pub fn reason(&self) -> String {
        let info = self.status.get_details_error_info();
        info.map(|i| i.reason).unwrap_or_default()
    }

    /// A fact of an error answer's `ErrorInfo`; empty when it is not there.
    #[must_use]
    pub fn fact(&self, name: &str) -> String {
        let info = self.status.get_details_error_info();
        info.and_then(|i| i.metadata.get(name).cloned()).unwrap_or_default()
    }

    /// A header as text; empty when it is not there.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }

    /// The one message of the answer to a unary call.
    ///
    /// # Errors
    /// When the call failed, or the message is none of this type.
    pub fn message<M: Message + Default>(&self) -> anyhow::Result<M> {
        ensure!(self.code() == Code::Ok, "{:?}", self.status);
        ensure!(self.body.len() >= PREFIX, "no message came");
        Ok(M::decode(&self.body[PREFIX..])?)
    }
}

/// A message with its prefix.
#[must_use]
pub fn framed(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(PREFIX + message.len());
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    frame.put_slice(message);
    frame.freeze()
}

/// The frames of a body by gRPC, gRPC-Web or Connect: flags and message of each.
///
/// # Errors
/// When one is cut.
pub fn unframed(body: &Bytes) -> anyhow::Result<Vec<(u8, Bytes)>> {
    let (mut rest, mut frames) = (body.clone(), Vec::new());
    while !rest.is_empty() {
        ensure!(rest.len() >= PREFIX, "a frame is cut: {rest:?}");
        let (flags, length) = (rest.get_u8(), rest.get_u32() as usize);
        ensure!(rest.len() >= length, "a frame is cut: {rest:?}");
        frames.push((flags, rest.split_to(length)));
    }
    Ok(frames)
}

/// A unary call by gRPC; an empty token sends none.
///
/// # Errors
/// When no answer comes.
pub async fn grpc(address: SocketAddr, path: &str, token: &str, message: &impl Message) -> anyhow::Result<GrpcReply> {
    let bearer = format!("Bearer {token}");
    let headers: &[_] = &[("authorization", bearer.as_str())];
    let headers = if token.is_empty() { &[] } else { headers };
    grpc_bytes(address, path, headers, framed(&message.encode_to_vec())).await
}

/// A call by gRPC with these headers and this body, whatever it holds. A header `:authority` names the host.
///
/// # Errors
/// When no answer comes.
pub async fn grpc_bytes(
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    body: Bytes,
) -> anyhow::Result<GrpcReply> {
    let authority = headers.iter().find(|(name, _)| *name == ":authority");
    let authority = authority.map_or_else(|| format!("localhost:{}", address.port()), |(_, v)| (*v).to_owned());
    let mut builder = Request::post(format!("http://{authority}{path}"));
    if !headers.iter().any(|(name, _)| *name == "content-type") {
        builder = builder.header("content-type", "application/grpc");
    }
    builder = builder.header("te", "trailers");
    for (name, value) in headers.iter().filter(|(name, _)| *name != ":authority") {
        builder = builder.header(*name, *value);
    }
    let request = builder.body(Full::new(body))?;
    let stream = tokio::net::TcpStream::connect(address).await.context("connect")?;
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let (head, body) = sender.send_request(request).await?.into_parts();
    let collected = body.collect().await?;
    driver.abort();
    let trailers = collected.trailers().cloned().unwrap_or_default();
    reply(head.status, head.headers, collected.to_bytes(), trailers)
}

/// A unary call by gRPC-Web; an empty token sends none.
///
/// # Errors
/// When no answer comes.
pub async fn grpc_web(
    address: SocketAddr,
    path: &str,
    token: &str,
    message: &impl Message,
) -> anyhow::Result<GrpcReply> {
    let bearer = format!("Bearer {token}");
    let headers: &[_] = &[("authorization", bearer.as_str())];
    let headers = if token.is_empty() { &[] } else { headers };
    grpc_web_bytes(address, path, headers, framed(&message.encode_to_vec())).await
}

/// A call by gRPC-Web (over HTTP/1.1, in its binary form) with these headers and this body, whatever it holds.
///
/// # Errors
/// When no answer comes.
pub async fn grpc_web_bytes(
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    body: Bytes,
) -> anyhow::Result<GrpcReply> {
    let mut all = vec![("content-type", "application/grpc-web+proto"), ("x-grpc-web", "1")];
    all.extend_from_slice(headers);
    let answer = send(address, "POST", path, &all, body).await?;
    let (messages, trailers) = unwrapped(&answer.body)?;
    reply(answer.status, answer.headers, messages, trailers)
}

fn reply(http: StatusCode, headers: HeaderMap, body: Bytes, trailers: HeaderMap) -> anyhow::Result<GrpcReply> {
    let status = Status::from_header_map(&trailers).or_else(|| Status::from_header_map(&headers));
    let status = status.with_context(|| format!("no status came: {http} {headers:?} {body:?}"))?;
    Ok(GrpcReply {
        http,
        headers,
        body,
        trailers,
        status,
    })
}

/// Messages and trailers of a gRPC-Web body.
fn unwrapped(body: &Bytes) -> anyhow::Result<(Bytes, HeaderMap)> {
    let (mut messages, mut trailers) = (0, HeaderMap::new());
    for (flags, content) in unframed(body)? {
        match flags & TRAILERS {
            0 => {
                ensure!(trailers.is_empty(), "a message stands behind the trailers");
                messages += PREFIX + content.len();
            }
            _ => trailers = headers_of(&content)?,
        }
    }
    Ok((body.slice(..messages), trailers))
}

fn headers_of(text: &[u8]) -> anyhow::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for line in std::str::from_utf8(text)?.split("\r\n").filter(|l| !l.is_empty()) {
        let Some((name, value)) = line.split_once(':') else {
            bail!("not a trailer: {line:?}");
        };
        headers.append(HeaderName::try_from(name)?, HeaderValue::try_from(value.trim())?);
    }
    Ok(headers)
}
