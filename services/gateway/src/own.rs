//! What the gateway answers by itself: its state, gRPC health, reflection.

mod health;
mod reflection;
mod state;

use std::sync::Arc;

use arc_swap::ArcSwap;
use logicore::{Context, api::mesh::gateway_service_server::GatewayServiceServer};
use tonic::{codec::CompressionEncoding, service::Routes};

use crate::live::{Current, State, Upstreams};
use reflection::Reflection;

/// The gateway's own services. `routes`: what came of reading the routes of other services.
pub(crate) fn services(ctx: &Context, live: &Current, routes: Arc<ArcSwap<State>>) -> Routes {
    let state = state::State::new(ctx, Upstreams::new(ctx, live), routes);
    let state = GatewayServiceServer::new(state)
        .accept_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Deflate)
        .accept_compressed(CompressionEncoding::Zstd);
    Routes::new(state)
        .add_service(health::service(ctx, live))
        .add_service(Reflection::v1(live))
        .add_service(Reflection::v1alpha(live))
}
