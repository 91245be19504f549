//! The end of the way in: hands a request to the upstream of its route, or to the gateway's own services.
//!
//! The body is watched on its way: what is wrong with it is the caller's fault, so the upstream's call is dropped without a word,
//! which no breaker counts, and the caller is told.

mod caller;
mod intake;

use std::{
    convert::Infallible,
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::{Either, select};
use http::{HeaderMap, Request, Response};
use logicore::{
    Error, Reason,
    compression::Encoding,
    layer::{GrpcService, refuse},
};
use tonic::{body::Body, service::Routes};
use tower::{Service, ServiceExt, util::BoxCloneSyncService};

use self::intake::Rules;
use crate::{bodies::Bounds, front::Answer, rest, routes::Route};

/// Hands requests on.
#[derive(Clone, Debug)]
pub(crate) struct Forward {
    /// Shared, since this is cloned for every request and asked for few.
    own: Arc<GrpcService>,
    bounds: Bounds,
}

impl Forward {
    /// `own`: what the gateway serves by itself. Longer messages than the bounds allow are refused.
    pub(crate) fn new(own: Routes, bounds: &Bounds) -> Self {
        Self {
            own: Arc::new(BoxCloneSyncService::new(own.prepare())),
            bounds: bounds.clone(),
        }
    }
}

/// How the messages of a call are compressed, where who serves it reads that.
fn encoding(headers: &HeaderMap, route: &Route) -> Result<Option<Encoding>, Error> {
    let encoding = Encoding::of_call(headers)?;
    if encoding == Some(Encoding::Br) && !route.target.is_foreign() {
        return Err(Error::new(
            Reason::EncodingUnknown,
            "this service does not read br: gzip, deflate and zstd it does",
        ));
    }
    Ok(encoding)
}

impl Service<Request<Body>> for Forward {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Answer {
        let Some(route) = request.extensions().get::<Arc<Route>>().cloned() else {
            let error = Error::internal("forward stands behind what lets only routes pass");
            return Box::pin(std::future::ready(Ok(refuse(error))));
        };
        let (parts, body) = request.into_parts();
        let watched = encoding(&parts.headers, &route).and_then(|encoding| {
            let limit = self.bounds.longest(&parts.extensions);
            intake::watch(body, Rules::new(limit, !route.method.client_streaming, encoding))
        });
        let (body, wrong) = match watched {
            Ok(watched) => watched,
            Err(error) => return Box::pin(std::future::ready(Ok(refuse(error)))),
        };
        let mut request = Request::from_parts(parts, body);
        let foreign = route.target.is_foreign();
        if foreign {
            caller::tell(&mut request);
        }
        let call = match route.target.choose(request.headers()) {
            Some(upstream) => Either::Left(upstream.clone().call(request)),
            None => Either::Right(GrpcService::clone(&self.own).oneshot(request)),
        };
        Box::pin(async move {
            // The call first: an answer that is there is an answer, whatever else the caller still sends.
            match select(pin!(call), wrong).await {
                Either::Left((mut answer, _)) => {
                    if let Ok(answer) = &mut answer
                        && foreign
                    {
                        rest::disown(answer.headers_mut());
                    }
                    answer
                }
                Either::Right((error, _)) => Ok(refuse(error)),
            }
        })
    }
}
