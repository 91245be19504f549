//! What admin publishes down the access feed: roles, tenants, orders to breakers.
//!
//! Of a tenant's role no permission is published that is the platform's in this version: one that became so since it was put into
//! the role must not open the platform. What no method of ours asks for is published, since services behind the gateway may.

use std::sync::Arc;

use logicore::{
    api::{mesh as pb, policy::Scope as PbScope},
    feed::{ADMIN, Producer, resource},
    ids::{RoleName, TenantId},
    policy::Scope,
};

use crate::{
    app::{Gateway, Gateways},
    permissions::Catalogue,
    roles::{BUILT_IN, BuiltIn, Role},
    tenants::Tenant,
};

/// Something that watchers shall know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A role is so now.
    Role(Role),
    /// A role is gone.
    RoleGone(TenantId, RoleName),
    /// A tenant is so now.
    Tenant(Tenant),
    /// A breaker shall close; the number grows with every order.
    BreakerReset(String, u64),
    /// An order is so old that everybody has it.
    BreakerResetGone(String),
}

/// Where committed changes are told.
pub trait Publish: std::fmt::Debug + Send + Sync {
    /// Tells of a committed change, in commit order.
    fn publish(&self, revision: u64, facts: Vec<Fact>);
}

/// Turns facts into resources of the feed.
#[derive(Debug)]
pub struct Publisher {
    producer: Arc<Producer>,
    catalogue: Arc<Catalogue>,
}

impl Publisher {
    /// Starts admin's side of the feed at (`epoch`, `head`) with these facts, and the built-in roles.
    #[must_use]
    pub fn new(catalogue: Arc<Catalogue>, epoch: &str, head: u64, facts: &[Fact]) -> Self {
        let stored = facts.iter().filter_map(|fact| told(&catalogue, fact));
        let resources = BUILT_IN.iter().map(built_in).chain(stored).collect();
        let producer = Producer::new(ADMIN, epoch.to_owned(), head, resources);
        Self { producer, catalogue }
    }

    /// The producer behind it.
    #[must_use]
    pub fn producer(&self) -> &Arc<Producer> {
        &self.producer
    }
}

impl Publish for Publisher {
    fn publish(&self, revision: u64, facts: Vec<Fact>) {
        let upserts = facts.iter().filter_map(|fact| told(&self.catalogue, fact)).collect();
        let removed = facts.iter().filter_map(gone).collect();
        self.producer.publish(revision, upserts, removed);
    }
}

impl Gateways for Publisher {
    fn connected(&self) -> Vec<Gateway> {
        let watchers = self.producer.watchers().into_iter();
        watchers
            .filter(|w| matches!(w.role.as_str(), "gateway" | "all"))
            .map(|w| Gateway {
                id: w.id,
                breakers: w.breakers,
            })
            .collect()
    }
}

/// What watchers hold of a fact; nothing of what is gone.
fn told(catalogue: &Catalogue, fact: &Fact) -> Option<pb::Resource> {
    match fact {
        Fact::Role(role) => Some(resource::role(&role.tenant, &role.name, of_tenant(catalogue, role))),
        Fact::Tenant(tenant) => Some(resource::tenant(&tenant.id, tenant.suspended)),
        Fact::BreakerReset(breaker, order) => Some(resource::breaker_reset(breaker, *order)),
        Fact::RoleGone(..) | Fact::BreakerResetGone(_) => None,
    }
}

/// The key of what watchers no longer hold.
fn gone(fact: &Fact) -> Option<String> {
    match fact {
        Fact::RoleGone(tenant, name) => Some(resource::role_id(Some(tenant), name)),
        Fact::BreakerResetGone(breaker) => Some(resource::breaker_reset_id(breaker)),
        Fact::Role(_) | Fact::Tenant(_) | Fact::BreakerReset(..) => None,
    }
}

fn of_tenant(catalogue: &Catalogue, role: &Role) -> Vec<String> {
    let permissions = role.permissions.iter();
    let of_tenant = permissions.filter(|p| catalogue.scope(p) != Some(Scope::Platform));
    of_tenant.cloned().collect()
}

fn built_in(role: &BuiltIn) -> pb::Resource {
    let all_of = match role.all_of {
        None => PbScope::Unspecified,
        Some(Scope::Tenant) => PbScope::Tenant,
        Some(Scope::Platform) => PbScope::Platform,
    };
    let name = role.name.parse().expect("built-in roles have names as others do");
    resource::built_in_role(&name, all_of)
}

#[cfg(test)]
mod tests {
    use logicore::policy::Table;

    use super::*;

    fn role(permissions: &[&str]) -> Role {
        let time = chrono::DateTime::from_timestamp(0, 0).unwrap();
        Role {
            tenant: "acme".parse().unwrap(),
            name: "editor".parse().unwrap(),
            description: "not told".to_owned(),
            permissions: permissions.iter().map(|p| (*p).to_owned()).collect(),
            created: time,
            updated: time,
            etag: "e".to_owned(),
        }
    }

    #[test]
    fn watchers_never_hear_that_a_tenants_role_holds_what_is_the_platforms() {
        let catalogue = Catalogue::new(&Table::compiled_in());
        let stored = role(&["breakers.reset", "tokens.revoke_all", "users.read", "shipments.read"]);
        let resource = told(&catalogue, &Fact::Role(stored)).unwrap();
        let Some(pb::resource::Kind::Role(grant)) = resource.kind else {
            panic!("a role is told as one");
        };
        assert_eq!(grant.permissions, ["users.read", "shipments.read"]);
        assert_eq!(
            (grant.tenant.as_str(), grant.name.as_str(), grant.all_of),
            ("acme", "editor", 0)
        );
    }

    #[test]
    fn what_goes_goes_by_the_key_it_came_with() {
        let catalogue = Catalogue::new(&Table::compiled_in());
        let role = role(&[]);
        let pairs = [
            (
                Fact::Role(role.clone()),
                Fact::RoleGone(role.tenant.clone(), role.name.clone()),
            ),
            (
                Fact::BreakerReset("user/a".to_owned(), 7),
                Fact::BreakerResetGone("user/a".to_owned()),
            ),
        ];
        for (comes, goes) in pairs {
            let key = told(&catalogue, &comes).unwrap().key;
            assert_eq!(gone(&goes), Some(key));
            assert!(gone(&comes).is_none() && told(&catalogue, &goes).is_none());
        }
    }
}
