//! The last good answer to the same question, while the upstream cannot give one: for methods whose policy allows it.
//!
//! The same question is the same method and request bytes, by the same principal, under the same roles. The answer is marked: `age` says how
//! many seconds old it is, `warning` and `x-logicore-stale` that it is not fresh (RFC 9111, 5.5, and what a program can look for).

mod memory;

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::future::Either;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use logicore::{
    Context as Process,
    access::Principal,
    feed::AccessView,
    layer::{
        body::{code_in, trailers},
        ready,
    },
};
use tonic::{Code, Status, body::Body};
use tower::{Layer, Service};

use crate::{front::Answer, routes::Route};
use memory::{Kept, Memory, Question};

/// Longest question and longest answer that are kept.
const LONGEST: usize = 256 << 10;
const STALE: HeaderName = HeaderName::from_static("x-logicore-stale");

/// Keeps answers, and gives them when the upstream cannot.
#[derive(Clone, Debug)]
pub(crate) struct FallbackLayer {
    memory: Arc<Memory>,
    access: Arc<AccessView>,
}

impl FallbackLayer {
    pub(crate) fn new(process: &Process) -> Self {
        Self {
            memory: Arc::default(),
            access: Arc::clone(&process.access),
        }
    }
}

impl<S> Layer<S> for FallbackLayer {
    type Service = Fallback<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Fallback {
            layer: self.clone(),
            inner,
        }
    }
}

/// A service whose answers outlive their upstream.
#[derive(Clone, Debug)]
pub(crate) struct Fallback<S> {
    layer: FallbackLayer,
    inner: S,
}

impl<S> Service<Request<Body>> for Fallback<S>
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

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let allowed = |r: &&Arc<Route>| r.method.fallback && r.method.unary();
        let Some(route) = request.extensions().get::<Arc<Route>>().filter(allowed).cloned() else {
            return Either::Left(self.inner.call(request));
        };
        let inner = ready::take(&mut self.inner);
        let layer = self.layer.clone();
        Either::Right(Box::pin(async move { layer.answer(route, request, inner).await }))
    }
}

impl FallbackLayer {
    async fn answer<S>(
        &self,
        route: Arc<Route>,
        request: Request<Body>,
        mut inner: S,
    ) -> Result<Response<Body>, Infallible>
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    {
        let (parts, body) = request.into_parts();
        let (asked, body) = peek(body).await;
        let principal = parts.extensions.get::<Arc<Principal>>();
        let question = asked.map(|message| Question {
            method: Arc::clone(&route.method.path),
            message,
            principal: principal.map(|p| (p.tenant.clone(), p.subject)),
            roles: principal.map(|p| p.roles.clone()).unwrap_or_default(),
            policy: self.access.policy_revision(),
        });
        let answer = inner.call(Request::from_parts(parts, body)).await?;
        let Some(question) = question else {
            return Ok(answer);
        };
        let (head, body) = answer.into_parts();
        let (read, body) = whole(body).await;
        let code = code_in(&head.headers).or_else(|| read.as_ref().and_then(|r| code_in(&r.trailers)));
        match (code, read) {
            // A compressed one can be read with its own head alone, and not by every caller.
            (Some(Code::Ok), Some(read))
                if head.headers.get(Status::GRPC_STATUS).is_none() && read.data.first() == Some(&0) =>
            {
                self.memory.keep(question, Kept::new(read.data));
            }
            (Some(Code::Unavailable | Code::DeadlineExceeded | Code::Internal | Code::Unknown), _) => {
                if let Some(kept) = self.memory.find(&question) {
                    tracing::debug!(method = %route.method.path, "an older answer stands in");
                    return Ok(stale(&kept));
                }
            }
            _ => {}
        }
        Ok(Response::from_parts(head, body))
    }
}

/// An answer that was read to its end.
struct Read {
    data: Bytes,
    trailers: HeaderMap,
}

/// Reads a unary question and gives it back; `None` in front where it is too long or broke off, which the next will notice.
async fn peek(body: Body) -> (Option<Bytes>, Body) {
    match whole(body).await {
        (Some(read), body) => (Some(read.data), body),
        (None, body) => (None, body),
    }
}

/// Reads a body up to its bound and gives back one that reads the same.
async fn whole(mut body: Body) -> (Option<Read>, Body) {
    let mut seen: Vec<Result<Frame<Bytes>, Status>> = Vec::new();
    let mut data = Vec::new();
    let mut ends = HeaderMap::new();
    let complete = loop {
        match body.frame().await {
            None => break true,
            Some(Err(status)) => {
                seen.push(Err(status));
                break false;
            }
            Some(Ok(frame)) => {
                if let Some(bytes) = frame.data_ref() {
                    data.extend_from_slice(bytes);
                }
                if let Some(trailers) = frame.trailers_ref() {
                    ends = trailers.clone();
                }
                seen.push(Ok(frame));
                if data.len() > LONGEST {
                    break false;
                }
            }
        }
    };
    let read = complete.then(|| Read {
        data: data.into(),
        trailers: ends,
    });
    let again = tokio_stream::iter(seen);
    let body = if complete {
        Body::new(StreamBody::new(again))
    } else {
        let rest = http_body_util::BodyStream::new(body);
        Body::new(StreamBody::new(tokio_stream::StreamExt::chain(again, rest)))
    };
    (read, body)
}

fn stale(kept: &Kept) -> Response<Body> {
    let body = Full::from(kept.data.clone()).with_trailers(std::future::ready(Some(Ok(trailers(&Status::ok(""))))));
    let mut answer = Response::new(Body::new(body));
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(header::AGE, kept.since.elapsed().as_secs().into());
    headers.insert(header::WARNING, HeaderValue::from_static("110 - \"Response is Stale\""));
    headers.insert(STALE, HeaderValue::from_static("true"));
    answer
}

#[cfg(test)]
mod tests;
