//! Sessions and their refresh families, which share a row.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use logicore::ids::{SessionId, TenantId, UserId};
use logicore_store::Tx;
use sqlx::{AssertSqlSafe, SqliteConnection};
use uuid::Uuid;

use super::{
    Fault,
    accounts::row_by_id,
    append, marks,
    marks::{Level, mark_in_tx},
    rows::{SessionRow, corrupt, micros, read_retired, signed, unsigned, write_retired},
};
use crate::{
    audit::Entry,
    refresh::{Family, FamilyId},
    revocations::{Sink, Stamp, Target},
    sessions::Session,
    store::{Advance, Ending, NewSession},
};

const SESSION: &str = "tenant, id, account, generation, retired, create_time, refresh_time, expire_time, end_time, \
                       address, user_agent";

pub(super) async fn insert(tx: &mut Tx, new: &NewSession, audit: &Entry) -> Result<bool, Fault> {
    const INSERT: &str = "\
        INSERT INTO sessions (tenant, id, account, family, generation, retired, create_time, refresh_time, expire_time, \
            end_time, address, user_agent) \
        VALUES ($1, $2, $3, $4, 1, '[]', $5, $5, $6, $7, $8, $9)";
    const REHASH: &str = "UPDATE accounts SET password = $3 WHERE tenant = $1 AND id = $2";
    let row = row_by_id(tx.conn(), &new.tenant, new.account).await?;
    let same = row.is_some_and(|r| r.version == new.version && !r.disabled);
    if !same || revoked_since(tx, new).await? {
        return Ok(false);
    }
    sqlx::query(INSERT)
        .bind(new.tenant.as_str())
        .bind(new.id.0)
        .bind(new.account.0)
        .bind(new.family.as_slice())
        .bind(micros(new.create_time))
        .bind(micros(new.expire_time))
        .bind(micros(new.end_time))
        .bind(new.address.map(|a| a.to_string()))
        .bind(new.user_agent.as_deref())
        .execute(tx.conn())
        .await?;
    if let Some(password) = &new.rehashed {
        sqlx::query(REHASH)
            .bind(new.tenant.as_str())
            .bind(new.account.0)
            .bind(password.expose())
            .execute(tx.conn())
            .await?;
    }
    append(tx, audit).await?;
    Ok(true)
}

/// Whether the user, the tenant or everyone was revoked after the account was read.
async fn revoked_since(tx: &mut Tx, new: &NewSession) -> Result<bool, Fault> {
    const COUNT: &str = "\
        SELECT COUNT(*) FROM revocations WHERE revoked > $1 AND \
            ((target = 'user' AND id = $2) OR (target = 'tenant' AND id = $3) OR (target = 'all' AND id = ''))";
    let count: i64 = sqlx::query_scalar(COUNT)
        .bind(signed(new.revision))
        .bind(new.account.to_string())
        .bind(new.tenant.as_str())
        .fetch_one(tx.conn())
        .await?;
    Ok(count > 0)
}

pub(super) async fn find(
    conn: &mut SqliteConnection,
    tenant: Option<TenantId>,
    id: SessionId,
) -> Result<Option<Session>, Fault> {
    let sql = format!("SELECT {SESSION} FROM sessions WHERE id = $1");
    let row: Option<SessionRow> = sqlx::query_as(AssertSqlSafe(sql))
        .bind(id.0)
        .fetch_optional(conn)
        .await?;
    let found = row.map(|r| r.session()).transpose()?;
    Ok(found.filter(|s| tenant.is_none_or(|t| t == s.tenant)))
}

pub(super) async fn find_by_family(conn: &mut SqliteConnection, family: FamilyId) -> Result<Option<Family>, Fault> {
    let revision = marks::revision(conn).await?;
    let sql = format!("SELECT {SESSION} FROM sessions WHERE family = $1");
    let row: Option<SessionRow> = sqlx::query_as(AssertSqlSafe(sql))
        .bind(family.as_slice())
        .fetch_optional(&mut *conn)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let session = row.session()?;
    let account = row_by_id(conn, &session.tenant, session.account).await?;
    let account = account.ok_or_else(|| corrupt("a session without an account"))?;
    Ok(Some(Family {
        revision,
        account: account.account(conn).await?,
        session,
        generation: unsigned(row.generation)?,
        retired: read_retired(&row.retired)?,
    }))
}

pub(super) async fn list(
    conn: &mut SqliteConnection,
    tenant: &TenantId,
    account: UserId,
    after: Option<SessionId>,
    limit: usize,
    now: DateTime<Utc>,
) -> Result<Vec<Session>, Fault> {
    // Ids made later sort later, so their order is the order of time.
    let sql = format!(
        "SELECT {SESSION} FROM sessions WHERE tenant = $1 AND account = $2 AND id < $3 AND expire_time > $4 \
         ORDER BY id DESC LIMIT $5"
    );
    let rows: Vec<SessionRow> = sqlx::query_as(AssertSqlSafe(sql))
        .bind(tenant.as_str())
        .bind(account.0)
        .bind(after.map_or(Uuid::max(), |s| s.0))
        .bind(micros(now))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(conn)
        .await?;
    rows.iter().map(SessionRow::session).collect()
}

pub(super) async fn advance(tx: &mut Tx, step: &Advance, audit: &Entry) -> Result<bool, Fault> {
    const SWAP: &str = "\
        UPDATE sessions SET generation = generation + 1, retired = $4, refresh_time = $5, expire_time = $6 \
        WHERE tenant = $1 AND id = $2 AND generation = $3";
    let swapped = sqlx::query(SWAP)
        .bind(step.tenant.as_str())
        .bind(step.session.0)
        .bind(signed(step.from))
        .bind(write_retired(&step.retired))
        .bind(micros(step.refresh_time))
        .bind(micros(step.expire_time))
        .execute(tx.conn())
        .await?
        .rows_affected();
    if swapped == 0 {
        return Ok(false);
    }
    append(tx, audit).await?;
    Ok(true)
}

pub(super) async fn end(
    tx: &mut Tx,
    sink: Arc<dyn Sink>,
    ending: &Ending,
    stamp: Stamp,
    audit: Entry,
) -> Result<u64, Fault> {
    let ended = match ending {
        Ending::Session { tenant, account, id } => {
            if !end_one_in_tx(tx, sink, tenant, *account, *id, stamp).await? {
                return Ok(0);
            }
            1
        }
        Ending::Others { tenant, account, keep } => {
            end_others_in_tx(tx, sink, (tenant, *account), *keep, stamp).await?
        }
        Ending::User { tenant, account } => end_all_in_tx(tx, sink, tenant, *account, stamp).await?,
        Ending::Tenant(tenant) => {
            const DELETE: &str = "DELETE FROM sessions WHERE tenant = $1";
            let target = Target::Tenant(tenant.clone());
            mark_in_tx(tx, sink, tenant.as_str(), &[target], Level::Revoked, stamp).await?;
            let done = sqlx::query(DELETE).bind(tenant.as_str()).execute(tx.conn()).await?;
            done.rows_affected()
        }
        Ending::Everyone => {
            const DELETE: &str = "DELETE FROM sessions";
            mark_in_tx(tx, sink, "", &[Target::All], Level::Revoked, stamp).await?;
            sqlx::query(DELETE).execute(tx.conn()).await?.rows_affected()
        }
        Ending::Token { tenant, token } => {
            let target = Target::Token(*token);
            mark_in_tx(tx, sink, tenant.as_str(), &[target], Level::Revoked, stamp).await?;
            0
        }
    };
    append(tx, &audit.with("sessions", ended)).await?;
    Ok(ended)
}

async fn end_one_in_tx(
    tx: &mut Tx,
    sink: Arc<dyn Sink>,
    tenant: &TenantId,
    account: Option<UserId>,
    id: SessionId,
    stamp: Stamp,
) -> Result<bool, Fault> {
    const DELETE: &str = "DELETE FROM sessions WHERE tenant = $1 AND id = $2";
    let found = find(tx.conn(), Some(tenant.clone()), id).await?;
    if found.is_none_or(|s| account.is_some_and(|a| a != s.account)) {
        return Ok(false);
    }
    mark_in_tx(tx, sink, tenant.as_str(), &[Target::Session(id)], Level::Revoked, stamp).await?;
    sqlx::query(DELETE)
        .bind(tenant.as_str())
        .bind(id.0)
        .execute(tx.conn())
        .await?;
    Ok(true)
}

pub(super) async fn end_others_in_tx(
    tx: &mut Tx,
    sink: Arc<dyn Sink>,
    (tenant, account): (&TenantId, UserId),
    keep: SessionId,
    stamp: Stamp,
) -> Result<u64, Fault> {
    const DELETE: &str = "DELETE FROM sessions WHERE tenant = $1 AND account = $2 AND id <> $3 RETURNING id";
    let ended: Vec<Uuid> = sqlx::query_scalar(DELETE)
        .bind(tenant.as_str())
        .bind(account.0)
        .bind(keep.0)
        .fetch_all(tx.conn())
        .await?;
    let targets: Vec<Target> = ended.iter().map(|id| Target::Session(SessionId(*id))).collect();
    mark_in_tx(tx, sink, tenant.as_str(), &targets, Level::Revoked, stamp).await?;
    Ok(u64::try_from(ended.len()).unwrap_or(u64::MAX))
}

/// Ends every session of an account and marks the user.
pub(super) async fn end_all_in_tx(
    tx: &mut Tx,
    sink: Arc<dyn Sink>,
    tenant: &TenantId,
    account: UserId,
    stamp: Stamp,
) -> Result<u64, Fault> {
    const DELETE: &str = "DELETE FROM sessions WHERE tenant = $1 AND account = $2";
    mark_in_tx(
        tx,
        sink,
        tenant.as_str(),
        &[Target::User(account)],
        Level::Revoked,
        stamp,
    )
    .await?;
    let done = sqlx::query(DELETE)
        .bind(tenant.as_str())
        .bind(account.0)
        .execute(tx.conn())
        .await?;
    Ok(done.rows_affected())
}
