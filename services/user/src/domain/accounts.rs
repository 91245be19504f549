//! The auth service as the domain sees it.

use std::fmt;

use chrono::{DateTime, Utc};
use logicore::{
    Error,
    ids::{TenantId, UserId},
    secret::Secret,
};

use super::Actor;

/// What auth tells of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) id: UserId,
    pub(crate) email: String,
    pub(crate) roles: Vec<String>,
}

/// The account to make.
#[derive(Clone, Debug)]
pub(crate) struct NewAccount {
    pub(crate) id: UserId,
    pub(crate) tenant: TenantId,
    pub(crate) email: String,
}

/// A single-use code to set the first password with.
#[derive(Debug)]
pub(crate) struct Code {
    pub(crate) code: Secret,
    pub(crate) expire_time: Option<DateTime<Utc>>,
}

/// The account that is there now.
#[derive(Debug)]
pub(crate) struct Provisioned {
    pub(crate) account: Account,
    /// `None` when the account has a password.
    pub(crate) code: Option<Code>,
}

/// Accounts, wherever they are kept. Every error is ready for the caller: a refusal of auth's as it is, its absence as
/// `UPSTREAM_UNAVAILABLE`.
#[async_trait::async_trait]
pub(crate) trait Accounts: Send + Sync + fmt::Debug {
    /// Makes the account, or finds the one that an earlier call with this id made.
    async fn provision(&self, account: &NewAccount, actor: &Actor) -> Result<Provisioned, Error>;
    /// Undoes that; an account with a password is left alone (`STATE_FORBIDS`).
    async fn unprovision(&self, tenant: &TenantId, id: UserId, actor: &Actor) -> Result<(), Error>;
    /// Those of the accounts that exist in the tenant, in no particular order.
    async fn batch(&self, tenant: &TenantId, ids: &[UserId]) -> Result<Vec<Account>, Error>;
    /// The account with this login email.
    async fn lookup(&self, tenant: &TenantId, email: &str) -> Result<Option<Account>, Error>;
    /// Disables or enables an account; `false` when there is none.
    async fn set_disabled(&self, tenant: &TenantId, id: UserId, disabled: bool, actor: &Actor) -> Result<bool, Error>;
}
