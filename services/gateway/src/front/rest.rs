//! REST: HTTP method and path mean a method by its `google.api.http` binding.

use std::sync::Arc;

use http::{Method, Request, Response};
use logicore::{Error, Reason, layer::GrpcService};
use tonic::{Code, Status, body::Body};
use tower::ServiceExt;

use super::{Answer, note};
use crate::{
    protocol::Protocol,
    rest::{self, NoMatch},
    routes::Table,
    stack::Unrouted,
};

/// Calls the stack for a REST request, whose body is not read yet.
pub(super) fn call(table: &Table, stack: GrpcService, mut request: Request<Body>) -> Answer {
    match table.rest().matched(request.method(), request.uri().path()) {
        Ok(mut found) => {
            found.accept(request.headers());
            let found = Arc::new(found);
            note(&mut request, Protocol::Rest, table.get(&found.method_path));
            request.extensions_mut().insert(Arc::clone(&found));
            Box::pin(async move {
                let Ok(answer) = stack.oneshot(request).await;
                Ok(rest::encode(&found, answer).await)
            })
        }
        Err(NoMatch::Options { allow }) => Box::pin(std::future::ready(Ok(rest::options(&allow)))),
        Err(miss) => {
            let known = *request.method() == Method::POST && table.get(request.uri().path()).is_some();
            let error = if known { no_grpc() } else { Error::from(miss) };
            note(&mut request, Protocol::Rest, None);
            request.extensions_mut().insert(Unrouted::new(error));
            Box::pin(async move {
                let Ok(answer) = stack.oneshot(request).await;
                Ok(refusal(&answer))
            })
        }
    }
}

/// The path is a gRPC method's, and the request does not speak it.
fn no_grpc() -> Error {
    Error::new(
        Reason::UnsupportedMediaType,
        "this path is a gRPC method: send `application/grpc` over HTTP/2, or `application/grpc-web`",
    )
}

/// What the stack refused, in REST's form.
fn refusal(answer: &Response<Body>) -> Response<Body> {
    let missing = || Status::new(Code::Internal, "refused without a status");
    rest::http_error(Status::from_header_map(answer.headers()).unwrap_or_else(missing))
}
