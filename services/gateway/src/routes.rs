//! Every method that callers may reach, by its gRPC path, with all that a request for it needs: found once, carried along.
//!
//! The table is built from the public descriptors alone, so an internal method has no place in it and cannot be reached.

use std::{collections::HashMap, sync::Arc};

use logicore::{
    Context,
    policy::{self, Access, FeedStale, Method},
    telemetry::{RequestMetrics, Requests},
    upstream::Upstream,
};
use prost_reflect::DescriptorPool;

use crate::{protocol::Protocol, rest};

/// Where a method is served.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// By another service.
    Upstream(Upstream),
    /// By the gateway itself.
    Own,
}

/// What balancers and Kubernetes ask.
const PROBES: [&str; 3] = [
    "/grpc.health.v1.Health/Check",
    "/logicore.mesh.v1.GatewayService/GetHealth",
    "/logicore.mesh.v1.GatewayService/GetReadiness",
];

/// A method and its way.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) method: Arc<Method>,
    pub(crate) target: Target,
    /// Asked every few seconds by whoever sends traffic here: not counted against an address that other callers share.
    pub(crate) is_probe: bool,
    counters: Counters,
}

impl Route {
    /// The counters of this method in a protocol.
    pub(crate) fn counters(&self, protocol: Protocol) -> &RequestMetrics {
        self.counters.of(protocol)
    }
}

/// The routes of a gateway.
#[derive(Debug)]
pub(crate) struct Table {
    methods: HashMap<Arc<str>, Arc<Route>>,
    rest: rest::Routes,
    unknown: Counters,
}

impl Table {
    /// The routes of the public descriptors, and of what the gateway adds: health and reflection.
    ///
    /// # Errors
    /// A sentence that names what cannot be routed.
    pub(crate) fn new(ctx: &Context, pool: &DescriptorPool) -> Result<Self, String> {
        let requests = &ctx.metrics.requests;
        let mut methods = HashMap::new();
        let ours = policy::Table::from_pool(pool);
        for method in ours.iter().cloned().chain(built_in()?) {
            let route = Route {
                target: target(ctx, &method)?,
                is_probe: PROBES.contains(&&*method.path),
                counters: Counters::new(requests, &method.service, &method.name),
                method: Arc::clone(&method),
            };
            methods.insert(Arc::clone(&method.path), Arc::new(route));
        }
        Ok(Self {
            methods,
            rest: rest::Routes::build(pool)?,
            unknown: Counters::new(requests, "unknown", "unknown"),
        })
    }

    /// The method of a gRPC path.
    pub(crate) fn get(&self, path: &str) -> Option<&Arc<Route>> {
        self.methods.get(path)
    }

    /// Routes of REST.
    pub(crate) fn rest(&self) -> &rest::Routes {
        &self.rest
    }

    /// The counters of requests that mean no method.
    pub(crate) fn unknown(&self, protocol: Protocol) -> &RequestMetrics {
        self.unknown.of(protocol)
    }
}

/// Counters by protocol, with their labels resolved.
#[derive(Debug)]
struct Counters([RequestMetrics; Protocol::ALL.len()]);

impl Counters {
    fn new(requests: &Requests, service: &str, method: &str) -> Self {
        Self(Protocol::ALL.map(|protocol| requests.handle(service, method, protocol)))
    }

    fn of(&self, protocol: Protocol) -> &RequestMetrics {
        &self.0[protocol as usize]
    }
}

fn target(ctx: &Context, method: &Method) -> Result<Target, String> {
    let neighbours = &ctx.neighbours;
    Ok(match method.service.split('.').collect::<Vec<_>>()[..] {
        ["logicore", "auth", ..] => Target::Upstream(neighbours.auth.clone()),
        ["logicore", "user", ..] => Target::Upstream(neighbours.user.clone()),
        ["logicore", "admin", ..] => Target::Upstream(neighbours.admin.clone()),
        ["logicore", "mesh", ..] | ["grpc", ..] => Target::Own,
        _ => return Err(format!("nobody serves {}", method.path)),
    })
}

/// Health and reflection: anyone may ask, and their protos, which are not ours, cannot say so.
fn built_in() -> Result<Vec<Arc<Method>>, String> {
    let sets = [
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
    ];
    let mut methods = Vec::new();
    for set in sets {
        let pool = DescriptorPool::decode(set).map_err(|e| e.to_string())?;
        for method in policy::Table::from_pool(&pool).iter() {
            methods.push(Arc::new(Method {
                access: Access::Public,
                feed_stale: FeedStale::Serve,
                ..Method::clone(method)
            }));
        }
    }
    Ok(methods)
}

#[cfg(test)]
mod tests {
    use logicore::{api::PUBLIC_DESCRIPTORS, settings::Role, testkit};

    use super::*;

    fn table() -> Table {
        let pool = DescriptorPool::decode(PUBLIC_DESCRIPTORS).unwrap();
        Table::new(&testkit::context(Role::Gateway), &pool).unwrap()
    }

    #[tokio::test]
    async fn every_internal_method_is_unknown() {
        let table = table();
        let all = policy::Table::compiled_in();
        let internal: Vec<_> = all.iter().filter(|m| matches!(m.access, Access::Internal(_))).collect();
        assert!(internal.len() > 8, "there are internal methods");
        for method in internal {
            assert!(table.get(&method.path).is_none(), "{}", method.path);
        }
    }

    #[tokio::test]
    async fn every_public_method_leads_somewhere() {
        let table = table();
        for method in policy::Table::compiled_in().iter() {
            if !matches!(method.access, Access::Internal(_)) {
                assert!(table.get(&method.path).is_some(), "{}", method.path);
            }
        }
        for path in [
            "/grpc.health.v1.Health/Check",
            "/grpc.health.v1.Health/Watch",
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        ] {
            assert_eq!(table.get(path).unwrap().method.access, Access::Public, "{path}");
        }
    }
}
