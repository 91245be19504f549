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
    front::Answer,
    rest::{self, Match},
};

/// Makes gRPC requests of REST requests; others pass.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TranscodeLayer {
    limit: usize,
}

impl TranscodeLayer {
    /// Reads bodies up to `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit }
    }
}

impl<S> Layer<S> for TranscodeLayer {
    type Service = Transcode<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Transcode {
            limit: self.limit,
            inner,
        }
    }
}

/// A service that takes REST requests too.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transcode<S> {
    limit: usize,
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
        let limit = self.limit;
        Either::Right(Box::pin(async move {
            let (parts, body) = request.into_parts();
            match rest::decode(&route, &parts, body, limit).await {
                Ok(request) => inner.call(request).await,
                Err(error) => Ok(refuse(error)),
            }
        }))
    }
}
