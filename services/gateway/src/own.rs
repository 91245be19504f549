//! What the gateway answers by itself: its state, gRPC health, reflection.

mod health;
mod state;

use logicore::{
    Context, Error,
    api::{PUBLIC_DESCRIPTORS, mesh::gateway_service_server::GatewayServiceServer},
};
use tonic::service::Routes;

/// The gateway's own services.
///
/// # Errors
/// When the descriptors cannot be read: a defect of the build.
pub(crate) fn services(ctx: &Context) -> Result<Routes, Error> {
    // Only public files are registered: reflection serves whole files, so an internal service is in none of them.
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(PUBLIC_DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    Ok(Routes::new(GatewayServiceServer::new(state::State::new(ctx)))
        .add_service(health::service(ctx))
        .add_service(reflection().build_v1().map_err(Error::internal)?)
        .add_service(reflection().build_v1alpha().map_err(Error::internal)?))
}
