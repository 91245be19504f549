//! Bodies of REST and Connect into messages of gRPC, innermost: by then it is known that the caller may send one.

use std::{
    convert::Infallible,
    pin::pin,
    task::{Context, Poll},
};

use futures_util::future::{Either, select};
use http::{Request, Response, request::Parts};
use logicore::layer::{ready, refuse};
use tonic::body::Body;
use tower::{Layer, Service};

use crate::{
    bodies::Bounds,
    front::{Answer, Inward},
    rest::{self, Match},
};

/// Makes gRPC requests of those whose front left their bodies alone; others pass.
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

/// A service that takes such requests too.
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
        let Some(inward) = request.extensions_mut().remove::<Inward>() else {
            return Either::Left(self.inner.call(request));
        };
        let mut inner = ready::take(&mut self.inner);
        let bounds = self.bounds.clone();
        Either::Right(Box::pin(async move {
            let (parts, body) = request.into_parts();
            if let Inward::Rest(route) = &inward
                && route.binding.takes_stream()
            {
                return Ok(stream(inner, route, parts, body, &bounds).await);
            }
            match inward.adapt(parts, body, &bounds).await {
                Ok(request) => inner.call(request).await,
                Err(error) => Ok(refuse(error)),
            }
        }))
    }
}

/// Calls with a body that is not collected. What becomes wrong with it ends the call, as long as nothing was answered.
async fn stream<S>(mut inner: S, route: &Match, parts: Parts, body: Body, bounds: &Bounds) -> Response<Body>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let (request, wrong) = match rest::upload(route, parts, body, bounds).await {
        Ok(sending) => sending,
        Err(error) => return refuse(error),
    };
    // Nothing was wrong once nobody can tell it any more: the body was read to its end.
    let wrong = async {
        match wrong.await {
            Ok(error) => error,
            Err(_) => std::future::pending().await,
        }
    };
    match select(pin!(inner.call(request)), pin!(wrong)).await {
        Either::Left((Ok(answer), _)) => answer,
        Either::Right((error, _)) => refuse(error),
    }
}
