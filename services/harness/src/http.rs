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

    /// The reason of an error answer.
    #[must_use]
    pub fn reason(&self) -> String {
        let json = self.json();
        let details = json["details"].as_array().cloned().unwrap_or_default();
        let info = details
            .iter()
            .find(|d| d["@type"] == "type.googleapis.com/google.rpc.ErrorInfo");
        info.and_then(|i| i["reason"].as_str()).unwrap_or_default().to_owned()
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

async fn call(
    address: SocketAddr,
    method: Method,
    path: &str,
    token: &str,
    body: Option<&Value>,
) -> anyhow::Result<Reply> {
    let mut builder = Request::builder()
        .method(method)
        .uri(path)
        .header("host", format!("localhost:{}", address.port()));
    if !token.is_empty() {
        builder = builder.header("authorization", format!("Bearer {token}"));
    }
    let bytes = match body {
        Some(json) => {
            builder = builder.header("content-type", "application/json");
            Bytes::from(json.to_string())
        }
        None => Bytes::new(),
    };
    request(address, builder.body(Full::new(bytes))?).await
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
