//! CORS (Fetch standard): which pages of other origins may read answers.
//!
//! Credentials in the sense of CORS (cookies) are never allowed: tokens travel in `Authorization`, which the page sets by
//! itself. So `*` is safe to offer to those who ask for it.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use logicore::settings;
use tonic::body::Body;

/// What a page may read beside the body.
const EXPOSED: &str = "grpc-status,grpc-message,grpc-status-details-bin,grpc-encoding,grpc-accept-encoding,\
content-encoding,connect-content-encoding,x-request-id,retry-after,www-authenticate,\
ratelimit,ratelimit-policy,ratelimit-limit,ratelimit-remaining,ratelimit-reset,x-logicore-stale";

/// What a page may send.
const HEADERS: &str = "authorization,content-type,connect-accept-encoding,connect-content-encoding,connect-protocol-version,\
connect-timeout-ms,content-encoding,grpc-accept-encoding,grpc-encoding,grpc-timeout,idempotency-key,traceparent,tracestate,x-grpc-web,\
x-request-id,x-user-agent";

const METHODS: &str = "GET,HEAD,POST,PUT,PATCH,DELETE";

/// Two hours: what Chromium takes at most.
const MAX_AGE: &str = "7200";

const PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-request-private-network");

/// Origins of other pages.
#[derive(Debug)]
pub(super) struct Cors {
    any: bool,
    origins: Vec<HeaderValue>,
}

/// What a request's origin may do.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Allowed {
    /// No other origin is configured: CORS is off.
    Off,
    /// Not this one, or none was named.
    No,
    /// This one.
    Yes(HeaderValue),
}

impl Cors {
    pub(super) fn new(settings: &settings::Cors) -> Self {
        let origins = settings.origins.iter().filter(|o| *o != "*");
        Self {
            any: settings.origins.iter().any(|o| o == "*"),
            origins: origins
                .filter_map(|o| HeaderValue::from_str(o.trim_end_matches('/')).ok())
                .collect(),
        }
    }

    /// What the request's origin may do.
    pub(super) fn allowed(&self, headers: &HeaderMap) -> Allowed {
        if !self.any && self.origins.is_empty() {
            return Allowed::Off;
        }
        match headers.get(header::ORIGIN) {
            Some(_) if self.any => Allowed::Yes(HeaderValue::from_static("*")),
            Some(origin) if self.origins.contains(origin) => Allowed::Yes(origin.clone()),
            _ => Allowed::No,
        }
    }

    /// The answer to a preflight; `None` where the request is none. One that is not allowed gets the same answer without
    /// the headers that would allow it.
    pub(super) fn preflight<B>(&self, request: &Request<B>) -> Option<Response<Body>> {
        let headers = request.headers();
        let preflight = request.method() == Method::OPTIONS
            && headers.contains_key(header::ORIGIN)
            && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        if !preflight {
            return None;
        }
        let mut answer = Response::new(Body::empty());
        *answer.status_mut() = StatusCode::NO_CONTENT;
        if let Allowed::Yes(_) = self.allowed(headers) {
            let out = answer.headers_mut();
            out.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
            out.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(HEADERS));
            out.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE));
            // A page on the Internet reaches into a private network only where its origin is named one by one.
            if !self.any && headers.contains_key(PRIVATE_NETWORK) {
                out.insert("access-control-allow-private-network", HeaderValue::from_static("true"));
            }
        }
        Some(answer)
    }

    /// Adds what lets the origin read the answer. Caches must keep the answers to different origins apart.
    pub(super) fn add(&self, allowed: Allowed, to: &mut HeaderMap) {
        if allowed != Allowed::Off && !self.any {
            to.append(header::VARY, HeaderValue::from_static("origin"));
        }
        if let Allowed::Yes(origin) = allowed {
            to.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            to.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
        }
    }
}
