//! The gRPC face: convert, call the domain, convert. Nothing is decided here.

mod account;
mod auth;
mod convert;
#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;

use logicore::api::auth::{account_service_server::AccountServiceServer, auth_service_server::AuthServiceServer};

use tonic::codec::CompressionEncoding;

use crate::auth::Auth;

/// The public service.
pub(crate) fn auth_service(auth: &Arc<Auth>) -> AuthServiceServer<auth::Service> {
    AuthServiceServer::new(auth::Service(Arc::clone(auth)))
        .accept_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Deflate)
        .accept_compressed(CompressionEncoding::Zstd)
}

/// The internal service.
pub(crate) fn account_service(auth: &Arc<Auth>) -> AccountServiceServer<account::Service> {
    AccountServiceServer::new(account::Service(Arc::clone(auth)))
}
