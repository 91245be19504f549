//! What HTTP itself asks: the host names that are served, the size of headers, CORS, and security headers.
//!
//! Everything is worked out once, when the layer is made. Native gRPC is left alone, but for the host: a browser cannot
//! speak it, so headers for browsers would be bytes for nothing on every call.

mod cors;
mod headers;
mod host;
mod size;

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use logicore::{
    Error, Reason,
    server::{HttpService, Unwelcome},
    settings::Settings,
};
use tonic::body::Body;
use tower::{Service, util::BoxCloneSyncService};

use crate::{
    front::refusal,
    protocol::{self, Protocol},
};

/// The rules of one listener.
#[derive(Debug)]
struct Rules {
    hosts: host::Hosts,
    sizes: size::Sizes,
    cors: cors::Cors,
    headers: headers::Headers,
}

/// Wraps the whole gateway: refuses foreign `Host` names and too large headers, answers CORS preflights, adds the headers to every
/// answer.
#[must_use]
pub fn wrap(settings: &Settings, inner: HttpService) -> HttpService {
    let rules = Rules {
        hosts: host::Hosts::new(settings),
        sizes: size::Sizes::new(&settings.limits),
        cors: cors::Cors::new(&settings.cors),
        headers: headers::Headers::new(settings.tls.is_some()),
    };
    BoxCloneSyncService::new(HttpRules {
        rules: Arc::new(rules),
        inner,
    })
}

#[derive(Clone, Debug)]
struct HttpRules {
    rules: Arc<Rules>,
    inner: HttpService,
}

impl Service<Request<Body>> for HttpRules {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let rules = self.rules.clone();
        let refused = rules.hosts.check(&request).and_then(|()| rules.sizes.check(&request));
        let protocol = protocol::of(&request);
        if protocol == Protocol::Grpc {
            return match refused {
                Ok(()) => self.inner.call(request),
                Err(error) => Box::pin(async move { Ok(unserved(protocol, error)) }),
            };
        }
        let origin = rules.cors.allowed(request.headers());
        let early = match refused {
            Err(error) => Some(unserved(protocol, error)),
            Ok(()) => rules.cors.preflight(&request),
        };
        // The service is called here, where it is ready, and only its future is awaited.
        let answer = early.is_none().then(|| self.inner.call(request));
        Box::pin(async move {
            let mut answer = match (early, answer) {
                (Some(early), _) => early,
                (None, Some(answer)) => answer.await?,
                (None, None) => unreachable!("one of both is there"),
            };
            rules.headers.add(answer.headers_mut());
            rules.cors.add(origin, answer.headers_mut());
            Ok(answer)
        })
    }
}

/// A refusal, marked where no client that works would ask so.
fn unserved(protocol: Protocol, error: Error) -> Response<Body> {
    let too_large = error.reason() == Reason::HeadersTooLarge;
    let mut refused = refusal(protocol, error);
    if too_large {
        refused.extensions_mut().insert(Unwelcome);
    }
    refused
}

#[cfg(test)]
mod tests;
