//! gRPC health (`grpc.health.v1`) as callers see it: the whole by the empty name, and each service that is routed by its own.
//!
//! The whole is what readiness is. A service whose breaker is not closed is NOT_SERVING, so that who balances by service can leave
//! it alone; the whole stays SERVING, since the other services do.

use logicore::{Context, health, server::Phase, upstream::Upstream};
use tonic_health::pb::health_server::HealthServer;

use crate::live::Current;

/// The health service.
pub(super) fn service(ctx: &Context, live: &Current) -> HealthServer<health::State> {
    let (ctx, live) = (ctx.clone(), live.clone());
    health::service(move |name| {
        let ready = ctx.lifecycle.phase() == Phase::Serving && ctx.access.ready();
        if name.is_empty() {
            return Some(ready);
        }
        let live = live.load();
        let upstream = live.table.service(name)?;
        Some(ready && upstream.is_none_or(Upstream::closed))
    })
}
