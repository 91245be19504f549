//! A layer that looks at a request, may mark it, and either lets it pass or refuses it: most layers are no more than that, and
//! cost no allocation this way.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
};

use futures_util::future::Either;
use http::{Request, Response};
use tonic::body::Body;
use tower::{Layer, Service};

use crate::{error::Error, layer::refuse};

/// What a gate does with a request.
pub trait Gate: Clone {
    /// Lets the request pass, marked or not.
    ///
    /// # Errors
    /// What the caller is told instead.
    fn admit(&self, request: &mut Request<Body>) -> Result<(), Error>;
}

/// A gate as a layer.
#[derive(Clone, Copy, Debug)]
pub struct GateLayer<G>(pub G);

impl<G: Gate, S> Layer<S> for GateLayer<G> {
    type Service = Gated<G, S>;

    fn layer(&self, inner: S) -> Self::Service {
        Gated {
            gate: self.0.clone(),
            inner,
        }
    }
}

/// A service behind a gate.
#[derive(Clone, Copy, Debug)]
pub struct Gated<G, S> {
    gate: G,
    inner: S,
}

impl<G, S> Service<Request<Body>> for Gated<G, S>
where
    G: Gate,
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<S::Future, Ready<Result<Response<Body>, Infallible>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        match self.gate.admit(&mut request) {
            Ok(()) => Either::Left(self.inner.call(request)),
            Err(error) => Either::Right(ready(Ok(refuse(error)))),
        }
    }
}
