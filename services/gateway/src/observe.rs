//! Counts every request and writes its line into the access log, once its status is known.
//!
//! The line is an event of the target `logicore_gateway::access` within the request's span, so that method, principal, request id
//! and trace id stand in it. It says from which address the request came, and over HTTP its path, never its query: queries carry
//! what people search for. `LOGICORE_LOG=info,logicore_gateway::access=off` switches it off.

use std::{
    convert::Infallible,
    fmt,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use http::{Method, Request, Response, Uri};
use logicore::{
    Context as Process,
    error::code_name,
    layer::{body, scope::Scope},
    server::PeerAddr,
    telemetry::RequestMetrics,
};
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tonic::{Code, body::Body};
use tower::{Layer, Service};

use crate::{
    protocol::Protocol,
    routes::{Counters, Route},
};

const ACCESS: &str = "logicore_gateway::access";
/// As much of a path, in bytes, as stands in the log.
const LONGEST_PATH: usize = 200;

/// Counts requests.
#[derive(Clone, Debug)]
pub(crate) struct ObserveLayer(Arc<Counters>);

impl ObserveLayer {
    pub(crate) fn new(process: &Process) -> Self {
        Self(Arc::new(Counters::unknown(&process.metrics)))
    }
}

impl<S> Layer<S> for ObserveLayer {
    type Service = Observe<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Observe {
            unknown: Arc::clone(&self.0),
            inner,
        }
    }
}

/// A service whose requests are counted.
#[derive(Clone, Debug)]
pub(crate) struct Observe<S> {
    /// Counters of requests that mean no method.
    unknown: Arc<Counters>,
    inner: S,
}

impl<S> Service<Request<Body>> for Observe<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let extensions = request.extensions();
        let protocol = extensions.get::<Protocol>().copied().unwrap_or(Protocol::Rest);
        let route = extensions.get::<Arc<Route>>();
        let counters = match route {
            Some(route) => route.counters(protocol),
            None => self.unknown.of(protocol),
        };
        let seen = Seen {
            counters: counters.clone(),
            protocol,
            from: extensions.get::<PeerAddr>().map(|peer| peer.0.ip()),
            // Of gRPC the method says it, where there is one.
            http: (protocol == Protocol::Rest || route.is_none())
                .then(|| (request.method().clone(), request.uri().clone())),
            quiet: route.is_some_and(|r| r.method.service.starts_with("grpc.")),
            since: Instant::now(),
            scope: Scope::current(),
            ended: false,
        };
        ResponseFuture {
            future: self.inner.call(request),
            seen: Some(seen),
        }
    }
}

/// A request that is being answered. Whoever drops it before its end has gone away.
struct Seen {
    counters: RequestMetrics,
    protocol: Protocol,
    from: Option<IpAddr>,
    http: Option<(Method, Uri)>,
    /// Probes and tools come every few seconds; what they ask is of no interest to most.
    quiet: bool,
    since: Instant,
    scope: Scope,
    ended: bool,
}

impl Seen {
    fn end(&mut self, code: Code) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let took = self.since.elapsed();
        self.counters.record(code, took);
        self.scope.within(|| self.log(code, took));
    }

    fn log(&self, code: Code, took: Duration) {
        let (code, protocol) = (code_name(code), self.protocol.as_str());
        let millis = (took.as_secs_f64() * 1e6).round() / 1e3;
        let address = self.from.map(tracing::field::display);
        let http = self
            .http
            .as_ref()
            .map(|(verb, uri)| tracing::field::display(Line(verb, uri.path())));
        if self.quiet {
            tracing::debug!(target: ACCESS, protocol, http, address, code, millis, "request");
        } else {
            tracing::info!(target: ACCESS, protocol, http, address, code, millis, "request");
        }
    }
}

/// An HTTP method and a path, cut where somebody sent a long one, and escaped where it could be more than text to a terminal.
struct Line<'a>(&'a Method, &'a str);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(verb, path) = self;
        // Between characters: `http` lets UTF-8 pass.
        let path = &path[..path.floor_char_boundary(LONGEST_PATH)];
        write!(f, "{verb} ")?;
        if path.bytes().all(|b| b.is_ascii_graphic()) {
            return f.write_str(path);
        }
        path.chars().try_for_each(|c| match c {
            c if c.is_ascii_graphic() => write!(f, "{c}"),
            c => write!(f, "{}", c.escape_unicode()),
        })
    }
}

impl Drop for Seen {
    fn drop(&mut self) {
        self.end(Code::Cancelled);
    }
}

pin_project! {
    /// The answer, watched until its status.
    pub(crate) struct ResponseFuture<F> {
        #[pin]
        future: F,
        seen: Option<Seen>,
    }
}

impl<F: Future<Output = Result<Response<Body>, Infallible>>> Future for ResponseFuture<F> {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Ok(response) = ready!(this.future.poll(cx));
        let Some(mut seen) = this.seen.take() else {
            return Poll::Ready(Ok(response));
        };
        // The layer around reads the body within its span, where it has one.
        let scope = seen.scope.clone();
        Poll::Ready(Ok(body::watch(response, scope, move |code| seen.end(code))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(path: &str) -> String {
        Line(&Method::GET, path).to_string()
    }

    #[test]
    fn a_path_in_the_log_is_text_and_no_longer_than_it_may_be() {
        assert_eq!(line("/v1/users/%1B%5B2J"), "GET /v1/users/%1B%5B2J");
        let hostile = line("/\u{9b}2J\u{202e}\u{7f}\n");
        assert_eq!(hostile, r"GET /\u{9b}2J\u{202e}\u{7f}\u{a}");
        assert_eq!(line(&"/".repeat(5000)).len(), "GET ".len() + LONGEST_PATH);
        // The limit falls into the middle of a character.
        assert_eq!(line(&format!("/{}", "é".repeat(200))).matches("e9").count(), 99);
    }
}
