//! gRPC over HTTP/2: the path is the method, and nothing is adapted.

use http::{Request, Response};
use logicore::{Error, layer::refuse};
use tonic::body::Body;

use super::{Face, note};
use crate::{protocol::Protocol, routes::Table};

/// A call that is gRPC already.
pub(super) struct Native;

impl Face for Native {
    fn begin(request: &mut Request<Body>, table: &Table) -> Result<Self, Box<Response<Body>>> {
        mark(table, request, Protocol::Grpc);
        Ok(Self)
    }

    async fn answer(self, answer: Response<Body>) -> Response<Body> {
        answer
    }

    fn refusal(error: Error) -> Response<Body> {
        refuse(error)
    }
}

/// Notes the method of a request; one that has none is answered by the stack, which counts it.
pub(super) fn mark(table: &Table, request: &mut Request<Body>, protocol: Protocol) {
    let route = table.get(request.uri().path()).cloned();
    note(request, protocol, route.as_ref());
}
