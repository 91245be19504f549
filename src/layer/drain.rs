//! Ends streams when the process closes: they would hold it until it is killed, and their callers learn nothing from that.

#[cfg(test)]
mod tests;

use std::{
    convert::Infallible,
    pin::pin,
    task::{Context, Poll},
};

use futures_util::future::{Either, select};
use http::{Request, Response};
use tonic::{Status, body::Body};
use tower::{Layer, Service};

use super::{AnswerFuture, body, refuse, route};
use crate::{
    error::{Error, Reason},
    server::{Lifecycle, Phase},
};

/// Ends the answers of streaming methods with UNAVAILABLE when the process closes; others finish.
#[derive(Clone, Debug)]
pub struct DrainLayer(Lifecycle);

impl DrainLayer {
    /// A layer that follows this process's life.
    #[must_use]
    pub fn new(lifecycle: Lifecycle) -> Self {
        Self(lifecycle)
    }
}

impl<S> Layer<S> for DrainLayer {
    type Service = Drain<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Drain {
            lifecycle: self.0.clone(),
            watches: false,
            inner,
        }
    }
}

/// The same for a health service, which no policy describes: what it streams is its `Watch`.
pub(crate) fn watch_ends<S>(lifecycle: Lifecycle, inner: S) -> Drain<S> {
    Drain {
        lifecycle,
        watches: true,
        inner,
    }
}

/// A service whose streams end with the process.
#[derive(Clone, Debug)]
pub struct Drain<S> {
    lifecycle: Lifecycle,
    watches: bool,
    inner: S,
}

impl<S> Service<Request<Body>> for Drain<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<S::Future, AnswerFuture>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let streams = route::method(request.extensions()).is_some_and(|m| m.server_streaming)
            || (self.watches && request.uri().path().ends_with("/Watch"));
        let answer = self.inner.call(request);
        if !streams {
            return Either::Left(answer);
        }
        let over = Box::pin(closing(self.lifecycle.clone()));
        Either::Right(Box::pin(async move {
            match select(pin!(answer), over).await {
                Either::Left((Ok(response), over)) => Ok(body::cut_short(response, async { Status::from(over.await) })),
                // Nobody knows when, or whether, it would have begun.
                Either::Right((error, _)) => Ok(refuse(error)),
            }
        }))
    }
}

async fn closing(lifecycle: Lifecycle) -> Error {
    lifecycle.reached(Phase::Closing).await;
    Error::new(Reason::NotReady, "this server is shutting down: connect again")
}
