//! Documents for programs: metrics for Prometheus, public keys (RFC 7517), and where things are (RFC 8414).

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Response, header, request::Parts};
use http_body_util::Full;
use logicore::{Context, Error, Reason, feed::AccessView, telemetry::Metrics};
use serde_json::json;
use tonic::body::Body;

use crate::{
    limits::LimitLayer,
    rest::{NoMatch, http_error, options},
};

const ALLOW: &str = "GET, HEAD, OPTIONS";
const JWKS: &str = "/.well-known/jwks.json";
/// How long the keys may be cached: a new key is published for that long before it signs.
const KEYS_FOR: HeaderValue = HeaderValue::from_static("public, max-age=300");
const NOT_KEPT: HeaderValue = HeaderValue::from_static("no-store");
const JSON: &str = "application/json";

/// The documents.
#[derive(Clone, Debug)]
pub(crate) struct Documents {
    metrics: Arc<Metrics>,
    access: Arc<AccessView>,
    metadata: Bytes,
    limit: LimitLayer,
}

impl Documents {
    /// `limit`: of each address. Metrics are dear to write.
    pub(crate) fn new(ctx: &Context, limit: LimitLayer) -> Self {
        Self {
            metrics: Arc::clone(&ctx.metrics),
            access: Arc::clone(&ctx.access),
            metadata: metadata(&ctx.settings.public_url).into(),
            limit,
        }
    }

    /// The answer to a request for a document; `None` where the path is none.
    pub(crate) fn answer(&self, request: &Parts) -> Option<Response<Body>> {
        let make: fn(&Self) -> Response<Body> = match request.uri.path() {
            "/metrics" => Self::metrics,
            JWKS => Self::keys,
            "/.well-known/oauth-authorization-server" => Self::metadata,
            _ => return None,
        };
        if let Err(error) = self.limit.count(&request.extensions) {
            return Some(http_error(error));
        }
        Some(match request.method {
            Method::GET => make(self),
            Method::HEAD => make(self).map(|_| Body::empty()),
            Method::OPTIONS => options(ALLOW),
            _ => http_error(Error::from(NoMatch::MethodNotAllowed {
                allow: ALLOW.to_owned(),
            })),
        })
    }

    fn metrics(&self) -> Response<Body> {
        document(
            self.metrics.text(),
            "text/plain; version=0.0.4; charset=utf-8",
            NOT_KEPT,
        )
    }

    fn keys(&self) -> Response<Body> {
        if !self.access.auth_known() {
            let error = Error::new(Reason::NotReady, "the keys have not arrived yet");
            return http_error(error.retry_after(std::time::Duration::from_secs(1)));
        }
        let keys = Bytes::copy_from_slice(self.access.jwks().as_bytes());
        document(keys, "application/jwk-set+json", KEYS_FOR)
    }

    fn metadata(&self) -> Response<Body> {
        document(self.metadata.clone(), JSON, KEYS_FOR)
    }
}

fn document(body: impl Into<Bytes>, content_type: &'static str, cache: HeaderValue) -> Response<Body> {
    let mut answer = Response::new(Body::new(Full::from(body.into())));
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, cache);
    answer
}

/// What RFC 8414 asks for, as far as it is so: tokens come by `AuthService`, not by an OAuth grant, so no endpoint claims one.
fn metadata(public_url: &str) -> String {
    json!({
        "issuer": public_url,
        "jwks_uri": format!("{public_url}{JWKS}"),
        "introspection_endpoint": format!("{public_url}/auth/introspect"),
        "introspection_endpoint_auth_methods_supported": ["bearer"],
        "response_types_supported": [],
        "grant_types_supported": [],
        "service_documentation": format!("{public_url}/docs"),
    })
    .to_string()
}
