//! REST: HTTP method and path mean a method by its `google.api.http` binding.

use std::sync::Arc;

use http::{Method, Request, Response};
use logicore::{Error, Reason};
use tonic::{Code, Status, body::Body};

use super::{Face, Inward, note};
use crate::{
    protocol::Protocol,
    rest::{self, Match, NoMatch},
    routes::Table,
    stack::Unrouted,
};

/// A REST call, whose body is not read yet.
pub(super) enum Call {
    /// It means a method.
    Found(Arc<Match>),
    /// It means none: the stack counts it and refuses it.
    Missed,
}

impl Face for Call {
    fn begin(request: &mut Request<Body>, table: &Table) -> Result<Self, Box<Response<Body>>> {
        match table.rest().matched(request.method(), request.uri().path()) {
            Ok(mut found) => {
                found.accept(request.headers());
                let found = Arc::new(found);
                note(request, Protocol::Rest, table.get(&found.method_path));
                request.extensions_mut().insert(Inward::Rest(Arc::clone(&found)));
                Ok(Self::Found(found))
            }
            Err(NoMatch::Options { allow }) => Err(Box::new(rest::options(&allow))),
            Err(miss) => {
                let known = *request.method() == Method::POST && table.get(request.uri().path()).is_some();
                let error = if known { no_grpc() } else { Error::from(miss) };
                note(request, Protocol::Rest, None);
                request.extensions_mut().insert(Unrouted::new(error));
                Ok(Self::Missed)
            }
        }
    }

    async fn answer(self, answer: Response<Body>) -> Response<Body> {
        match self {
            Self::Found(found) => rest::encode(&found, answer).await,
            Self::Missed => refused(&answer),
        }
    }

    fn refusal(error: Error) -> Response<Body> {
        rest::http_error(error)
    }
}

/// The path is a gRPC method's, and the request does not speak it.
fn no_grpc() -> Error {
    Error::new(
        Reason::UnsupportedMediaType,
        "this path is a gRPC method: send `application/json` or `application/proto` (Connect), `application/grpc` over HTTP/2, or `application/grpc-web`",
    )
}

/// What the stack refused, in REST's form.
fn refused(answer: &Response<Body>) -> Response<Body> {
    let missing = || Status::new(Code::Internal, "refused without a status");
    rest::http_error(Status::from_header_map(answer.headers()).unwrap_or_else(missing))
}
