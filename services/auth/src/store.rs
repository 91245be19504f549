//! What auth keeps, as the domain sees it. Any implementation must pass [`contract`]. Each method is one transaction; a method
//! that changes something takes the audit entry of the change and writes both or neither.
//!
//! The decision to question: methods are as large as the invariants they keep ("insert the session unless the account changed"),
//! not as small as rows, so that no caller can leave a transaction out.

#[cfg(test)]
pub(crate) mod contract;
mod sqlite;

use std::{fmt, net::IpAddr, sync::Arc};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use logicore::{
    Error,
    ids::{RoleName, SessionId, TenantId, TokenId, UserId},
    secret::Secret,
};

#[cfg(test)]
pub(crate) use sqlite::tests::records;
pub(crate) use sqlite::{MIGRATOR, SqliteStore};

use crate::{
    accounts::{Account, Email, Record},
    audit::Entry,
    codes::StoredCode,
    refresh::{Family, FamilyId, Retired},
    revocations::{Mark, Stamp},
    sessions::Session,
};

/// An account to make.
#[derive(Clone, Debug)]
pub(crate) struct NewAccount {
    pub(crate) tenant: TenantId,
    pub(crate) id: UserId,
    pub(crate) email: Email,
    pub(crate) roles: Vec<RoleName>,
    pub(crate) code: StoredCode,
    pub(crate) now: DateTime<Utc>,
}

/// What became of a provision.
#[derive(Debug)]
pub(crate) enum Provisioned {
    /// It is there; `coded` when the code was taken in, because it has no password.
    Account { account: Account, coded: bool },
    /// The id is an account's of another email or tenant.
    IdTaken,
    /// The email is another account's.
    EmailTaken,
}

/// What became of an unprovision.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Removal {
    Removed,
    Absent,
    InUse,
}

/// What became of the taking of a role.
#[derive(Debug)]
pub(crate) enum RoleRevocation {
    Account(Account),
    Absent,
    /// Nobody else holds the role.
    Last,
}

/// A session to begin.
#[derive(Clone, Debug)]
pub(crate) struct NewSession {
    pub(crate) id: SessionId,
    pub(crate) tenant: TenantId,
    pub(crate) account: UserId,
    pub(crate) family: FamilyId,
    pub(crate) create_time: DateTime<Utc>,
    pub(crate) expire_time: DateTime<Utc>,
    pub(crate) end_time: DateTime<Utc>,
    pub(crate) address: Option<IpAddr>,
    pub(crate) user_agent: Option<String>,
    /// The account's version when its password was checked.
    pub(crate) version: i64,
    /// The revision when the account was read.
    pub(crate) revision: u64,
    /// The password hashed anew, where the parameters changed.
    pub(crate) rehashed: Option<Secret>,
}

/// A step of a refresh family.
#[derive(Clone, Debug)]
pub(crate) struct Advance {
    pub(crate) tenant: TenantId,
    pub(crate) session: SessionId,
    pub(crate) from: u64,
    pub(crate) retired: Vec<Retired>,
    pub(crate) refresh_time: DateTime<Utc>,
    pub(crate) expire_time: DateTime<Utc>,
}

/// Which sessions end, and what is marked.
#[derive(Clone, Debug)]
pub(crate) enum Ending {
    /// One session, where it exists (and is the account's, where one is named): marks it.
    Session {
        tenant: TenantId,
        account: Option<UserId>,
        id: SessionId,
    },
    /// Every session of an account but one: marks each.
    Others {
        tenant: TenantId,
        account: UserId,
        keep: SessionId,
    },
    /// Every session of an account: marks the user.
    User { tenant: TenantId, account: UserId },
    /// Every session of a tenant: marks the tenant.
    Tenant(TenantId),
    /// Every session: marks all.
    Everyone,
    /// No session; marks one access token.
    Token { tenant: TenantId, token: TokenId },
}

impl Ending {
    /// The tenant that the ending stays within.
    pub(crate) fn tenant(&self) -> Option<&TenantId> {
        match self {
            Self::Session { tenant, .. }
            | Self::Others { tenant, .. }
            | Self::User { tenant, .. }
            | Self::Tenant(tenant)
            | Self::Token { tenant, .. } => Some(tenant),
            Self::Everyone => None,
        }
    }
}

/// A password to put in the place of another one.
#[derive(Clone, Debug)]
pub(crate) struct PasswordChange {
    pub(crate) tenant: TenantId,
    pub(crate) account: UserId,
    /// The account's version when the old password was checked.
    pub(crate) version: i64,
    pub(crate) password: Secret,
    /// The session that asks; it must be alive and stays so.
    pub(crate) keep: SessionId,
}

/// What became of a bootstrap.
#[derive(Debug)]
pub(crate) enum Bootstrapped {
    Account(Account),
    /// There is an admin who can sign in.
    AdminExists,
    /// The email's account is disabled.
    Disabled,
}

/// A demo account.
#[derive(Clone, Debug)]
pub(crate) struct DemoAccount {
    pub(crate) id: UserId,
    pub(crate) email: Email,
    pub(crate) roles: Vec<RoleName>,
    pub(crate) password: Secret,
}

/// A signing key as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredKey {
    pub(crate) kid: String,
    pub(crate) algorithm: String,
    pub(crate) sealed: Vec<u8>,
    pub(crate) active_time: DateTime<Utc>,
    pub(crate) retire_time: Option<DateTime<Utc>>,
}

/// Rows, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) sessions: u64,
    pub(crate) accounts: u64,
    pub(crate) marks: u64,
}

/// What auth keeps. Every method that names a tenant sees that tenant's rows alone.
#[async_trait]
pub(crate) trait Store: fmt::Debug + Send + Sync {
    /// Changes when the store was restored or made anew.
    fn epoch(&self) -> Arc<str>;

    /// Finds an account by its login email.
    async fn account_find_by_email(&self, tenant: &TenantId, email: &Email) -> Result<Option<Record>, Error>;
    /// Finds an account.
    async fn account_find(&self, tenant: &TenantId, id: UserId) -> Result<Option<Record>, Error>;
    /// The tenant of an account, where it is `tenant` or none is asked for.
    async fn account_tenant(&self, tenant: Option<&TenantId>, id: UserId) -> Result<Option<TenantId>, Error>;
    /// The accounts that exist among the ids.
    async fn account_batch(&self, tenant: &TenantId, ids: &[UserId]) -> Result<Vec<Account>, Error>;
    /// Makes an account or finds it; replaces its code while it has no password.
    async fn account_provision(&self, new: NewAccount, audit: Entry) -> Result<Provisioned, Error>;
    /// Deletes an account that has no password.
    async fn account_remove_unfinished(&self, tenant: &TenantId, id: UserId, audit: Entry) -> Result<Removal, Error>;
    /// Disables (and ends all sessions) or enables.
    async fn account_set_disabled(
        &self,
        tenant: &TenantId,
        id: UserId,
        disabled: bool,
        stamp: Stamp,
        audit: Entry,
    ) -> Result<Option<Account>, Error>;
    /// Adds a role; marks the user stale where it is new.
    async fn account_grant_role(
        &self,
        tenant: &TenantId,
        id: UserId,
        role: &RoleName,
        stamp: Stamp,
        audit: Entry,
    ) -> Result<Option<Account>, Error>;
    /// Takes a role; marks the user stale where it was held. With `keep_last`, not from its last holder.
    async fn account_revoke_role(
        &self,
        tenant: &TenantId,
        id: UserId,
        role: &RoleName,
        keep_last: bool,
        stamp: Stamp,
        audit: Entry,
    ) -> Result<RoleRevocation, Error>;
    /// Counts the accounts that hold a role.
    async fn account_count_by_role(&self, tenant: &TenantId, role: &RoleName) -> Result<u64, Error>;

    /// Replaces a password and ends the account's other sessions; `None` when the account or the session changed meanwhile.
    async fn password_change(&self, change: PasswordChange, stamp: Stamp, audit: Entry) -> Result<Option<u64>, Error>;
    /// Finds whose code it is, while it is good.
    async fn code_find(&self, hash: &[u8], now: DateTime<Utc>) -> Result<Option<Account>, Error>;
    /// Uses a code up, sets the password, ends all sessions; `None` when the code is not good any more.
    async fn code_redeem(
        &self,
        hash: &[u8],
        password: &Secret,
        stamp: Stamp,
        audit: Entry,
    ) -> Result<Option<Account>, Error>;
    /// Makes the first admin, or makes an account the first admin.
    async fn admin_bootstrap(&self, new: NewAccount, stamp: Stamp, audit: Entry) -> Result<Bootstrapped, Error>;
    /// Makes the demo accounts in a store without any account; returns whether it did.
    async fn demo_create(&self, accounts: Vec<DemoAccount>, audits: Vec<Entry>) -> Result<bool, Error>;
    /// Disables the demo accounts and ends their sessions; returns how many were not disabled before.
    async fn demo_disable(&self, stamp: Stamp, audit: Entry) -> Result<u64, Error>;

    /// Begins a session; `false` when the account changed, or was revoked, since it was read.
    async fn session_insert(&self, new: NewSession, audit: Entry) -> Result<bool, Error>;
    /// Finds a session of the tenant, or of any.
    async fn session_find(&self, tenant: Option<&TenantId>, id: SessionId) -> Result<Option<Session>, Error>;
    /// Finds the session of a refresh family.
    async fn session_find_by_family(&self, family: FamilyId) -> Result<Option<Family>, Error>;
    /// Lists living sessions of an account, newest first, from the one after `after` on.
    async fn session_list(
        &self,
        tenant: &TenantId,
        account: UserId,
        after: Option<SessionId>,
        limit: usize,
        now: DateTime<Utc>,
    ) -> Result<Vec<Session>, Error>;
    /// Moves a family on; `false` when it does not stand where the step begins.
    async fn session_advance(&self, step: Advance, audit: Entry) -> Result<bool, Error>;
    /// Ends sessions and raises the marks that go with it; returns how many sessions ended.
    async fn session_end(&self, ending: Ending, stamp: Stamp, audit: Entry) -> Result<u64, Error>;

    /// Every signing key, oldest first.
    async fn key_list(&self) -> Result<Vec<StoredKey>, Error>;
    /// Adds a key; the others retire at `retire`.
    async fn key_insert(&self, key: StoredKey, retire: DateTime<Utc>, audit: Entry) -> Result<(), Error>;
    /// Replaces the seals of keys and secrets (by kid, by name).
    async fn key_reseal(&self, keys: Vec<(String, Vec<u8>)>, secrets: Vec<(String, Vec<u8>)>) -> Result<(), Error>;
    /// Every other secret, sealed, by name.
    async fn secret_list(&self) -> Result<Vec<(String, Vec<u8>)>, Error>;
    /// Keeps a sealed secret unless there is one of the name.
    async fn secret_insert(&self, name: &str, sealed: &[u8]) -> Result<(), Error>;

    /// The revision, and every mark in force at it.
    async fn mark_list(&self) -> Result<(u64, Vec<Mark>), Error>;
    /// Remembers the longest life of access tokens, in seconds; returns the longest ever.
    async fn token_life_raise(&self, seconds: i64) -> Result<i64, Error>;
    /// Deletes at most `limit` rows of each kind that are over; returns how many.
    async fn sweep(&self, now: DateTime<Utc>, limit: u32) -> Result<u64, Error>;
    /// Counts rows of a tenant, or of all.
    async fn counts(&self, tenant: Option<&TenantId>, now: DateTime<Utc>) -> Result<Counts, Error>;
    /// Writes an audit entry alone: for what changed nothing.
    async fn audit_append(&self, audit: Entry) -> Result<(), Error>;
}
