//! The store in a SQLite file. The statements are what PostgreSQL would take too; only the plumbing is SQLite's.

mod accounts;
mod firsts;
mod keys;
mod marks;
mod passwords;
mod rows;
mod sessions;
mod sweep;
#[cfg(test)]
pub(super) mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use logicore::{
    Error,
    ids::{RoleName, SessionId, TenantId, UserId},
    secret::Secret,
};
use logicore_store::{Db, Tx, outbox};
use sqlx::migrate::Migrator;

use super::{
    Advance, Bootstrapped, Counts, DemoAccount, Ending, NewAccount, NewSession, PasswordChange, Provisioned, Removal,
    RoleRevocation, Store, StoredKey,
};
use crate::{
    accounts::{Account, Email, Record},
    audit::Entry,
    refresh::{Family, FamilyId},
    revocations::{Mark, Sink, Stamp},
    sessions::Session,
};

/// The schema, step by step.
pub(crate) static MIGRATOR: Migrator = sqlx::migrate!("./migrations/sqlite");

/// Errors within a job; they become the domain's where the job ends.
type Fault = logicore_store::Error;

/// The store in a SQLite file.
#[derive(Clone, Debug)]
pub(crate) struct SqliteStore {
    db: Db,
    sink: Arc<dyn Sink>,
}

impl SqliteStore {
    /// A store that tells `sink` of every committed change of what the access feed carries.
    pub(crate) fn new(db: Db, sink: Arc<dyn Sink>) -> Self {
        Self { db, sink }
    }
}

/// Writes the audit entry of the change that `tx` makes.
async fn append(tx: &mut Tx, audit: &Entry) -> Result<(), Fault> {
    outbox::append_in_tx(tx, audit.record()).await.map(drop)
}

/// Runs one statement group in a read snapshot.
macro_rules! read {
    ($self:ident, $name:literal, |$conn:ident| $body:expr) => {
        $self
            .db
            .snapshot($name, move |$conn| Box::pin(async move { $body.await }))
            .await
            .map_err(|fault: Fault| Error::from(fault))
    };
}

/// Runs one job of the writer.
macro_rules! write {
    ($self:ident, $name:literal, |$tx:ident| $body:expr) => {
        $self
            .db
            .write($name, move |$tx| Box::pin(async move { $body.await }))
            .await
            .map_err(|fault: Fault| Error::from(fault))
    };
}

#[async_trait]
impl Store for SqliteStore {
    fn epoch(&self) -> Arc<str> {
        self.db.epoch()
    }

    async fn account_find_by_email(&self, tenant: &TenantId, email: &Email) -> Result<Option<Record>, Error> {
        let (tenant, email) = (tenant.clone(), email.clone());
        read!(self, "account_find_by_email", |c| accounts::find_by_email(
            c, &tenant, &email
        ))
    }

    async fn account_find(&self, tenant: &TenantId, id: UserId) -> Result<Option<Record>, Error> {
        let tenant = tenant.clone();
        read!(self, "account_find", |c| accounts::find(c, &tenant, id))
    }

    async fn account_tenant(&self, tenant: Option<&TenantId>, id: UserId) -> Result<Option<TenantId>, Error> {
        let tenant = tenant.cloned();
        read!(self, "account_tenant", |c| accounts::tenant_of(c, tenant, id))
    }

    async fn account_batch(&self, tenant: &TenantId, ids: &[UserId]) -> Result<Vec<Account>, Error> {
        let (tenant, ids) = (tenant.clone(), ids.to_vec());
        read!(self, "account_batch", |c| accounts::batch(c, &tenant, &ids))
    }

    async fn account_provision(&self, new: NewAccount, audit: Entry) -> Result<Provisioned, Error> {
        write!(self, "account_provision", |tx| accounts::provision(tx, &new, &audit))
    }

    async fn account_remove_unfinished(&self, tenant: &TenantId, id: UserId, audit: Entry) -> Result<Removal, Error> {
        let tenant = tenant.clone();
        write!(self, "account_remove_unfinished", |tx| accounts::remove_unfinished(
            tx, &tenant, id, &audit
        ))
    }

    async fn account_set_disabled(
        &self,
        tenant: &TenantId,
        id: UserId,
        disabled: bool,
        stamp: Stamp,
        audit: Entry,
    ) -> Result<Option<Account>, Error> {
        let (tenant, sink) = (tenant.clone(), self.sink.clone());
        write!(self, "account_set_disabled", |tx| accounts::set_disabled(
            tx, sink, &tenant, id, disabled, stamp, &audit
        ))
    }

    async fn account_grant_role(
        &self,
        tenant: &TenantId,
        id: UserId,
        role: &RoleName,
        stamp: Stamp,
        audit: Entry,
    ) -> Result<Option<Account>, Error> {
        let (tenant, role, sink) = (tenant.clone(), role.clone(), self.sink.clone());
        write!(self, "account_grant_role", |tx| accounts::grant_role(
            tx, sink, &tenant, id, &role, stamp, &audit
        ))
    }

    async fn account_revoke_role(
        &self,
        tenant: &TenantId,
        id: UserId,
        role: &RoleName,
        keep_last: bool,
        stamp: Stamp,
        audit: Entry,
    ) -> Result<RoleRevocation, Error> {
        let (tenant, role, sink) = (tenant.clone(), role.clone(), self.sink.clone());
        let last = keep_last.then(|| role.clone());
        write!(self, "account_revoke_role", |tx| accounts::revoke_role(
            tx,
            sink,
            (&tenant, id),
            &role,
            last,
            stamp,
            &audit
        ))
    }

    async fn account_count_by_role(&self, tenant: &TenantId, role: &RoleName) -> Result<u64, Error> {
        let (tenant, role) = (tenant.clone(), role.clone());
        read!(self, "account_count_by_role", |c| accounts::count_by_role(
            c, &tenant, &role
        ))
    }

    async fn password_change(&self, change: PasswordChange, stamp: Stamp, audit: Entry) -> Result<Option<u64>, Error> {
        let sink = self.sink.clone();
        write!(self, "password_change", |tx| passwords::change(
            tx, sink, &change, stamp, &audit
        ))
    }

    async fn code_find(&self, hash: &[u8], now: DateTime<Utc>) -> Result<Option<Account>, Error> {
        let hash = hash.to_vec();
        read!(self, "code_find", |c| passwords::code_find(c, &hash, now))
    }

    async fn code_redeem(
        &self,
        hash: &[u8],
        password: &Secret,
        stamp: Stamp,
        audit: Entry,
    ) -> Result<Option<Account>, Error> {
        let (hash, password, sink) = (hash.to_vec(), password.clone(), self.sink.clone());
        write!(self, "code_redeem", |tx| passwords::code_redeem(
            tx, sink, &hash, &password, stamp, &audit
        ))
    }

    async fn admin_bootstrap(&self, new: NewAccount, stamp: Stamp, audit: Entry) -> Result<Bootstrapped, Error> {
        let sink = self.sink.clone();
        write!(self, "admin_bootstrap", |tx| firsts::bootstrap(
            tx, sink, &new, stamp, audit
        ))
    }

    async fn demo_create(&self, accounts: Vec<DemoAccount>, audits: Vec<Entry>) -> Result<bool, Error> {
        write!(self, "demo_create", |tx| firsts::demo_create(tx, &accounts, &audits))
    }

    async fn demo_disable(&self, stamp: Stamp, audit: Entry) -> Result<u64, Error> {
        let sink = self.sink.clone();
        write!(self, "demo_disable", |tx| firsts::demo_disable(tx, sink, stamp, &audit))
    }

    async fn session_insert(&self, new: NewSession, audit: Entry) -> Result<bool, Error> {
        write!(self, "session_insert", |tx| sessions::insert(tx, &new, &audit))
    }

    async fn session_find(&self, tenant: Option<&TenantId>, id: SessionId) -> Result<Option<Session>, Error> {
        let tenant = tenant.cloned();
        read!(self, "session_find", |c| sessions::find(c, tenant, id))
    }

    async fn session_find_by_family(&self, family: FamilyId) -> Result<Option<Family>, Error> {
        read!(self, "session_find_by_family", |c| sessions::find_by_family(c, family))
    }

    async fn session_list(
        &self,
        tenant: &TenantId,
        account: UserId,
        after: Option<SessionId>,
        limit: usize,
        now: DateTime<Utc>,
    ) -> Result<Vec<Session>, Error> {
        let tenant = tenant.clone();
        read!(self, "session_list", |c| sessions::list(
            c, &tenant, account, after, limit, now
        ))
    }

    async fn session_advance(&self, step: Advance, audit: Entry) -> Result<bool, Error> {
        write!(self, "session_advance", |tx| sessions::advance(tx, &step, &audit))
    }

    async fn session_end(&self, ending: Ending, stamp: Stamp, audit: Entry) -> Result<u64, Error> {
        let sink = self.sink.clone();
        write!(self, "session_end", |tx| sessions::end(tx, sink, &ending, stamp, audit))
    }

    async fn key_list(&self) -> Result<Vec<StoredKey>, Error> {
        read!(self, "key_list", |c| keys::list(c))
    }

    async fn key_insert(&self, key: StoredKey, retire: DateTime<Utc>, audit: Entry) -> Result<(), Error> {
        write!(self, "key_insert", |tx| keys::insert(tx, &key, retire, &audit))
    }

    async fn key_reseal(&self, keys: Vec<(String, Vec<u8>)>, secrets: Vec<(String, Vec<u8>)>) -> Result<(), Error> {
        write!(self, "key_reseal", |tx| keys::reseal(tx, &keys, &secrets))
    }

    async fn secret_list(&self) -> Result<Vec<(String, Vec<u8>)>, Error> {
        read!(self, "secret_list", |c| keys::secret_list(c))
    }

    async fn secret_insert(&self, name: &str, sealed: &[u8]) -> Result<(), Error> {
        let (name, sealed) = (name.to_owned(), sealed.to_vec());
        write!(self, "secret_insert", |tx| keys::secret_insert(tx, &name, &sealed))
    }

    async fn mark_list(&self) -> Result<(u64, Vec<Mark>), Error> {
        read!(self, "mark_list", |c| marks::list(c))
    }

    async fn token_life_raise(&self, seconds: i64) -> Result<i64, Error> {
        write!(self, "token_life_raise", |tx| keys::token_life_raise(tx, seconds))
    }

    async fn sweep(&self, now: DateTime<Utc>, limit: u32) -> Result<u64, Error> {
        let sink = self.sink.clone();
        write!(self, "sweep", |tx| sweep::sweep(tx, sink, now, limit))
    }

    async fn counts(&self, tenant: Option<&TenantId>, now: DateTime<Utc>) -> Result<Counts, Error> {
        let tenant = tenant.cloned();
        read!(self, "counts", |c| sweep::counts(c, tenant, now))
    }

    async fn audit_append(&self, audit: Entry) -> Result<(), Error> {
        write!(self, "audit_append", |tx| append(tx, &audit))
    }
}
