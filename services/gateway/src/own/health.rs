//! gRPC health (`grpc.health.v1`) as callers see it: the whole by the empty name, and each public service by its own.
//!
//! The whole is what readiness is. A service whose breaker is not closed is NOT_SERVING, so that who balances by service can leave
//! it alone; the whole stays SERVING, since the other services do.

use std::collections::BTreeMap;

use logicore::{Context, health, policy, server::Phase, upstream::Upstream};
use prost_reflect::DescriptorPool;
use tonic_health::pb::health_server::HealthServer;

/// The health service.
pub(super) fn service(ctx: &Context) -> HealthServer<health::State> {
    let (services, ctx) = (services(ctx), ctx.clone());
    health::service(move |name| {
        let upstream = services.get(name)?;
        let ready = ctx.lifecycle.phase() == Phase::Serving && ctx.access.ready();
        Some(ready && upstream.as_ref().is_none_or(Upstream::closed))
    })
}

/// Every public service and where it is; the whole by the empty name.
fn services(ctx: &Context) -> BTreeMap<String, Option<Upstream>> {
    let mut found = BTreeMap::from([(String::new(), None)]);
    if let Ok(pool) = DescriptorPool::decode(logicore::api::PUBLIC_DESCRIPTORS) {
        for method in policy::Table::from_pool(&pool).iter() {
            let upstream = match method.service.split('.').nth(1) {
                Some("auth") => Some(ctx.neighbours.auth.clone()),
                Some("user") => Some(ctx.neighbours.user.clone()),
                Some("admin") => Some(ctx.neighbours.admin.clone()),
                _ => None,
            };
            found.insert(method.service.to_string(), upstream);
        }
    }
    found
}
