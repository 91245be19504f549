//! One span for each call, with method, principal, request id and peer; W3C trace context in and out.
//!
//! Without an exporter nothing of OpenTelemetry is touched: the caller's `traceparent` goes on as it came, and its trace id stands
//! in the logs.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use opentelemetry::trace::TraceContextExt;
use tonic::{Code, body::Body};
use tower::{Layer, Service};
use tracing::{Instrument, Span, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::{
    AnswerFuture, body,
    gate::{Gate, GateLayer},
    outgoing::{self, Call},
    request_id, route,
    scope::{self, Known, Scope},
};
use crate::{
    access::Principal,
    error::{self, Error},
    mesh::Peer,
    policy::Method,
    settings::Settings,
    telemetry::trace_context,
};

/// Opens the span of every call.
#[derive(Clone, Copy, Debug)]
pub struct TraceLayer {
    /// What the spans are called after; `None` for the service that the method belongs to.
    role: Option<&'static str>,
    exports: bool,
    /// Without spans the call itself is what its log lines belong to.
    spans: bool,
}

impl TraceLayer {
    /// For a service behind the mesh.
    #[must_use]
    pub fn service(settings: &Settings) -> Self {
        Self {
            role: None,
            exports: settings.telemetry.otlp_endpoint.is_some(),
            // Its store's jobs open spans below, on other threads.
            spans: true,
        }
    }

    /// For the gateway.
    #[must_use]
    pub fn gateway(settings: &Settings) -> Self {
        Self {
            role: Some("gateway"),
            spans: scope::spans_are_read(settings),
            ..Self::service(settings)
        }
    }
}

impl<S> Layer<S> for TraceLayer {
    type Service = Trace<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Trace { layer: *self, inner }
    }
}

/// A service whose calls have spans.
#[derive(Clone, Copy, Debug)]
pub struct Trace<S> {
    layer: TraceLayer,
    inner: S,
}

impl<S> Service<Request<Body>> for Trace<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = AnswerFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        if !self.layer.spans {
            pass_on(None, &mut request);
            let call = Arc::new(self.layer.call(&request, true));
            let answer = outgoing::within_call(Arc::clone(&call), || self.inner.call(request));
            return Box::pin(outgoing::with_call(call, answer));
        }
        let exports = self.layer.exports;
        let span = self.layer.open(&mut request);
        let call = Arc::new(self.layer.call(&request, false));
        let answer = span.in_scope(|| self.inner.call(request));
        let within = span.clone();
        Box::pin(
            async move {
                let Ok(response) = outgoing::with_call(call, answer).await;
                let ending = within.clone();
                Ok(body::watch(response, Scope::from(within), move |code| {
                    close(&ending, code, exports)
                }))
            }
            .instrument(span),
        )
    }
}

impl TraceLayer {
    /// What the call hands on, and what its log lines say.
    fn call(&self, request: &Request<Body>, logged: bool) -> Call {
        let headers = request.headers();
        let extensions = request.extensions();
        let known = || Known {
            role: self.role.unwrap_or("service"),
            method: route::method(extensions).cloned(),
            request_id: extensions.get::<request_id::RequestId>().map(|id| Arc::clone(&id.0)),
            ..Known::default()
        };
        Call {
            request_id: headers.get(request_id::HEADER).cloned(),
            trace: headers
                .get(trace_context::PARENT)
                .map(|parent| (parent.clone(), headers.get(trace_context::STATE).cloned())),
            known: logged.then(known),
        }
    }

    fn open(&self, request: &mut Request<Body>) -> Span {
        let id = request
            .extensions()
            .get::<request_id::RequestId>()
            .map(|id| Arc::clone(&id.0));
        let method = route::method(request.extensions()).cloned();
        let path = scope::path(method.as_deref());
        let role = self.role.unwrap_or_else(|| method.as_deref().map_or("service", part));
        // At the level of errors, so that a log of errors alone still says which call they belong to.
        let span = tracing::error_span!(
            "rpc",
            otel.name = Empty,
            otel.kind = Empty,
            otel.status_code = Empty,
            rpc.system = Empty,
            rpc.grpc.status_code = Empty,
            logicore.role = role,
            method = path,
            request_id = id.as_deref(),
            trace_id = Empty,
            principal = Empty,
            peer = Empty,
        );
        if self.exports {
            span.record("otel.name", format!("{role} {path}"));
            span.record("otel.kind", "server");
            span.record("rpc.system", "grpc");
            // Fails when the span is filtered out, and then there is nothing to be a parent of.
            let _ = span.set_parent(trace_context::extract(request.headers()));
            let context = span.context();
            let ours = context.span().span_context().clone();
            if ours.is_valid() {
                span.record("trace_id", ours.trace_id().to_string());
                trace_context::inject(&span, request.headers_mut());
            }
        } else {
            pass_on(Some(&span), request);
        }
        span
    }
}

/// The caller's own trace context, or none when it is malformed.
fn pass_on(span: Option<&Span>, request: &mut Request<Body>) {
    let headers = request.headers_mut();
    match headers.get(trace_context::PARENT).map(trace_context::trace_id) {
        Some(Some(id)) => {
            if let Some(span) = span {
                span.record("trace_id", id);
            }
        }
        Some(None) => {
            headers.remove(trace_context::PARENT);
            headers.remove(trace_context::STATE);
        }
        None => {}
    }
}

fn close(span: &Span, code: Code, exports: bool) {
    if exports {
        span.record("rpc.grpc.status_code", code as i32);
        if error::servers_fault(code) {
            span.record("otel.status_code", "ERROR");
        }
    }
}

/// The part of the system that a method belongs to, by its package: `logicore.<part>.v1`.
fn part(method: &Method) -> &'static str {
    match method.service.split('.').nth(1) {
        Some("auth") => "auth",
        Some("user") => "user",
        Some("admin") => "admin",
        _ => "mesh",
    }
}

/// Notes principal and peer on the span, once layers further out have proven them.
#[must_use]
pub fn who() -> GateLayer<Who> {
    GateLayer(Who)
}

/// The gate that notes them. It lets everything pass.
#[derive(Clone, Copy, Debug)]
pub struct Who;

impl Gate for Who {
    fn admit(&self, request: &mut Request<Body>) -> Result<(), Error> {
        let principal = request.extensions().get::<Arc<Principal>>();
        let peer = request.extensions().get::<Peer>();
        let noted = outgoing::with_current(|call| {
            let Some(known) = &call.known else { return false };
            principal.map(|p| known.principal.set(p.subject));
            peer.map(|p| known.peer.set(p.role.as_str()));
            true
        });
        if noted == Some(true) {
            return Ok(());
        }
        let span = Span::current();
        if let Some(principal) = principal {
            span.record("principal", tracing::field::display(&principal.subject));
        }
        if let Some(peer) = peer {
            span.record("peer", peer.role.as_str());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use opentelemetry::trace::TracerProvider as _;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tower::ServiceExt;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::{layer::request_id::RequestIdLayer, policy::Table, settings::Role, telemetry::capture};

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    /// What a handler is given, and what it would hand on.
    async fn seen(exports: bool, parent: &str) -> (HeaderMap, HeaderMap) {
        let mut settings = Settings::defaults(Role::Auth);
        settings.telemetry.otlp_endpoint = exports.then(|| "http://localhost:4317".to_owned());
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        let handler = move |request: Request<Body>| {
            let sender = sender.clone();
            async move {
                tracing::info!("handled");
                let mut next = HeaderMap::new();
                outgoing::propagate(&mut next);
                sender.send((request.headers().clone(), next)).unwrap();
                Ok(Response::new(Body::empty()))
            }
        };
        let stack = tower::ServiceBuilder::new()
            .layer(RequestIdLayer)
            .layer(TraceLayer::service(&settings))
            .service_fn(handler);
        let mut request = Request::new(Body::empty());
        request.headers_mut().insert("traceparent", parent.parse().unwrap());
        request.headers_mut().insert("tracestate", "vendor=1".parse().unwrap());
        request.headers_mut().insert("x-request-id", "r-1".parse().unwrap());
        let table = Table::compiled_in();
        let method = table.get("/logicore.auth.v1.AuthService/Login").unwrap();
        request.extensions_mut().insert(Arc::clone(method));
        let Ok(_) = stack.oneshot(request).await;
        receiver.recv().await.unwrap()
    }

    #[tokio::test]
    async fn without_an_exporter_the_callers_context_goes_on_as_it_came() {
        let (log, _on) = capture::start("info");
        let (given, next) = seen(false, PARENT).await;
        for headers in [&given, &next] {
            assert_eq!(headers["traceparent"], PARENT);
            assert_eq!(headers["tracestate"], "vendor=1");
            assert_eq!(headers["x-request-id"], "r-1");
        }
        let line = &log.lines()[0];
        assert_eq!((&line["trace_id"], &line["request_id"]), (&TRACE.into(), &"r-1".into()));
        assert_eq!(line["method"], "logicore.auth.v1.AuthService/Login");
        assert_eq!(line["logicore.role"], "auth");
    }

    #[tokio::test]
    async fn the_span_says_who_calls_once_it_is_proven() {
        let (log, _on) = capture::start("info");
        let handler = |_| async {
            tracing::info!("handled");
            Ok(Response::new(Body::empty()))
        };
        let stack = tower::ServiceBuilder::new()
            .layer(TraceLayer::gateway(&Settings::defaults(Role::Gateway)))
            .layer(who())
            .service_fn(handler);
        let mut request = Request::new(Body::empty());
        request.extensions_mut().insert(Peer { role: Role::User });
        let Ok(_) = stack.oneshot(request).await;
        assert_eq!(log.lines()[0]["peer"], "user");
        assert_eq!(log.lines()[0]["logicore.role"], "gateway");
    }

    #[tokio::test]
    async fn a_malformed_context_goes_no_further() {
        let (given, next) = seen(false, "00-xyz").await;
        for headers in [&given, &next] {
            assert!(!headers.contains_key("traceparent") && !headers.contains_key("tracestate"));
        }
    }

    #[tokio::test]
    async fn with_an_exporter_our_span_stands_between_the_callers_and_the_next() {
        capture::share();
        let provider = SdkTracerProvider::builder().build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        let _on = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
        let (given, next) = seen(true, PARENT).await;
        for headers in [&given, &next] {
            let value = headers["traceparent"].to_str().unwrap();
            assert!(value.contains(TRACE), "{value}");
            assert_ne!(value, PARENT, "the span is ours");
        }
        assert_eq!(given["traceparent"], next["traceparent"]);
        assert_eq!(next["tracestate"], "vendor=1");
    }
}
