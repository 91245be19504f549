//! Resources as they travel. The key says what a resource is about, so that a newer one replaces it.

use crate::{
    api::{
        mesh::{self as pb, resource::Kind},
        policy::Scope,
    },
    ids::{RoleName, TenantId},
};

/// A key that access tokens are verified with.
#[must_use]
pub fn verification_key(key: pb::VerificationKey) -> pb::Resource {
    of(verification_key_id(&key.kid), Kind::VerificationKey(key))
}

/// Resource key of a verification key.
#[must_use]
pub fn verification_key_id(kid: &str) -> String {
    format!("key/{kid}")
}

/// The marks of a target.
#[must_use]
pub fn revocation(marks: pb::Revocation) -> pb::Resource {
    of(revocation_id(marks.target(), &marks.id), Kind::Revocation(marks))
}

/// Resource key of a target's marks.
#[must_use]
pub fn revocation_id(target: pb::RevocationTarget, id: &str) -> String {
    format!("revocation/{}/{id}", target_name(target))
}

/// A target as keys spell it.
pub(super) fn target_name(target: pb::RevocationTarget) -> &'static str {
    match target {
        pb::RevocationTarget::Unspecified => "unspecified",
        pb::RevocationTarget::Token => "token",
        pb::RevocationTarget::Session => "session",
        pb::RevocationTarget::User => "user",
        pb::RevocationTarget::Tenant => "tenant",
        pb::RevocationTarget::All => "all",
    }
}

/// A role of a tenant with its permissions.
#[must_use]
pub fn role(tenant: &TenantId, name: &RoleName, permissions: Vec<String>) -> pb::Resource {
    let grant = pb::RoleGrant {
        tenant: tenant.to_string(),
        name: name.to_string(),
        permissions,
        all_of: Scope::Unspecified.into(),
    };
    of(role_id(Some(tenant), name), Kind::Role(grant))
}

/// A built-in role of every tenant: all permissions of a scope, or none.
#[must_use]
pub fn built_in_role(name: &RoleName, all_of: Scope) -> pb::Resource {
    let grant = pb::RoleGrant {
        tenant: String::new(),
        name: name.to_string(),
        permissions: Vec::new(),
        all_of: all_of.into(),
    };
    of(role_id(None, name), Kind::Role(grant))
}

/// Resource key of a role; without a tenant that of a built-in one.
#[must_use]
pub fn role_id(tenant: Option<&TenantId>, name: &RoleName) -> String {
    format!("role/{}/{name}", tenant.map_or("", TenantId::as_str))
}

/// A tenant.
#[must_use]
pub fn tenant(id: &TenantId, suspended: bool) -> pb::Resource {
    let tenant = pb::Tenant {
        id: id.to_string(),
        suspended,
    };
    of(format!("tenant/{id}"), Kind::Tenant(tenant))
}

/// An order to close a breaker; `order` grows with every one.
#[must_use]
pub fn breaker_reset(breaker: &str, order: u64) -> pb::Resource {
    let reset = pb::BreakerReset {
        breaker: breaker.to_owned(),
        order,
    };
    of(breaker_reset_id(breaker), Kind::BreakerReset(reset))
}

/// Resource key of the newest order to a breaker.
#[must_use]
pub fn breaker_reset_id(breaker: &str) -> String {
    format!("breaker/{breaker}")
}

fn of(key: String, kind: Kind) -> pb::Resource {
    pb::Resource { key, kind: Some(kind) }
}
