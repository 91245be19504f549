//! The whole way out: real HTTP/2 servers on loopback where the protocol matters, in memory under a paused clock where time does.

mod breaking;
mod bytes;
mod crowding;
mod deadlines;
mod endings;
mod peer;
mod planning;
mod pooling;
mod probing;
mod retries;
mod tls;
mod unread;

use std::time::Duration;

use ::bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use tonic::{Code, Status};
use tonic_types::StatusExt;
use tower::Service;

use super::*;
use crate::{
    error::{Error, Reason},
    layer::{GrpcService, body},
    mesh::{Listener, memory, serve},
    settings::{Role, Settings},
    testkit,
};
use peer::{Peer, Reply};

/// Neither reads only nor may be repeated.
const LOGIN: &str = "/logicore.auth.v1.AuthService/Login";
/// IDEMPOTENT.
const REFRESH: &str = "/logicore.auth.v1.AuthService/Refresh";
/// NO_SIDE_EFFECTS.
const GET_USER: &str = "/logicore.user.v1.UserService/GetUser";
/// Streams both ways.
const STREAM: &str = "/logicore.mesh.v1.FeedService/Sync";

fn resilience() -> Resilience {
    Settings::defaults(Role::Gateway).resilience
}

fn to(addresses: Vec<Address>, resilience: &Resilience) -> Upstream {
    let ctx = testkit::context(Role::Gateway);
    Upstream::new("user", addresses, ctx.identity, ctx.policies, resilience, ctx.metrics)
}

/// The way to a server, as the defaults make it.
fn to_peer(peer: &Peer) -> Upstream {
    to(vec![peer.address()], &resilience())
}

/// The same, whose breaker never opens: what is counted are attempts.
fn to_peer_unbroken(peer: &Peer) -> Upstream {
    let mut resilience = resilience();
    resilience.error_threshold = 101;
    to(vec![peer.address()], &resilience)
}

/// A port that is taken, so that nobody else gets it, and that refuses.
struct Nobody(tokio::net::TcpSocket);

impl Nobody {
    fn new() -> Self {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        Self(socket)
    }

    fn address(&self) -> Address {
        Address::Tcp(self.0.local_addr().unwrap().to_string())
    }

    fn upstream(&self) -> Upstream {
        to(vec![self.address()], &resilience())
    }
}

/// A server within the process, for tests that pause the clock.
fn in_memory<F, T>(handler: F) -> Address
where
    F: Fn(Request<Body>) -> T + Clone + Send + Sync + 'static,
    T: Future<Output = Response<Body>> + Send + 'static,
{
    let (address, listener) = memory();
    let service = tower::service_fn(move |request| {
        let answer = handler(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    tokio::spawn(async move {
        let ctx = testkit::context(Role::User);
        serve(&ctx, Listener::Memory(listener), GrpcService::new(service)).await
    });
    Address::Memory(address)
}

/// An answer of one message and a status.
fn answered(code: Code) -> Response<Body> {
    let frames = [
        Frame::data(Bytes::from_static(MESSAGE)),
        Frame::trailers(body::trailers(&Status::new(code, ""))),
    ];
    streamed(tokio_stream::iter(frames))
}

fn streamed(frames: impl futures_util::Stream<Item = Frame<Bytes>> + Send + 'static) -> Response<Body> {
    use tokio_stream::StreamExt;
    let mut response = Response::new(Body::new(StreamBody::new(frames.map(Ok::<_, Status>))));
    response
        .headers_mut()
        .insert("content-type", HeaderValue::from_static("application/grpc"));
    response
}

/// A message of gRPC, framed.
const MESSAGE: &[u8] = &[0, 0, 0, 0, 3, 1, 2, 3];

fn request(path: &str) -> Request<Body> {
    request_of(path, Bytes::from_static(MESSAGE))
}

fn request_of(path: &str, body: Bytes) -> Request<Body> {
    Request::post(format!("http://mesh{path}"))
        .header("content-type", "application/grpc")
        .body(Body::new(Full::new(body)))
        .unwrap()
}

fn with_header(mut request: Request<Body>, name: &'static str, value: &'static str) -> Request<Body> {
    request
        .headers_mut()
        .append(HeaderName::from_static(name), HeaderValue::from_static(value));
    request
}

/// A call's answer, read to its end.
#[derive(Debug)]
struct Answer {
    http: StatusCode,
    head: HeaderMap,
    data: Bytes,
    trailers: HeaderMap,
}

impl Answer {
    async fn of(response: Response<Body>) -> Self {
        let (head, body) = response.into_parts();
        let collected = body
            .collect()
            .await
            .expect("a body ends with a status, never with an error");
        let trailers = collected.trailers().cloned().unwrap_or_default();
        Self {
            http: head.status,
            head: head.headers,
            data: collected.to_bytes(),
            trailers,
        }
    }

    fn status(&self) -> Status {
        Status::from_header_map(&self.head)
            .or_else(|| Status::from_header_map(&self.trailers))
            .expect("every call ends with a status")
    }

    fn code(&self) -> Code {
        self.status().code()
    }

    fn reason(&self) -> Option<Reason> {
        Error::reason_of(&self.status())
    }

    fn retry_after(&self) -> Option<Duration> {
        self.status().get_details_retry_info()?.retry_delay
    }
}

async fn send(upstream: &Upstream, request: Request<Body>) -> Answer {
    let Ok(response) = upstream.clone().call(request).await;
    Answer::of(response).await
}

async fn call(upstream: &Upstream, path: &str) -> Answer {
    send(upstream, request(path)).await
}

fn breaker(upstream: &Upstream) -> pb::CircuitBreaker {
    upstream.breakers().swap_remove(0)
}

fn state(upstream: &Upstream) -> String {
    breaker(upstream).state
}

/// Retries by their outcome: `succeeded`, `failed` or `refused`.
fn retries(upstream: &Upstream, outcome: &str) -> u64 {
    upstream.0.metrics.retries.with_label_values(&["user", outcome]).get()
}

/// Events of the service's breaker.
fn events(upstream: &Upstream, event: &str) -> u64 {
    let labels = ["user", "service", event];
    upstream.0.metrics.breaker_events.with_label_values(&labels).get()
}
