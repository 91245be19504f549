//! Methods of other people's services: what their descriptors and the settings say of them together.
//!
//! What a descriptor says is a proposal, since whoever runs the service writes it: a public method needs the settings' consent, names
//! of ours cannot be claimed, and permissions of the platform cannot be asked for. What is proposed and not agreed to is denied, and
//! a note says so; the rest of the service is served.

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc};

use logicore::{
    policy::{self, Access, Method, Scope, is_permission},
    settings::routes::{self as settings, Policy, Split},
    upstream::Upstream,
};
use prost_reflect::{DescriptorPool, MethodDescriptor, ServiceDescriptor};

use super::{Share, Target};

/// Packages that nobody else may serve. Every gRPC server has some of the second, for itself.
const RESERVED: [&str; 2] = ["logicore", "grpc"];

/// An upstream and what it says of itself.
#[derive(Clone, Debug)]
pub(crate) struct Described {
    pub(crate) settings: Arc<settings::Upstream>,
    pub(crate) upstream: Upstream,
    /// Its descriptors; none as long as its reflection has not answered.
    pub(crate) pool: Option<DescriptorPool>,
}

/// A service behind the gateway.
#[derive(Debug)]
pub(crate) struct Service<'a> {
    pub(crate) name: String,
    pub(crate) upstream: &'a Upstream,
    pub(crate) pool: &'a DescriptorPool,
    pub(crate) methods: Vec<Foreign>,
    splits: Vec<&'a Split>,
    /// Whether another upstream owns it, and this one takes a share of its calls.
    is_share: bool,
}

/// One of its methods.
#[derive(Debug)]
pub(crate) struct Foreign {
    pub(crate) policy: Arc<Method>,
    pub(crate) descriptor: MethodDescriptor,
    pub(crate) max_message: Option<usize>,
}

/// What is wrong, and what is only denied.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) problems: Vec<String>,
    pub(crate) notes: Vec<String>,
}

/// Every service of these upstreams.
pub(crate) fn services<'a>(upstreams: &'a [Described], splits: &'a [Split], found: &mut Findings) -> Vec<Service<'a>> {
    let mut services: Vec<Service<'a>> = Vec::new();
    for described in upstreams {
        let Some(pool) = &described.pool else { continue };
        for service in of_upstream(described, pool, splits, found) {
            let other = services
                .iter()
                .find(|s| s.name == service.name && !s.is_share && !service.is_share);
            if let Some(other) = other {
                found.problems.push(format!(
                    "both upstreams `{}` and `{}` serve {}: name the services of one by `services`, or make it a split",
                    other.upstream.name(),
                    service.upstream.name(),
                    service.name
                ));
            }
            services.push(service);
        }
    }
    let whole = upstreams.iter().all(|u| u.pool.is_some());
    for split in splits {
        let place = |share: bool| services.iter().any(|s| s.name == split.service && s.is_share == share);
        // Who has not answered yet may serve it.
        if whole && !(place(false) && place(true)) {
            found.problems.push(format!(
                "split of `{}`: two upstreams must serve it, `{}` and another",
                split.service, split.to
            ));
        }
    }
    services
}

/// The pools of the services, each once.
pub(crate) fn pools<'a>(services: &[Service<'a>]) -> Vec<&'a DescriptorPool> {
    let mut pools: Vec<&DescriptorPool> = Vec::new();
    for service in services {
        if !pools.contains(&service.pool) {
            pools.push(service.pool);
        }
    }
    pools
}

impl Service<'_> {
    /// Whether a service of this name is this one, and not a share of it.
    pub(crate) fn owns(&self, name: &str) -> bool {
        !self.is_share && self.name == name
    }

    /// Where calls of one of its methods go.
    pub(crate) fn target(&self, all: &[Service<'_>], path: &str) -> Target {
        let shares: Vec<_> = self
            .splits
            .iter()
            .filter_map(|split| {
                let there = all
                    .iter()
                    .find(|s| s.is_share && s.name == self.name && s.upstream.name() == split.to)?;
                // A version that does not have the method yet gets no calls of it.
                there.methods.iter().find(|m| *m.policy.path == *path)?;
                Some(Share {
                    upstream: there.upstream.clone(),
                    weight: split.weight,
                    header: split.header.clone(),
                })
            })
            .collect();
        match shares.is_empty() {
            true => Target::Foreign(self.upstream.clone()),
            false => Target::Split {
                rest: self.upstream.clone(),
                shares,
            },
        }
    }
}

fn of_upstream<'a>(
    described: &'a Described,
    pool: &'a DescriptorPool,
    splits: &'a [Split],
    found: &mut Findings,
) -> Vec<Service<'a>> {
    let settings = &*described.settings;
    let said = policy::Table::from_pool(pool);
    let mut unused: BTreeMap<_, _> = settings.policies.keys().map(|of| (of.as_str(), ())).collect();
    let mut services = Vec::new();
    for service in pool.services() {
        let name = service.full_name().to_owned();
        let package = name.split('.').next().unwrap_or_default();
        if RESERVED.contains(&package) || !settings.serves(&name) {
            continue;
        }
        unused.remove(&*name);
        for method in service.methods() {
            unused.remove(&*key(&method));
        }
        services.push(Service {
            is_share: splits.iter().any(|s| s.service == name && s.to == settings.name),
            splits: splits.iter().filter(|s| s.service == name).collect(),
            name,
            upstream: &described.upstream,
            pool,
            methods: methods(&service, settings, &said, found),
        });
    }
    let names = unused.into_keys().chain(settings.services.iter().map(String::as_str));
    let missing = names.filter(|of| !known(pool, of));
    found
        .problems
        .extend(missing.map(|of| format!("upstream `{}`: it has no `{of}`", settings.name)));
    services
}

/// The methods of a service that are served, by what its descriptors say and the settings agree to.
fn methods(
    service: &ServiceDescriptor,
    settings: &settings::Upstream,
    said: &policy::Table,
    found: &mut Findings,
) -> Vec<Foreign> {
    let of_service = settings.policies.get(service.full_name());
    let mut methods = Vec::new();
    for descriptor in service.methods() {
        let key = key(&descriptor);
        let Some(proposed) = said.get(&format!("/{key}")) else {
            continue;
        };
        let of_method = settings.policies.get(&key).map(|p| p.or(of_service));
        let set = of_method.as_ref().or(of_service);
        match agreed(settings, proposed, set, &descriptor) {
            // What only its own parts may call is no method of a service that the gateway serves.
            Ok((method, _)) if matches!(method.access, Access::Internal(_)) => {}
            Ok((method, note)) => {
                let note = note.map(|why| format!("upstream `{}`: {key} {why}", settings.name));
                found.notes.extend(note);
                methods.push(Foreign {
                    policy: Arc::new(method),
                    descriptor,
                    max_message: set.and_then(|p| p.max_message).or(settings.max_message),
                });
            }
            Err(why) => found
                .problems
                .push(format!("upstream `{}`: {key}: {why}", settings.name)),
        }
    }
    methods
}

/// A method as the settings name it: `pkg.Service/Method`.
fn key(method: &MethodDescriptor) -> String {
    format!("{}/{}", method.parent_service().full_name(), method.name())
}

/// Whether a pool has a service (`pkg.Service`) or method (`pkg.Service/Method`).
fn known(pool: &DescriptorPool, of: &str) -> bool {
    let (service, method) = of.split_once('/').map_or((of, None), |(s, m)| (s, Some(m)));
    let service = pool.get_service_by_name(service);
    service.is_some_and(|s| method.is_none_or(|method| s.methods().any(|m| m.name() == method)))
}

/// A method as it is served, and why not as it was proposed.
fn agreed(
    settings: &settings::Upstream,
    proposed: &Method,
    set: Option<&Policy>,
    descriptor: &MethodDescriptor,
) -> Result<(Method, Option<&'static str>), String> {
    let mut method = proposed.clone();
    if let Some(set) = set {
        apply(set, &mut method, descriptor)?;
    }
    let decided = set.is_some_and(|set| set.access.is_some());
    let refused = if decided { None } else { objection(settings, &method) };
    if refused.is_some() {
        method.access = Access::Denied;
    }
    Ok((method, refused))
}

/// Why a proposal of the descriptors is not agreed to.
fn objection(settings: &settings::Upstream, method: &Method) -> Option<&'static str> {
    let public = || settings.consents(&method.service, &method.name);
    match &method.access {
        Access::Public if !public() => Some("asks to be public: it is denied until `public` lists it"),
        Access::Denied => Some(
            "has no policy, or one whose subject or tenant is no field of one string: it is denied until its proto or the settings give it one",
        ),
        Access::Permission(p) | Access::SelfOrPermission(p) if !is_permission(p) => {
            Some("asks for a permission that is no name such as shipments.read: it is denied")
        }
        Access::Permission(_) | Access::SelfOrPermission(_) if method.scope == Scope::Platform => {
            Some("asks for a permission of the platform, which only LogiCore's own services may: it is denied")
        }
        _ => None,
    }
}

/// Puts what the settings say over what the descriptors say.
fn apply(set: &Policy, method: &mut Method, descriptor: &MethodDescriptor) -> Result<(), String> {
    if let Some(access) = set.access {
        let permission = || set.permission.as_deref().unwrap_or_default().into();
        method.access = match access {
            settings::Access::Public => Access::Public,
            settings::Access::Authenticated => Access::Authenticated,
            settings::Access::SelfOrPermission => Access::SelfOrPermission(permission()),
            settings::Access::Permission => Access::Permission(permission()),
            settings::Access::Denied => Access::Denied,
        };
        method.scope = Scope::Tenant;
        method.subject_field = set.subject_field.as_deref().map(|f| field(descriptor, f)).transpose()?;
        method.tenant_field = set.tenant_field.as_deref().map(|f| field(descriptor, f)).transpose()?;
    }
    if let Some(idempotency) = set.idempotency {
        method.idempotency = idempotency;
    }
    method.rate_cost = set.rate_cost.unwrap_or(method.rate_cost);
    method.deadline = set.deadline.or(method.deadline);
    method.idempotency_key = set.idempotency_key.unwrap_or(method.idempotency_key);
    method.fallback = set.fallback.unwrap_or(method.fallback);
    method.feed_stale = set.feed_stale.unwrap_or(method.feed_stale);
    Ok(())
}

/// A top-level field that can be held against the caller, and its number.
fn field(descriptor: &MethodDescriptor, name: &str) -> Result<(String, u32), String> {
    let input = descriptor.input();
    let field = policy::checked_field(&input, name);
    let field = field.ok_or_else(|| format!("{} has no string field `{name}`", input.full_name()))?;
    Ok((name.to_owned(), field.number()))
}

/// How new descriptors ask less of callers than those in force, where the settings did not agree to it.
pub(crate) fn weaker(
    service: &Service<'_>,
    settings: &settings::Upstream,
    in_force: impl Fn(&str) -> Option<Arc<Method>>,
) -> Vec<String> {
    if settings.allow_weaker {
        return Vec::new();
    }
    let methods = service
        .methods
        .iter()
        .filter_map(|m| Some((m, in_force(&m.policy.path)?)));
    methods
        .filter(|(m, before)| {
            let key = format!("{}/{}", service.name, m.policy.name);
            let set = [settings.policies.get(&key), settings.policies.get(&service.name)];
            let decided = set.into_iter().flatten().any(|p| p.access.is_some());
            !decided && is_weaker(&m.policy, before)
        })
        .map(|(m, before)| {
            format!(
                "upstream `{}`: {}/{} would ask less of its callers ({} instead of {}): give it a policy in the settings, or set `allow_weaker`",
                settings.name, service.name, m.policy.name, said(&m.policy.access), said(&before.access)
            )
        })
        .collect()
}

/// Whether somebody might pass who did not before.
fn is_weaker(new: &Method, old: &Method) -> bool {
    if new.access == Access::Denied {
        return false;
    }
    let opens = match (&new.access, &old.access) {
        (new, old) if new == old => false,
        (Access::Permission(new), Access::SelfOrPermission(old)) => new != old,
        (Access::Permission(_) | Access::SelfOrPermission(_), Access::Public | Access::Authenticated) => false,
        (Access::Authenticated, Access::Public) => false,
        _ => true,
    };
    let named = |field: &Option<(String, u32)>| field.as_ref().map(|(_, number)| *number);
    let stricter = matches!(new.access, Access::Permission(_));
    let frees_subject =
        !stricter && old.subject_field.is_some() && named(&new.subject_field) != named(&old.subject_field);
    let frees_tenant = old.tenant_field.is_some() && named(&new.tenant_field) != named(&old.tenant_field);
    opens || frees_subject || frees_tenant
}

/// An access as `logicore routes` shows it.
pub(crate) fn said(access: &Access) -> String {
    match access {
        Access::Denied => "denied".to_owned(),
        Access::Public => "public".to_owned(),
        Access::Authenticated => "authenticated".to_owned(),
        Access::SelfOrPermission(permission) => format!("self or {permission}"),
        Access::Permission(permission) => permission.to_string(),
        Access::Internal(_) => "internal".to_owned(),
    }
}
