//! Tenants. Their administration comes later; the one that a login without a tenant means is made with the store.

use logicore::ids::TenantId;

/// A tenant as far as requests care.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// None of its tokens is accepted.
    pub suspended: bool,
}
