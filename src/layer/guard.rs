//! Innermost: holds the message against what `authorize` left open.
//!
//! Only the one top-level field is looked for, on the wire; the message is neither decoded nor written anew, so what arrives is
//! byte for byte what was sent. The scan must never read another value than the service behind it will: where a decoder could
//! see it differently, the message is refused.

mod collect;
mod scan;
#[cfg(test)]
mod tests;

use std::{
    borrow::Cow,
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::Either;
use http::{HeaderMap, Request, Response};
use http_body_util::Full;
use tonic::body::Body;
use tower::{Layer, Service};
use uuid::Uuid;

pub use collect::{Memory, Uncounted, in_time};
pub use scan::last_string;

use super::{
    AnswerFuture,
    authorize::{Verdict, missing_permission},
    ready, refuse, route,
};
use crate::{
    access::{Principal, missing_token},
    compression::{Encoding, unnamed},
    error::{Error, Reason},
    framing::{COMPRESSED, PREFIX, Prefix},
    policy::Method,
};

/// Longest message of a request's method, in bytes, where it has a limit of its own; in the extensions.
#[derive(Clone, Copy, Debug)]
pub struct MaxMessage(pub usize);

/// Holds messages against the verdict in the request's extensions.
#[derive(Clone, Copy, Debug)]
pub struct GuardLayer<M = Uncounted> {
    limit: usize,
    memory: M,
}

impl GuardLayer {
    /// A layer that reads messages up to `limit` bytes, however many at once.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            memory: Uncounted,
        }
    }
}

impl<M> GuardLayer<M> {
    /// The same, which waits for memory before it collects a message.
    #[must_use]
    pub fn within<N: Memory>(self, memory: N) -> GuardLayer<N> {
        GuardLayer {
            limit: self.limit,
            memory,
        }
    }
}

impl<M: Memory, S> Layer<S> for GuardLayer<M> {
    type Service = Guard<S, M>;

    fn layer(&self, inner: S) -> Self::Service {
        Guard {
            limit: self.limit,
            memory: self.memory.clone(),
            inner,
        }
    }
}

/// A service whose messages are looked at where they must be.
#[derive(Clone, Copy, Debug)]
pub struct Guard<S, M = Uncounted> {
    limit: usize,
    memory: M,
    inner: S,
}

impl<S, M> Service<Request<Body>> for Guard<S, M>
where
    M: Memory,
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<S::Future, AnswerFuture>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match request.extensions().get::<Verdict>() {
            Some(verdict) if verdict.settled() => Either::Left(self.inner.call(request)),
            verdict => {
                let verdict = verdict.copied();
                let mut inner = ready::take(&mut self.inner);
                let of_method = request.extensions().get::<MaxMessage>();
                let limit = of_method.map_or(self.limit, |most| most.0);
                let memory = self.memory.clone();
                Either::Right(Box::pin(async move {
                    match admit(verdict, request, limit, &memory).await {
                        Ok(request) => inner.call(request).await,
                        Err(error) => Ok(refuse(error)),
                    }
                }))
            }
        }
    }
}

async fn admit<M: Memory>(
    verdict: Option<Verdict>,
    request: Request<Body>,
    limit: usize,
    memory: &M,
) -> Result<Request<Body>, Error> {
    let verdict = verdict.ok_or_else(|| Error::internal("guard stands behind authorize"))?;
    let (parts, body) = request.into_parts();
    let bytes = collect::collect(body, limit, memory, &parts.extensions).await?;
    let principal = parts.extensions.get::<Arc<Principal>>().ok_or_else(missing_token)?;
    let method = route::method(&parts.extensions).ok_or_else(|| Error::internal("guard stands behind route"))?;
    guard(verdict, method, principal, &unframed(&parts.headers, &bytes, limit)?)?;
    Ok(Request::from_parts(parts, Body::new(Full::new(bytes))))
}

/// Holds the message of a unary request against a verdict.
///
/// # Errors
/// `PERMISSION_MISSING` or `TENANT_MISMATCH` when the message names somebody else, or the caller in another spelling; `MALFORMED_MESSAGE` when it cannot be read.
pub fn guard(verdict: Verdict, method: &Method, principal: &Principal, message: &[u8]) -> Result<(), Error> {
    if let Some(field) = verdict.own_subject {
        let subject = last_string(message, field)?;
        // As text, in the one spelling that the gateway tells: to a service that compares what it is sent, an id in capitals or in
        // braces is somebody else's.
        let mut spelled = Uuid::encode_buffer();
        let own: &str = principal.subject.0.hyphenated().encode_lower(&mut spelled);
        if !(subject.is_empty() || subject == own) {
            return Err(missing_permission(method.permission().unwrap_or_default()));
        }
    }
    if let Some(field) = verdict.own_tenant {
        let tenant = last_string(message, field)?;
        if !(tenant.is_empty() || tenant == principal.tenant.as_str()) {
            return Err(Error::new(
                Reason::TenantMismatch,
                "only an operator may name another tenant than its own",
            ));
        }
    }
    Ok(())
}

/// The one message of a unary body, decompressed.
fn unframed<'b>(headers: &HeaderMap, body: &'b [u8], limit: usize) -> Result<Cow<'b, [u8]>, Error> {
    let Some((prefix, rest)) = body.split_first_chunk::<PREFIX>() else {
        return Err(match body {
            [] => Error::new(Reason::MessageCount, "the call carries no message"),
            _ => malformed("the body ends within a message"),
        });
    };
    let prefix = Prefix::read(*prefix);
    let Some((message, more)) = rest.split_at_checked(prefix.length) else {
        return Err(malformed("the body ends within a message"));
    };
    if !more.is_empty() {
        return Err(Error::new(Reason::MessageCount, "the call must carry one message"));
    }
    match prefix.flags {
        0 => Ok(message.into()),
        COMPRESSED => {
            let encoding = Encoding::of_call(headers)?.ok_or_else(unnamed)?;
            Ok(Vec::from(encoding.decompress(message, limit)?).into())
        }
        _ => Err(malformed("the message has flags that do not exist")),
    }
}

fn too_large(limit: usize) -> Error {
    Error::new(
        Reason::MessageTooLarge,
        format!("the message is larger than {limit} bytes"),
    )
    .with("limit", limit.to_string())
}

fn malformed(problem: &'static str) -> Error {
    Error::new(Reason::MalformedMessage, problem)
}
