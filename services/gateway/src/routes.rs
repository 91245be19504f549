//! Every method that callers may reach, by its gRPC path, with all that a request for it needs: found once, carried along.
//!
//! | module | owns |
//! |---|---|
//! | `foreign` | methods of other people's services: what their callers need, and who must agree to it |
//! | `target` | where a call goes, shares of traffic included |
//! | `counters` | counters by protocol |
//!
//! LogiCore's own methods come from the public descriptors alone, so an internal method has no place in the table and cannot be
//! reached.

mod counters;
pub(crate) mod foreign;
mod target;

use std::{collections::HashMap, sync::Arc};

use logicore::{
    Context,
    policy::{self, Access, FeedStale, Method},
    telemetry::RequestMetrics,
    upstream::Upstream,
};
use prost_reflect::{DescriptorPool, MethodDescriptor};

use crate::{
    protocol::Protocol,
    rest::{self, Unroutable},
};
pub(crate) use counters::Counters;
pub(crate) use target::{Share, Target};

/// What balancers and Kubernetes ask.
const PROBES: [&str; 3] = [
    "/grpc.health.v1.Health/Check",
    "/logicore.mesh.v1.GatewayService/GetHealth",
    "/logicore.mesh.v1.GatewayService/GetReadiness",
];

/// What the paths of LogiCore's own HTTP begin with. Nobody else may serve beside them: a path that is only like `/auth/login` would
/// get the passwords of those who mistype it.
const RESERVED: [&str; 8] = [
    "",
    "auth",
    "metrics",
    "health",
    "readyz",
    "docs",
    "openapi.json",
    "circuit-breaker",
];

/// A method and its way.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) method: Arc<Method>,
    /// Its messages, for whoever has to read them.
    pub(crate) descriptor: MethodDescriptor,
    pub(crate) target: Target,
    /// Name of the upstream that owns the service; none for LogiCore's own.
    pub(crate) owner: Option<&'static str>,
    /// Longest message of a request, where it differs from the gateway's.
    pub(crate) max_message: Option<usize>,
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
#[derive(Debug, Default)]
pub(crate) struct Table {
    methods: HashMap<Arc<str>, Arc<Route>>,
    /// By full name: who serves it; none for the gateway itself.
    services: HashMap<Arc<str>, Option<Upstream>>,
    rest: rest::Routes,
}

impl Table {
    /// The routes of the public descriptors, and of what the gateway adds: health and reflection.
    ///
    /// # Errors
    /// A sentence that names what cannot be routed.
    pub(crate) fn new(ctx: &Context, pool: &DescriptorPool) -> Result<Self, String> {
        let mut table = Self::default();
        for method in policy::Table::from_pool(pool).iter() {
            table.own(ctx, pool, Arc::clone(method))?;
        }
        table.rest.add(pool, |_| true)?;
        for set in built_in() {
            let pool = DescriptorPool::decode(set).map_err(|e| e.to_string())?;
            // Health and reflection: anyone may ask, and their protos, which are not ours, cannot say so.
            for method in policy::Table::from_pool(&pool).iter() {
                let open = Method {
                    access: Access::Public,
                    feed_stale: FeedStale::Serve,
                    ..Method::clone(method)
                };
                table.own(ctx, &pool, Arc::new(open))?;
            }
        }
        Ok(table)
    }

    fn own(&mut self, ctx: &Context, pool: &DescriptorPool, method: Arc<Method>) -> Result<(), String> {
        let counters = Counters::new(&ctx.metrics, &method);
        counters.begin();
        self.insert(Route {
            descriptor: descriptor(pool, &method)?,
            target: Target::own(ctx, &method)?,
            owner: None,
            max_message: None,
            is_probe: PROBES.contains(&&*method.path),
            counters,
            method,
        });
        Ok(())
    }

    /// Adds the methods of other people's services.
    ///
    /// # Errors
    /// A sentence for each thing that cannot be routed.
    pub(crate) fn add(&mut self, ctx: &Context, services: &[foreign::Service<'_>]) -> Result<(), Vec<String>> {
        let mut problems = Vec::new();
        for service in services.iter().filter(|s| s.owns(&s.name)) {
            for method in &service.methods {
                self.insert(Route {
                    descriptor: method.descriptor.clone(),
                    target: service.target(services, &method.policy.path),
                    owner: Some(service.upstream.name()),
                    max_message: method.max_message,
                    is_probe: false,
                    counters: Counters::new(&ctx.metrics, &method.policy),
                    method: Arc::clone(&method.policy),
                });
            }
        }
        for pool in foreign::pools(services) {
            let methods = &self.methods;
            let served = |method: &MethodDescriptor| {
                let service = method.parent_service();
                let path = format!("/{}/{}", service.full_name(), method.name());
                methods.contains_key(&*path) && services.iter().any(|s| s.owns(service.full_name()) && *s.pool == *pool)
            };
            let added = self.rest.add(pool, served);
            problems.extend(added.err().map(|why| told(&why, services)));
        }
        problems.extend(self.shadowed());
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    fn insert(&mut self, route: Route) {
        let service = Arc::clone(&route.method.service);
        self.services
            .entry(service)
            .or_insert_with(|| route.target.owner().cloned());
        self.methods.insert(Arc::clone(&route.method.path), Arc::new(route));
    }

    /// The method of a gRPC path.
    pub(crate) fn get(&self, path: &str) -> Option<&Arc<Route>> {
        self.methods.get(path)
    }

    /// Whether there is a service of this name, and who serves it: none for the gateway itself.
    pub(crate) fn service(&self, name: &str) -> Option<Option<&Upstream>> {
        self.services.get(name).map(Option::as_ref)
    }

    /// Every method, in no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.methods.values()
    }

    /// Routes of REST.
    pub(crate) fn rest(&self) -> &rest::Routes {
        &self.rest
    }

    /// Bindings of other people's services on paths that are the gateway's own.
    fn shadowed(&self) -> Vec<String> {
        let foreign = self.rest.bindings().iter().filter(|b| {
            let route = self.methods.get(&b.method_path);
            route.is_some_and(|r| r.owner.is_some())
        });
        foreign
            .filter_map(|b| reserved(b).map(|why| format!("{b}: {why}")))
            .collect()
    }
}

/// Why other people's services cannot have a path.
fn reserved(binding: &rest::Binding) -> Option<&'static str> {
    match binding.template.segments.first() {
        Some(rest::Segment::Literal(first)) if first.starts_with('.') || RESERVED.contains(&&**first) => {
            Some("paths of the gateway itself begin so")
        }
        Some(rest::Segment::Literal(_)) => None,
        _ => Some("a path must begin with a literal segment, since a variable there would take in the gateway's own"),
    }
}

/// A collision names both services' upstreams.
fn told(why: &Unroutable, services: &[foreign::Service<'_>]) -> String {
    let owner = |binding: &rest::Binding| {
        let service = binding.method.parent_service();
        let found = services
            .iter()
            .find(|s| s.owns(service.full_name()) && *s.pool == *binding.method.parent_pool());
        found.map_or("logicore", |s| s.upstream.name())
    };
    match why {
        Unroutable::Binding(_) => why.to_string(),
        Unroutable::Collision { new, taken } => {
            format!(
                "{new} (upstream {}) collides with {taken} (upstream {})",
                owner(new),
                owner(taken)
            )
        }
    }
}

fn descriptor(pool: &DescriptorPool, method: &Method) -> Result<MethodDescriptor, String> {
    let service = pool.get_service_by_name(&method.service);
    service
        .and_then(|s| s.methods().find(|m| m.name() == &*method.name))
        .ok_or_else(|| format!("{} has no descriptor", method.path))
}

/// Descriptors of what the gateway serves beside LogiCore's services.
pub(crate) fn built_in() -> [&'static [u8]; 3] {
    [
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
    ]
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
