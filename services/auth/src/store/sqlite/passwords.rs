//! Passwords and single-use codes.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use logicore::{
    ids::{SessionId, TenantId, UserId},
    secret::Secret,
};
use logicore_store::Tx;
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::{
    Fault,
    accounts::must_find_in_tx,
    append,
    rows::{AccountRow, micros},
    sessions,
    sessions::end_all_in_tx,
};
use crate::{
    accounts::Account,
    audit::Entry,
    codes::StoredCode,
    revocations::{Sink, Stamp},
    store::PasswordChange,
};

pub(super) async fn change(
    tx: &mut Tx,
    sink: Arc<dyn Sink>,
    change: &PasswordChange,
    stamp: Stamp,
    audit: &Entry,
) -> Result<Option<u64>, Fault> {
    const SET: &str = "\
        UPDATE accounts SET password = $4, version = version + 1 \
        WHERE tenant = $1 AND id = $2 AND version = $3 AND disabled = FALSE";
    let own = sessions::find(tx.conn(), Some(change.tenant.clone()), change.keep).await?;
    if own.is_none_or(|s| s.account != change.account) {
        return Ok(None);
    }
    let set = sqlx::query(SET)
        .bind(change.tenant.as_str())
        .bind(change.account.0)
        .bind(change.version)
        .bind(change.password.expose())
        .execute(tx.conn())
        .await?;
    if set.rows_affected() == 0 {
        return Ok(None);
    }
    delete_code_in_tx(tx, &change.tenant, change.account).await?;
    let keep: SessionId = change.keep;
    let ended = sessions::end_others_in_tx(tx, sink, (&change.tenant, change.account), keep, stamp).await?;
    append(tx, &audit.clone().with("sessions", ended)).await?;
    Ok(Some(ended))
}

pub(super) async fn code_find(
    conn: &mut SqliteConnection,
    hash: &[u8],
    now: DateTime<Utc>,
) -> Result<Option<Account>, Fault> {
    const FIND: &str = "\
        SELECT a.tenant, a.id, a.email, a.password, a.version, a.disabled, a.create_time \
        FROM codes c JOIN accounts a ON a.tenant = c.tenant AND a.id = c.account \
        WHERE c.hash = $1 AND c.expire_time > $2 AND a.disabled = FALSE";
    let row: Option<AccountRow> = sqlx::query_as(FIND)
        .bind(hash)
        .bind(micros(now))
        .fetch_optional(&mut *conn)
        .await?;
    match row {
        Some(row) => row.account(conn).await.map(Some),
        None => Ok(None),
    }
}

pub(super) async fn code_redeem(
    tx: &mut Tx,
    sink: Arc<dyn Sink>,
    hash: &[u8],
    password: &Secret,
    stamp: Stamp,
    audit: &Entry,
) -> Result<Option<Account>, Fault> {
    const SET: &str = "UPDATE accounts SET password = $3, version = version + 1 WHERE tenant = $1 AND id = $2";
    let Some(account) = code_find(tx.conn(), hash, stamp.now).await? else {
        return Ok(None);
    };
    delete_code_in_tx(tx, &account.tenant, account.id).await?;
    sqlx::query(SET)
        .bind(account.tenant.as_str())
        .bind(account.id.0)
        .bind(password.expose())
        .execute(tx.conn())
        .await?;
    let ended = end_all_in_tx(tx, sink, &account.tenant, account.id, stamp).await?;
    append(tx, &audit.clone().with("sessions", ended)).await?;
    must_find_in_tx(tx, &account.tenant, account.id).await.map(Some)
}

/// Gives the account this code and no other.
pub(super) async fn put_code_in_tx(tx: &mut Tx, tenant: &TenantId, id: UserId, code: &StoredCode) -> Result<(), Fault> {
    const PUT: &str = "\
        INSERT INTO codes (tenant, account, hash, expire_time) VALUES ($1, $2, $3, $4) \
        ON CONFLICT (tenant, account) DO UPDATE SET hash = excluded.hash, expire_time = excluded.expire_time";
    sqlx::query(PUT)
        .bind(tenant.as_str())
        .bind(id.0)
        .bind(code.hash.as_slice())
        .bind(micros(code.expire_time))
        .execute(tx.conn())
        .await?;
    Ok(())
}

async fn delete_code_in_tx(tx: &mut Tx, tenant: &TenantId, id: UserId) -> Result<(), Fault> {
    const DELETE: &str = "DELETE FROM codes WHERE tenant = $1 AND account = $2";
    let id: Uuid = id.0;
    sqlx::query(DELETE)
        .bind(tenant.as_str())
        .bind(id)
        .execute(tx.conn())
        .await?;
    Ok(())
}
