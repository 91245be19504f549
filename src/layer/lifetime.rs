//! Ends a stream when the token it began with is revoked or expires. Unary calls pass untouched.
//!
//! Each stream sleeps until its token's end and wakes on every change of the access feed; there is no list of streams to walk.

#[cfg(test)]
mod tests;

use std::{
    convert::Infallible,
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::{Either, select};
use http::{Request, Response};
use tokio::time::sleep;
use tonic::{Status, body::Body};
use tower::{Layer, Service};

use super::{AnswerFuture, body, refuse, route};
use crate::{access::Principal, error::Error, token::Verifier};

/// Least time between two looks at one stream: a token's last fraction of a second must not become a busy loop.
const LEAST: Duration = Duration::from_millis(50);

/// Ends streams with their tokens.
#[derive(Clone, Debug)]
pub struct LifetimeLayer(Arc<Verifier>);

impl LifetimeLayer {
    /// A layer that asks this verifier.
    #[must_use]
    pub fn new(verifier: &Arc<Verifier>) -> Self {
        Self(Arc::clone(verifier))
    }
}

impl<S> Layer<S> for LifetimeLayer {
    type Service = Lifetime<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Lifetime {
            verifier: Arc::clone(&self.0),
            inner,
        }
    }
}

/// A service whose streams end with their tokens.
#[derive(Clone, Debug)]
pub struct Lifetime<S> {
    verifier: Arc<Verifier>,
    inner: S,
}

impl<S> Service<Request<Body>> for Lifetime<S>
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
        let streams = route::method(request.extensions()).is_some_and(|m| !m.unary());
        let principal = request
            .extensions()
            .get::<Arc<Principal>>()
            .filter(|_| streams)
            .cloned();
        let answer = self.inner.call(request);
        let Some(principal) = principal else {
            return Either::Left(answer);
        };
        let over = Box::pin(ended(Arc::clone(&self.verifier), principal));
        Either::Right(Box::pin(async move {
            match select(pin!(answer), over).await {
                Either::Left((answer, over)) => {
                    let Ok(response) = answer;
                    Ok(body::cut_short(response, async { Status::from(over.await) }))
                }
                Either::Right((error, _)) => Ok(refuse(error)),
            }
        }))
    }
}

/// Waits until the principal is not good any more, and says why.
pub async fn ended(verifier: Arc<Verifier>, principal: Arc<Principal>) -> Error {
    let mut changed = verifier.access().changed();
    loop {
        if let Err(error) = verifier.still_good(&principal) {
            return error;
        }
        let left = verifier.lifetime(&principal).max(LEAST);
        tokio::select! {
            () = sleep(left) => {}
            // The view lives as long as the verifier does.
            _ = changed.changed() => {}
        }
    }
}
