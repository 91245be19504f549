//! What admin keeps, as the domain sees it. Any implementation must pass [`contract`].

pub mod sqlite;

#[cfg(test)]
pub(crate) mod contract;

use std::fmt;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use logicore::{
    Error,
    ids::{RoleName, TenantId},
};
use uuid::Uuid;

use crate::{
    audit::{Batch, Condition, Cursor, Event, Record},
    roles::{Decide, Role},
};

/// Roles, orders to breakers and the audit log. What changes is published in commit order.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync {
    /// Roles that a tenant made after the name `after`, by name.
    async fn role_list(&self, tenant: &TenantId, after: &str, limit: usize) -> Result<Vec<Role>, Error>;

    /// Those of the names that the tenant has made.
    async fn role_find(&self, tenant: &TenantId, names: &[RoleName]) -> Result<Vec<Role>, Error>;

    /// Shows `decide` what is there and carries out what it says, in one transaction. `held` are the names of the caller's
    /// roles. Returns the role as it is afterwards.
    async fn role_change(
        &self,
        tenant: &TenantId,
        name: &RoleName,
        held: &[RoleName],
        now: DateTime<Utc>,
        decide: Decide,
    ) -> Result<Option<Role>, Error>;

    /// Ends the lease of a grant.
    async fn grant_release(&self, lease: Uuid) -> Result<(), Error>;

    /// Keeps and publishes an order to close a breaker; returns its number.
    async fn breaker_reset(&self, breaker: &str, now: DateTime<Utc>, record: Record) -> Result<u64, Error>;

    /// Stores a run of events; returns the place that the log waits for.
    async fn audit_append(&self, batch: Batch, now: DateTime<Utc>) -> Result<u64, Error>;

    /// Stores an event of admin's own that comes with no change.
    async fn audit_note(&self, record: Record) -> Result<(), Error>;

    /// Events of a tenant that pass the filter, newest first, after a place.
    async fn audit_list(&self, query: AuditQuery) -> Result<Vec<Event>, Error>;

    /// Counts what a tenant has.
    async fn tenant_counts(&self, tenant: &TenantId) -> Result<Counts, Error>;
}

/// What to look for in the audit log.
#[derive(Clone, Debug)]
pub struct AuditQuery {
    /// Tenant that the answer is confined to.
    pub tenant: TenantId,
    /// What every event must meet.
    pub conditions: Vec<Condition>,
    /// After this place; from the newest where absent.
    pub after: Option<Cursor>,
    /// At most so many.
    pub limit: usize,
}

/// What a tenant has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Roles that it made.
    pub roles: u64,
    /// Audit events that concern it.
    pub audit_events: u64,
}
