//! A small HTTP client: one connection for each call, nothing hidden.

use std::net::SocketAddr;

use anyhow::Context as _;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value;

/// An answer.
#[derive(Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

impl Reply {
    /// The body as JSON; null when it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header as text; empty when it is not there.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }

    /// Status and reason, which is empty in an answer that is no error.
    #[must_use]
    pub fn outcome(&self) -> (u16, String) {
        (self.status.as_u16(), self.reason())
    }

    /// The reason of an error answer.
    #[must_use]
    pub fn reason(&self) -> String {
        let info = self.detail("google.rpc.ErrorInfo");
        info["reason"].as_str().unwrap_or_default().to_owned()
    }

    /// A fact of an error answer's `ErrorInfo`; empty when it is not there.
    #[must_use]
    pub fn fact(&self, name: &str) -> String {
        let info = self.detail("google.rpc.ErrorInfo");
        info["metadata"][name].as_str().unwrap_or_default().to_owned()
    }

    /// The first field that an error answer complains of; empty when there is none.
    #[must_use]
    pub fn field(&self) -> String {
        let bad = self.detail("google.rpc.BadRequest");
        bad["fieldViolations"][0]["field"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// A detail of an error answer by the name of its type; null when it is not there.
    #[must_use]
    pub fn detail(&self, name: &str) -> Value {
        let json = self.json();
        let details = json["details"].as_array().cloned().unwrap_or_default();
        let url = format!("type.googleapis.com/{name}");
        details
            .into_iter()
            .find(|d| d["@type"] == url.as_str())
            .unwrap_or(Value::Null)
    }
}

/// Sends a request exactly as it is given.
///
/// # Errors
/// When no answer comes.
pub async fn request(address: SocketAddr, request: Request<Full<Bytes>>) -> anyhow::Result<Reply> {
    let stream = tokio::net::TcpStream::connect(address).await.context("connect")?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let response = sender.send_request(request).await?;
    let (parts, body) = response.into_parts();
    let body = body.collect().await?.to_bytes();
    driver.abort();
    Ok(Reply {
        status: parts.status,
        headers: parts.headers,
        body,
    })
}

/// Sends method, path, headers and body; `host` is `localhost` unless a header says otherwise.
///
/// # Errors
/// When it is no HTTP request, or no answer comes.
pub async fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> anyhow::Result<Reply> {
    let mut builder = Request::builder().method(method).uri(path);
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        builder = builder.header("host", format!("localhost:{}", address.port()));
    }
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    request(address, builder.body(Full::new(body.into()))?).await
}

async fn call(
    address: SocketAddr,
    method: Method,
    path: &str,
    token: &str,
    body: Option<&Value>,
) -> anyhow::Result<Reply> {
    let bearer = format!("Bearer {token}");
    let mut headers = Vec::new();
    if !token.is_empty() {
        headers.push(("authorization", bearer.as_str()));
    }
    if body.is_some() {
        headers.push(("content-type", "application/json"));
    }
    let body = body.map(Value::to_string).unwrap_or_default();
    send(address, method.as_str(), path, &headers, body).await
}

/// GET; an empty token sends none.
///
/// # Errors
/// When no answer comes.
pub async fn get(address: SocketAddr, path: &str, token: &str) -> anyhow::Result<Reply> {
    call(address, Method::GET, path, token, None).await
}

/// POST of JSON; an empty token sends none.
///
/// # Errors
/// When no answer comes.
pub async fn post(address: SocketAddr, path: &str, token: &str, body: &Value) -> anyhow::Result<Reply> {
    call(address, Method::POST, path, token, Some(body)).await
}

/// PATCH of JSON; an empty token sends none.
///
/// # Errors
/// When no answer comes.
pub async fn patch(address: SocketAddr, path: &str, token: &str, body: &Value) -> anyhow::Result<Reply> {
    call(address, Method::PATCH, path, token, Some(body)).await
}

/// DELETE; an empty token sends none.
///
/// # Errors
/// When no answer comes.
pub async fn delete(address: SocketAddr, path: &str, token: &str) -> anyhow::Result<Reply> {
    call(address, Method::DELETE, path, token, None).await
}
