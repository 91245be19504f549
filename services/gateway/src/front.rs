//! The front: which protocol a request speaks, and which method it means. Everything behind it sees gRPC.
//!
//! One file for each protocol, all behind [`Face`]. gRPC and gRPC-Web bodies go on as bytes; those of REST and Connect go on as
//! they came, too, and become messages innermost ([`Inward`]), when it is known that somebody may send them.

pub(crate) mod connect;
mod grpc;
mod grpc_web;
mod linger;
mod rest;

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Method, Request, Response, request::Parts};
use logicore::{
    Error,
    layer::{
        GrpcService,
        guard::{MaxMessage, Memory, in_time},
    },
    server::HttpService,
};
use tonic::body::Body;
use tower::{Service, ServiceExt, util::BoxCloneSyncService};

use crate::{
    bodies::Bounds,
    docs::Pages,
    documents::Documents,
    live::{Current, Live},
    protocol::{self, Protocol},
    proxies::Proxies,
    rest::{Match, decode as rest_decode},
    routes::{Route, Table},
};

pub(crate) type Answer = std::pin::Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

/// What of a request waits until it is known that its caller may send it: the body of a protocol that is not framed as gRPC.
#[derive(Clone)]
pub(crate) enum Inward {
    Rest(Arc<Match>),
    Connect(Arc<connect::Call>),
}

impl Inward {
    /// The request as gRPC.
    ///
    /// # Errors
    /// What is wrong with the body.
    pub(crate) async fn adapt(self, parts: Parts, body: Body, bounds: &Bounds) -> Result<Request<Body>, Error> {
        match self {
            Self::Rest(found) => {
                let longest = bounds.longest(&parts.extensions);
                let place = bounds.place(&parts, longest).await;
                in_time(Bounds::until(&place), rest_decode(&found, parts, body, longest)).await
            }
            Self::Connect(call) => connect::adapt(&call, parts, body, bounds).await,
        }
    }
}

/// What a protocol does with a call: makes gRPC of it, and its own of the answer. A value is one call.
trait Face: Sized + Send + 'static {
    /// Notes which method a request means, and makes its head one of gRPC.
    ///
    /// # Errors
    /// An answer that is there without a call.
    fn begin(request: &mut Request<Body>, table: &Table) -> Result<Self, Box<Response<Body>>>;

    /// The answer as the caller reads it.
    fn answer(self, answer: Response<Body>) -> impl Future<Output = Response<Body>> + Send;

    /// The answer to what is refused before it is a call.
    fn refusal(error: Error) -> Response<Body>;
}

/// The answer to what is refused before it is a call, in the protocol that it came by.
pub(crate) fn refusal(protocol: Protocol, error: Error) -> Response<Body> {
    match protocol {
        Protocol::Grpc => grpc::Native::refusal(error),
        Protocol::GrpcWeb => grpc_web::Call::refusal(error),
        Protocol::Rest => rest::Call::refusal(error),
        Protocol::Connect => connect::Connect::refusal(error),
    }
}

/// The front of a gateway over its stack.
pub(crate) fn front(inner: Inner) -> HttpService {
    BoxCloneSyncService::new(Front(Arc::new(inner)))
}

#[derive(Clone)]
struct Front(Arc<Inner>);

/// What a front chooses from.
pub(crate) struct Inner {
    pub(crate) proxies: Proxies,
    pub(crate) live: Current,
    pub(crate) stack: GrpcService,
    pub(crate) documents: Documents,
    pub(crate) pages: Pages,
}

impl Service<Request<Body>> for Front {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // Every request gets a clone of the stack, which waits for itself.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Answer {
        let mut request = linger::linger(request);
        let inner = &*self.0;
        let live = inner.live.load();
        inner.proxies.resolve(&mut request);
        match protocol::of(&request) {
            Protocol::Grpc => inner.call::<grpc::Native>(&live.table, request),
            Protocol::GrpcWeb => inner.call::<grpc_web::Call>(&live.table, request),
            // A query may have fields of these names; what is read from it is a call only where the path is a method's.
            Protocol::Connect if *request.method() == Method::GET && live.table.get(request.uri().path()).is_none() => {
                inner.http(&live, request)
            }
            Protocol::Connect => inner.call::<connect::Connect>(&live.table, request),
            // A message in JSON to the path of a method is a call, whether it says so or not.
            Protocol::Rest if protocol::is_json_post(&request) && live.table.get(request.uri().path()).is_some() => {
                inner.call::<connect::Connect>(&live.table, request)
            }
            Protocol::Rest => inner.http(&live, request),
        }
    }
}

impl Inner {
    fn call<F: Face>(&self, table: &Table, mut request: Request<Body>) -> Answer {
        let face = match F::begin(&mut request, table) {
            Ok(face) => face,
            Err(answer) => return Box::pin(std::future::ready(Ok(*answer))),
        };
        let answer = self.stack.clone().oneshot(request);
        Box::pin(async move {
            let Ok(answer) = answer.await;
            Ok(face.answer(answer).await)
        })
    }

    fn http(&self, live: &Live, request: Request<Body>) -> Answer {
        let (parts, body) = request.into_parts();
        let document = self
            .documents
            .answer(&parts)
            .or_else(|| self.pages.answer(&parts, || live.openapi()));
        match document {
            Some(answer) => Box::pin(std::future::ready(Ok(answer))),
            None => self.call::<rest::Call>(&live.table, Request::from_parts(parts, body)),
        }
    }
}

/// Notes what the layers behind need to know of a request.
fn note(request: &mut Request<Body>, protocol: Protocol, route: Option<&Arc<Route>>) {
    let extensions = request.extensions_mut();
    extensions.insert(protocol);
    if let Some(route) = route {
        extensions.insert(Arc::clone(&route.method));
        if let Some(most) = route.max_message {
            extensions.insert(MaxMessage(most));
        }
        extensions.insert(Arc::clone(route));
    }
}
