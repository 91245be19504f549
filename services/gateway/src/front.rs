//! The front: which protocol a request speaks, and which method it means. Everything behind it sees gRPC.
//!
//! One file for each protocol. gRPC and gRPC-Web bodies go on as bytes; a REST body goes on as it came, too, and becomes a
//! message innermost, when it is known that somebody may send it.

mod grpc;
mod rest;

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use logicore::{layer::GrpcService, server::HttpService};
use tonic::body::Body;
use tower::{Service, ServiceExt, util::BoxCloneSyncService};

use crate::{
    docs::Pages,
    documents::Documents,
    live::{Current, Live},
    protocol::{self, Protocol},
    proxies::Proxies,
    routes::Route,
};

pub(crate) use grpc::web;

pub(crate) type Answer = std::pin::Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

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
    /// The stack behind gRPC-Web; see [`web`].
    pub(crate) web: GrpcService,
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

    fn call(&mut self, mut request: Request<Body>) -> Answer {
        let inner = &*self.0;
        let live = inner.live.load();
        inner.proxies.resolve(&mut request);
        match protocol::of(&request) {
            native @ Protocol::Grpc => {
                grpc::mark(&live.table, &mut request, native);
                Box::pin(inner.stack.clone().oneshot(request))
            }
            web @ Protocol::GrpcWeb => {
                grpc::mark(&live.table, &mut request, web);
                Box::pin(inner.web.clone().oneshot(request))
            }
            Protocol::Rest => inner.http(&live, request),
        }
    }
}

impl Inner {
    fn http(&self, live: &Live, request: Request<Body>) -> Answer {
        let (parts, body) = request.into_parts();
        let document = self
            .documents
            .answer(&parts)
            .or_else(|| self.pages.answer(&parts, || live.openapi()));
        match document {
            Some(answer) => Box::pin(std::future::ready(Ok(answer))),
            None => rest::call(&live.table, self.stack.clone(), Request::from_parts(parts, body)),
        }
    }
}

/// Notes what the layers behind need to know of a request.
fn note(request: &mut Request<Body>, protocol: Protocol, route: Option<&Arc<Route>>) {
    let extensions = request.extensions_mut();
    extensions.insert(protocol);
    if let Some(route) = route {
        extensions.insert(Arc::clone(&route.method));
        extensions.insert(Arc::clone(route));
    }
}
