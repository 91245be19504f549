//! REST bodies into messages, innermost: by then it is known that the caller may send one.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::Either;
use http::{Request, Response};
use logicore::layer::{ready, refuse};
use tonic::body::Body;
use tower::{Layer, Service};

use crate::{
    bodies::Bounds,
    front::Answer,
    rest::{self, Match},
};

/// Makes gRPC requests of REST requests; others pass.
#[derive(Clone, Debug)]
pub(crate) struct TranscodeLayer {
    bounds: Bounds,
}

impl TranscodeLayer {
    /// Reads bodies within bounds.
    pub(crate) fn new(bounds: &Bounds) -> Self {
        Self { bounds: bounds.clone() }
    }
}

impl<S> Layer<S> for TranscodeLayer {
    type Service = Transcode<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Transcode {
            bounds: self.bounds.clone(),
            inner,
        }
    }
}

/// A service that takes REST requests too.
#[derive(Clone, Debug)]
pub(crate) struct Transcode<S> {
    bounds: Bounds,
    inner: S,
}

impl<S> Service<Request<Body>> for Transcode<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<S::Future, Answer>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let Some(route) = request.extensions_mut().remove::<Arc<Match>>() else {
            return Either::Left(self.inner.call(request));
        };
        let mut inner = ready::take(&mut self.inner);
        let bounds = self.bounds.clone();
        Either::Right(Box::pin(async move {
            let (parts, body) = request.into_parts();
            let longest = bounds.longest(&parts.extensions);
            let place = bounds.place(&parts.headers, longest).await;
            let decoded = rest::decode(&route, &parts, body, longest).await;
            drop(place);
            match decoded {
                Ok(request) => inner.call(request).await,
                Err(error) => Ok(refuse(error)),
            }
        }))
    }
}
