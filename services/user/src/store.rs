//! Where profiles are kept: the trait that the domain sees, and SQLite behind it. Any implementation must pass [`contract`].
//!
//! A write takes the audit record of what it does, so that no implementation can store one without the other.

#[cfg(test)]
pub(crate) mod contract;
mod rows;
mod sqlite;
mod statements;

use std::fmt;

use chrono::{DateTime, Utc};
use logicore::ids::{TenantId, UserId};
use logicore_store::{Error, outbox::AuditRecord};
use uuid::Uuid;

#[cfg(test)]
pub(crate) use sqlite::tests::fixture;
pub(crate) use sqlite::{MIGRATOR, SqliteStore};

use crate::domain::{Actor, Profile, Query};

/// A user that is being made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Creation {
    /// In state pending.
    pub(crate) profile: Profile,
    pub(crate) request_id: Option<Uuid>,
    pub(crate) email: String,
    pub(crate) actor: Actor,
}

/// What became of the beginning of a creation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Begin {
    /// The profile is there, pending.
    Made,
    /// The request id was used with the same body, for this profile.
    Repeated(Box<Profile>),
    /// The request id was used with another body.
    Differs,
}

/// Profiles of all tenants. No method shows or touches a profile of another tenant than the one it is given.
#[async_trait::async_trait]
pub(crate) trait Store: Send + Sync + fmt::Debug {
    /// Begins a creation, or finds the one that began under its request id.
    async fn creation_begin(&self, creation: &Creation, body_hash: &[u8]) -> Result<Begin, Error>;
    /// Makes a pending profile active and forgets its email. An active one stays as it is, without a record; `None` when
    /// there is neither.
    async fn creation_finish(
        &self,
        tenant: &TenantId,
        id: UserId,
        now: DateTime<Utc>,
        audit: &AuditRecord,
    ) -> Result<Option<Profile>, Error>;
    /// Removes a pending profile and its request id; anything else stays as it is, without a record.
    async fn creation_abort(&self, tenant: &TenantId, id: UserId, audit: Option<&AuditRecord>) -> Result<(), Error>;
    /// Creations of every tenant that began before `before` and are still pending, oldest first.
    async fn creation_pending(&self, before: DateTime<Utc>, limit: usize) -> Result<Vec<Creation>, Error>;
    /// Forgets the request ids of users that were made before `before` and are no longer pending.
    async fn creation_forget(&self, before: DateTime<Utc>) -> Result<(), Error>;

    /// A profile of the tenant.
    async fn profile_find(&self, tenant: &TenantId, id: UserId) -> Result<Option<Profile>, Error>;
    /// Adds a profile; where one of that id is there, it stays as it is, without a record.
    async fn profile_add(&self, profile: &Profile, audit: Option<&AuditRecord>) -> Result<(), Error>;
    /// Replaces a profile that stands at `revision`. Returns whether it did; without a record where not.
    async fn profile_replace(&self, profile: &Profile, revision: i64, audit: &AuditRecord) -> Result<bool, Error>;
    /// Profiles of the tenant that meet every condition, in order, after the position.
    async fn profile_list(&self, query: &Query) -> Result<Vec<Profile>, Error>;
    /// Whether there is no profile of any tenant.
    async fn profile_none(&self) -> Result<bool, Error>;
}
