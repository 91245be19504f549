//! Rate limits: so many units a minute for each principal, and for each address that shows no valid token.
//!
//! Counted by this replica alone. The answer says how much is left in the `RateLimit-*` headers (draft-ietf-httpapi-ratelimit-headers,
//! the form of its versions up to 06, which clients know), and a refusal when to come back.

mod bucket;

use std::{
    convert::Infallible,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_util::future::Either;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Request, Response};
use logicore::{
    Context as Process, Error, Reason,
    access::Principal,
    ids::{TenantId, UserId},
    layer::refuse,
    server::{PeerAddr, network},
};
use pin_project_lite::pin_project;
use prometheus::IntCounter;
use tonic::body::Body;
use tower::{Layer, Service};

use crate::routes::Route;
use bucket::{Buckets, Standing};

const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The time in which a limit counts.
const WINDOW: Duration = Duration::from_secs(60);
/// How often buckets that are full again are forgotten.
const SWEEP: Duration = Duration::from_secs(30);

/// Whose requests are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// Those of one address, where no principal is known.
    Address,
    /// Those of one principal.
    Principal,
}

/// Whom a bucket belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Address(IpAddr),
    Principal(TenantId, UserId),
}

/// Holds requests to a limit.
#[derive(Clone, Debug)]
pub(crate) struct LimitLayer(Arc<Limit>);

#[derive(Debug)]
struct Limit {
    by: By,
    buckets: Buckets<Key>,
    limit: HeaderValue,
    policy: HeaderValue,
    refused: IntCounter,
}

impl LimitLayer {
    pub(crate) fn new(process: &Process, by: By) -> Self {
        let limits = &process.settings.limits;
        let (units, label) = match by {
            By::Address => (limits.address_rate_per_minute, "address"),
            By::Principal => (limits.rate_per_minute, "principal"),
        };
        let policy = format!("{units};w={}", WINDOW.as_secs());
        let limit = Arc::new(Limit {
            by,
            buckets: Buckets::new(units, WINDOW),
            limit: units.into(),
            policy: HeaderValue::try_from(policy).expect("digits and signs are header text"),
            refused: process.metrics.rate_limited.with_label_values(&[label]),
        });
        process.tasks.spawn(sweep(Arc::clone(&limit), process.shutdown.clone()));
        Self(limit)
    }

    /// Counts what is answered without a stack.
    ///
    /// # Errors
    /// `RATE_LIMITED`.
    pub(crate) fn count(&self, extensions: &Extensions) -> Result<(), Error> {
        let standing = self.0.key(extensions).map(|key| self.0.buckets.take(key, 1));
        match standing.filter(|standing| !standing.allowed) {
            None => Ok(()),
            Some(standing) => {
                self.0.refused.inc();
                Err(self.0.refusal(&standing))
            }
        }
    }
}

async fn sweep(limit: Arc<Limit>, shutdown: tokio_util::sync::CancellationToken) {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(SWEEP) => limit.buckets.sweep(),
        }
    }
}

impl Limit {
    /// Whose request it is, as far as this limit counts.
    fn key(&self, extensions: &Extensions) -> Option<Key> {
        let principal = extensions.get::<Arc<Principal>>();
        match (self.by, principal) {
            (By::Address, None) => extensions.get::<PeerAddr>().map(|a| Key::Address(network(a.0.ip()))),
            (By::Principal, Some(p)) => Some(Key::Principal(p.tenant.clone(), p.subject)),
            _ => None,
        }
    }

    fn refusal(&self, standing: &Standing) -> Error {
        let whose = match self.by {
            By::Address => "this address",
            By::Principal => "you",
        };
        Error::new(
            Reason::RateLimited,
            format!(
                "too many requests from {whose}: {} a minute are served",
                self.buckets.units()
            ),
        )
        .retry_after(standing.retry_after)
    }

    fn tell(&self, standing: &Standing, headers: &mut HeaderMap) {
        let seconds = u64::try_from(standing.reset.as_millis().div_ceil(1000)).unwrap_or(u64::MAX);
        headers.insert(LIMIT, self.limit.clone());
        headers.insert(REMAINING, once(standing.remaining.into()));
        headers.insert(RESET, once(seconds.into()));
        headers.insert(POLICY, self.policy.clone());
    }
}

/// A value that is another one with each answer: in the tables of header compression (RFC 7541) it would push out those that are not.
fn once(mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(true);
    value
}

impl<S> Layer<S> for LimitLayer {
    type Service = Limited<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Limited {
            limit: Arc::clone(&self.0),
            inner,
        }
    }
}

/// A service behind a limit.
#[derive(Clone, Debug)]
pub(crate) struct Limited<S> {
    limit: Arc<Limit>,
    inner: S,
}

impl<S> Service<Request<Body>> for Limited<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<ResponseFuture<S::Future>, std::future::Ready<Result<Response<Body>, Infallible>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let route = request.extensions().get::<Arc<Route>>();
        let key = self.limit.key(request.extensions());
        let Some(key) = key.filter(|_| route.is_none_or(|r| !r.is_probe)) else {
            let future = self.inner.call(request);
            return Either::Left(ResponseFuture { future, told: None });
        };
        let cost = route.map_or(1, |r| r.method.rate_cost);
        let standing = self.limit.buckets.take(key, cost);
        if standing.allowed {
            let future = self.inner.call(request);
            let told = Some((Arc::clone(&self.limit), standing));
            return Either::Left(ResponseFuture { future, told });
        }
        self.limit.refused.inc();
        let mut refused = refuse(self.limit.refusal(&standing));
        self.limit.tell(&standing, refused.headers_mut());
        Either::Right(std::future::ready(Ok(refused)))
    }
}

pin_project! {
    /// The answer, with what is left of the limit in its headers.
    pub(crate) struct ResponseFuture<F> {
        #[pin]
        future: F,
        told: Option<(Arc<Limit>, Standing)>,
    }
}

impl<F: Future<Output = Result<Response<Body>, Infallible>>> Future for ResponseFuture<F> {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Ok(mut response) = ready!(this.future.poll(cx));
        if let Some((limit, standing)) = this.told.take() {
            limit.tell(&standing, response.headers_mut());
        }
        Poll::Ready(Ok(response))
    }
}

#[cfg(test)]
pub(crate) mod tests;
