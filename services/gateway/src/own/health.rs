//! gRPC health (`grpc.health.v1`) as callers see it: the whole by the empty name, and each public service by its own.
//!
//! The whole is what readiness is. A service whose breaker is not closed is NOT_SERVING, so that who balances by service can leave
//! it alone; the whole stays SERVING, since the other services do.

use std::{collections::BTreeMap, time::Duration};

use logicore::{Context, policy, server::Phase, upstream::Upstream};
use prost_reflect::DescriptorPool;
use tonic_health::{
    ServingStatus,
    pb::health_server::{Health, HealthServer},
    server::HealthReporter,
};

/// How often the state is looked at: a probe that comes every few seconds sees no difference to an event.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Name of the service whose health is that the process answers, for liveness probes.
const LIVENESS: &str = "liveness";

/// The health service, kept true until the process ends.
pub(super) fn service(ctx: &Context) -> HealthServer<impl Health> {
    let (reporter, server) = tonic_health::server::health_reporter();
    ctx.tasks.spawn(report(ctx.clone(), reporter));
    server
}

async fn report(ctx: Context, reporter: HealthReporter) {
    reporter.set_service_status(LIVENESS, ServingStatus::Serving).await;
    let services = services(&ctx);
    let mut told = BTreeMap::new();
    loop {
        for (name, upstream) in &services {
            let now = status(&ctx, upstream.as_ref());
            if told.insert(name.clone(), now) != Some(now) {
                reporter.set_service_status(name, now).await;
            }
        }
        tokio::select! {
            () = ctx.shutdown.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

fn status(ctx: &Context, upstream: Option<&Upstream>) -> ServingStatus {
    let ready = ctx.lifecycle.phase() == Phase::Serving && ctx.access.ready();
    if ready && upstream.is_none_or(Upstream::closed) {
        ServingStatus::Serving
    } else {
        ServingStatus::NotServing
    }
}

/// Every public service and where it is; the whole by the empty name.
fn services(ctx: &Context) -> Vec<(String, Option<Upstream>)> {
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
    found.into_iter().collect()
}
