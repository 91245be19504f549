//! Accounts and their roles.

use std::sync::Arc;

use logicore::ids::{RoleName, TenantId, UserId};
use logicore_store::Tx;
use sqlx::{AssertSqlSafe, QueryBuilder, Row, Sqlite, SqliteConnection};
use uuid::Uuid;

use super::{
    Fault, append, marks,
    marks::Level,
    passwords::put_code_in_tx,
    rows::{ACCOUNT, AccountRow, all, corrupt, micros, tenant as read_tenant, unsigned},
    sessions::end_all_in_tx,
};
use crate::{
    accounts::{Account, Email, Record},
    audit::Entry,
    revocations::{Sink, Stamp, Target},
    store::{NewAccount, Provisioned, Removal, RoleRevocation},
};

pub(super) async fn find_by_email(
    conn: &mut SqliteConnection,
    tenant: &TenantId,
    email: &Email,
) -> Result<Option<Record>, Fault> {
    let revision = marks::revision(conn).await?;
    let row = row_by_email(conn, tenant, email).await?;
    record(conn, revision, row).await
}

pub(super) async fn find(conn: &mut SqliteConnection, tenant: &TenantId, id: UserId) -> Result<Option<Record>, Fault> {
    let revision = marks::revision(conn).await?;
    let row = row_by_id(conn, tenant, id).await?;
    record(conn, revision, row).await
}

async fn record(conn: &mut SqliteConnection, revision: u64, row: Option<AccountRow>) -> Result<Option<Record>, Fault> {
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Record {
        revision,
        account: row.account(conn).await?,
        version: row.version,
        password: row.password(),
    }))
}

pub(super) async fn row_by_email(
    conn: &mut SqliteConnection,
    tenant: &TenantId,
    email: &Email,
) -> Result<Option<AccountRow>, Fault> {
    let sql = format!("SELECT {ACCOUNT} FROM accounts WHERE tenant = $1 AND email = $2");
    Ok(sqlx::query_as(AssertSqlSafe(sql))
        .bind(tenant.as_str())
        .bind(email.as_str())
        .fetch_optional(conn)
        .await?)
}

pub(super) async fn row_by_id(
    conn: &mut SqliteConnection,
    tenant: &TenantId,
    id: UserId,
) -> Result<Option<AccountRow>, Fault> {
    let sql = format!("SELECT {ACCOUNT} FROM accounts WHERE tenant = $1 AND id = $2");
    Ok(sqlx::query_as(AssertSqlSafe(sql))
        .bind(tenant.as_str())
        .bind(id.0)
        .fetch_optional(conn)
        .await?)
}

pub(super) async fn tenant_of(
    conn: &mut SqliteConnection,
    tenant: Option<TenantId>,
    id: UserId,
) -> Result<Option<TenantId>, Fault> {
    const FIND: &str = "SELECT tenant FROM accounts WHERE id = $1";
    let found: Option<String> = sqlx::query_scalar(FIND).bind(id.0).fetch_optional(conn).await?;
    let found = found.as_deref().map(read_tenant).transpose()?;
    Ok(found.filter(|f| tenant.is_none_or(|t| t == *f)))
}

pub(super) async fn batch(
    conn: &mut SqliteConnection,
    tenant: &TenantId,
    ids: &[UserId],
) -> Result<Vec<Account>, Fault> {
    let accounts = select_in(
        conn,
        &format!("SELECT {ACCOUNT} FROM accounts WHERE id IN ("),
        tenant,
        ids,
    )
    .await?;
    let mut accounts: Vec<Account> = all::<AccountRow>(&accounts)?
        .iter()
        .map(AccountRow::bare)
        .collect::<Result<_, _>>()?;
    let roles = select_in(
        conn,
        "SELECT account, role FROM account_roles WHERE account IN (",
        tenant,
        ids,
    )
    .await?;
    accounts.sort_unstable_by_key(|a| a.id);
    for row in roles {
        let (id, role): (Uuid, String) = (row.try_get("account")?, row.try_get("role")?);
        if let Ok(at) = accounts.binary_search_by_key(&UserId(id), |a| a.id) {
            accounts[at].roles.push(role.parse().map_err(corrupt)?);
        }
    }
    accounts.iter_mut().for_each(|a| a.roles.sort_unstable());
    Ok(accounts)
}

async fn select_in(
    conn: &mut SqliteConnection,
    head: &str,
    tenant: &TenantId,
    ids: &[UserId],
) -> Result<Vec<sqlx::sqlite::SqliteRow>, Fault> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut query: QueryBuilder<Sqlite> = QueryBuilder::new(head);
    let mut list = query.separated(", ");
    for id in ids {
        list.push_bind(id.0);
    }
    list.push_unseparated(") AND tenant = ");
    query.push_bind(tenant.as_str().to_owned());
    Ok(query.build().fetch_all(conn).await?)
}

pub(super) async fn provision(tx: &mut Tx, new: &NewAccount, audit: &Entry) -> Result<Provisioned, Fault> {
    let sql = format!("SELECT {ACCOUNT} FROM accounts WHERE id = $1");
    let there: Option<AccountRow> = sqlx::query_as(AssertSqlSafe(sql))
        .bind(new.id.0)
        .fetch_optional(tx.conn())
        .await?;
    if let Some(row) = there {
        if row.tenant != new.tenant.as_str() || row.email != new.email.as_str() {
            return Ok(Provisioned::IdTaken);
        }
        let coded = row.password.is_none() && !row.disabled;
        if coded {
            put_code_in_tx(tx, &new.tenant, new.id, &new.code).await?;
            append(tx, &audit.clone().with("repeated", true)).await?;
        }
        let account = row.account(tx.conn()).await?;
        return Ok(Provisioned::Account { account, coded });
    }
    if row_by_email(tx.conn(), &new.tenant, &new.email).await?.is_some() {
        return Ok(Provisioned::EmailTaken);
    }
    insert_in_tx(tx, new, None, false).await?;
    put_code_in_tx(tx, &new.tenant, new.id, &new.code).await?;
    append(tx, audit).await?;
    let account = must_find_in_tx(tx, &new.tenant, new.id).await?;
    Ok(Provisioned::Account { account, coded: true })
}

pub(super) async fn insert_in_tx(
    tx: &mut Tx,
    new: &NewAccount,
    password: Option<&str>,
    demo: bool,
) -> Result<(), Fault> {
    const INSERT: &str = "\
        INSERT INTO accounts (tenant, id, email, password, version, disabled, demo, create_time) \
        VALUES ($1, $2, $3, $4, 1, FALSE, $5, $6)";
    sqlx::query(INSERT)
        .bind(new.tenant.as_str())
        .bind(new.id.0)
        .bind(new.email.as_str())
        .bind(password)
        .bind(demo)
        .bind(micros(new.now))
        .execute(tx.conn())
        .await?;
    for role in &new.roles {
        add_role_in_tx(tx, &new.tenant, new.id, role).await?;
    }
    Ok(())
}

/// Adds a role; returns whether it is new.
pub(super) async fn add_role_in_tx(tx: &mut Tx, tenant: &TenantId, id: UserId, role: &RoleName) -> Result<bool, Fault> {
    const ADD: &str = "\
        INSERT INTO account_roles (tenant, account, role) VALUES ($1, $2, $3) \
        ON CONFLICT (tenant, account, role) DO NOTHING";
    let done = sqlx::query(ADD)
        .bind(tenant.as_str())
        .bind(id.0)
        .bind(role.as_str())
        .execute(tx.conn())
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Makes whoever read the account before lose.
pub(super) async fn raise_version_in_tx(tx: &mut Tx, tenant: &TenantId, id: UserId) -> Result<(), Fault> {
    const RAISE: &str = "UPDATE accounts SET version = version + 1 WHERE tenant = $1 AND id = $2";
    sqlx::query(RAISE)
        .bind(tenant.as_str())
        .bind(id.0)
        .execute(tx.conn())
        .await?;
    Ok(())
}

pub(super) async fn must_find_in_tx(tx: &mut Tx, tenant: &TenantId, id: UserId) -> Result<Account, Fault> {
    let row = row_by_id(tx.conn(), tenant, id).await?;
    let row = row.ok_or_else(|| corrupt("an account that was just written is not there"))?;
    row.account(tx.conn()).await
}

pub(super) async fn remove_unfinished(
    tx: &mut Tx,
    tenant: &TenantId,
    id: UserId,
    audit: &Entry,
) -> Result<Removal, Fault> {
    const DELETE: &str = "DELETE FROM accounts WHERE tenant = $1 AND id = $2";
    match row_by_id(tx.conn(), tenant, id).await? {
        None => return Ok(Removal::Absent),
        Some(row) if row.password.is_some() => return Ok(Removal::InUse),
        Some(_) => {}
    }
    sqlx::query(DELETE)
        .bind(tenant.as_str())
        .bind(id.0)
        .execute(tx.conn())
        .await?;
    append(tx, audit).await?;
    Ok(Removal::Removed)
}

pub(super) async fn set_disabled(
    tx: &mut Tx,
    sink: Arc<dyn Sink>,
    tenant: &TenantId,
    id: UserId,
    disabled: bool,
    stamp: Stamp,
    audit: &Entry,
) -> Result<Option<Account>, Fault> {
    const SET: &str = "\
        UPDATE accounts SET disabled = $3, version = version + 1 WHERE tenant = $1 AND id = $2 AND disabled <> $3";
    let changed = sqlx::query(SET)
        .bind(tenant.as_str())
        .bind(id.0)
        .bind(disabled)
        .execute(tx.conn())
        .await?
        .rows_affected();
    if changed > 0 {
        let mut audit = audit.clone();
        if disabled {
            let ended = end_all_in_tx(tx, sink, tenant, id, stamp).await?;
            audit = audit.with("sessions", ended);
        }
        append(tx, &audit).await?;
    }
    let row = row_by_id(tx.conn(), tenant, id).await?;
    match row {
        Some(row) => row.account(tx.conn()).await.map(Some),
        None => Ok(None),
    }
}

pub(super) async fn grant_role(
    tx: &mut Tx,
    sink: Arc<dyn Sink>,
    tenant: &TenantId,
    id: UserId,
    role: &RoleName,
    stamp: Stamp,
    audit: &Entry,
) -> Result<Option<Account>, Fault> {
    if row_by_id(tx.conn(), tenant, id).await?.is_none() {
        return Ok(None);
    }
    if add_role_in_tx(tx, tenant, id, role).await? {
        roles_changed_in_tx(tx, sink, tenant, id, stamp).await?;
        append(tx, audit).await?;
    }
    must_find_in_tx(tx, tenant, id).await.map(Some)
}

pub(super) async fn roles_changed_in_tx(
    tx: &mut Tx,
    sink: Arc<dyn Sink>,
    tenant: &TenantId,
    id: UserId,
    stamp: Stamp,
) -> Result<(), Fault> {
    raise_version_in_tx(tx, tenant, id).await?;
    marks::mark_in_tx(tx, sink, tenant.as_str(), &[Target::User(id)], Level::Stale, stamp).await
}

pub(super) async fn revoke_role(
    tx: &mut Tx,
    sink: Arc<dyn Sink>,
    (tenant, id): (&TenantId, UserId),
    role: &RoleName,
    keep_last: Option<RoleName>,
    stamp: Stamp,
    audit: &Entry,
) -> Result<RoleRevocation, Fault> {
    const TAKE: &str = "DELETE FROM account_roles WHERE tenant = $1 AND account = $2 AND role = $3";
    let Some(row) = row_by_id(tx.conn(), tenant, id).await? else {
        return Ok(RoleRevocation::Absent);
    };
    let account = row.account(tx.conn()).await?;
    if !account.roles.contains(role) {
        return Ok(RoleRevocation::Account(account));
    }
    if let Some(role) = keep_last
        && holders_in_tx(tx, tenant, &role, Some(id)).await? == 0
    {
        return Ok(RoleRevocation::Last);
    }
    sqlx::query(TAKE)
        .bind(tenant.as_str())
        .bind(id.0)
        .bind(role.as_str())
        .execute(tx.conn())
        .await?;
    roles_changed_in_tx(tx, sink, tenant, id, stamp).await?;
    append(tx, audit).await?;
    must_find_in_tx(tx, tenant, id).await.map(RoleRevocation::Account)
}

/// Counts those who hold a role and can sign in, but for one.
pub(super) async fn holders_in_tx(
    tx: &mut Tx,
    tenant: &TenantId,
    role: &RoleName,
    but: Option<UserId>,
) -> Result<u64, Fault> {
    const COUNT: &str = "\
        SELECT COUNT(*) FROM account_roles r JOIN accounts a ON a.tenant = r.tenant AND a.id = r.account \
        WHERE r.tenant = $1 AND r.role = $2 AND a.id <> $3 AND a.disabled = FALSE AND a.password IS NOT NULL";
    let count: i64 = sqlx::query_scalar(COUNT)
        .bind(tenant.as_str())
        .bind(role.as_str())
        .bind(but.map_or(Uuid::nil(), |id| id.0))
        .fetch_one(tx.conn())
        .await?;
    unsigned(count)
}

pub(super) async fn count_by_role(
    conn: &mut SqliteConnection,
    tenant: &TenantId,
    role: &RoleName,
) -> Result<u64, Fault> {
    const COUNT: &str = "SELECT COUNT(*) FROM account_roles WHERE tenant = $1 AND role = $2";
    let count: i64 = sqlx::query_scalar(COUNT)
        .bind(tenant.as_str())
        .bind(role.as_str())
        .fetch_one(conn)
        .await?;
    unsigned(count)
}
