//! gRPC over HTTP/2, and gRPC-Web: the path is the method.

use http::Request;
use logicore::layer::GrpcService;
use tonic::body::Body;
use tonic_web::GrpcWebLayer;
use tower::{Layer, util::BoxCloneSyncService};

use super::note;
use crate::{protocol::Protocol, routes::Table};

/// Notes the method of a request; one that has none is answered by the stack, which counts it.
pub(super) fn mark(table: &Table, request: &mut Request<Body>, protocol: Protocol) {
    let route = table.get(request.uri().path()).cloned();
    note(request, protocol, route.as_ref());
}

/// gRPC-Web in front of a stack: frames of trailers instead of trailers, base64 where it is asked for.
pub(crate) fn web(stack: GrpcService) -> GrpcService {
    BoxCloneSyncService::new(GrpcWebLayer::new().layer(stack))
}
