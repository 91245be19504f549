//! Rows of roles and of the leases on them.

use chrono::{DateTime, Utc};
use logicore::{
    Error,
    ids::{RoleName, TenantId},
};
use sqlx::{FromRow, SqliteConnection, types::Json};
use uuid::Uuid;

use super::{corrupt, failed, unsigned};
use crate::{
    audit::Record,
    feed::Fact,
    roles::{Change, Facts, Lease, Role},
};

const LIST: &str = "SELECT tenant, name, description, permissions, created, updated, etag, deleting_id, deleting_until
    FROM roles WHERE tenant = $1 AND name > $2 ORDER BY name LIMIT $3";

const GET: &str = "SELECT tenant, name, description, permissions, created, updated, etag, deleting_id, deleting_until
    FROM roles WHERE tenant = $1 AND name = $2";

const COUNT: &str = "SELECT count(*) FROM roles WHERE tenant = $1";

const GRANTING: &str = "SELECT count(*) FROM grant_leases WHERE tenant = $1 AND role = $2 AND until > $3";

const PUT: &str = "INSERT INTO roles (tenant, name, description, permissions, created, updated, etag)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (tenant, name) DO UPDATE SET description = excluded.description, permissions = excluded.permissions,
        updated = excluded.updated, etag = excluded.etag";

const MARK: &str = "UPDATE roles SET deleting_id = $3, deleting_until = $4 WHERE tenant = $1 AND name = $2";

const DELETE: &str = "DELETE FROM roles WHERE tenant = $1 AND name = $2";

const GRANT: &str = "INSERT INTO grant_leases (id, tenant, role, until) VALUES ($1, $2, $3, $4)";

const RELEASE: &str = "DELETE FROM grant_leases WHERE id = $1";

const LAPSED: &str = "DELETE FROM grant_leases WHERE until <= $1";

#[derive(FromRow)]
pub(super) struct Row {
    tenant: String,
    name: String,
    description: String,
    permissions: Json<Vec<String>>,
    created: DateTime<Utc>,
    updated: DateTime<Utc>,
    etag: String,
    deleting_id: Option<Uuid>,
    deleting_until: Option<DateTime<Utc>>,
}

impl Row {
    pub(super) fn role(self) -> Result<Role, Error> {
        Ok(Role {
            tenant: self.tenant.parse().map_err(corrupt)?,
            name: self.name.parse().map_err(corrupt)?,
            description: self.description,
            permissions: self.permissions.0,
            created: self.created,
            updated: self.updated,
            etag: self.etag,
        })
    }

    fn deleting(&self, now: DateTime<Utc>) -> Option<Uuid> {
        self.deleting_id
            .filter(|_| self.deleting_until.is_some_and(|until| until > now))
    }
}

pub(super) async fn list(
    c: &mut SqliteConnection,
    tenant: &TenantId,
    after: &str,
    limit: usize,
) -> Result<Vec<Role>, Error> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = sqlx::query_as(LIST).bind(tenant.as_str()).bind(after).bind(limit);
    let rows: Vec<Row> = rows.fetch_all(c).await.map_err(failed)?;
    rows.into_iter().map(Row::role).collect()
}

async fn row(c: &mut SqliteConnection, tenant: &TenantId, name: &RoleName) -> Result<Option<Row>, Error> {
    let query = sqlx::query_as(GET).bind(tenant.as_str()).bind(name.as_str());
    query.fetch_optional(c).await.map_err(failed)
}

pub(super) async fn find(c: &mut SqliteConnection, tenant: &TenantId, names: &[RoleName]) -> Result<Vec<Role>, Error> {
    let mut roles = Vec::with_capacity(names.len());
    for name in names {
        if let Some(row) = row(&mut *c, tenant, name).await? {
            roles.push(row.role()?);
        }
    }
    Ok(roles)
}

pub(super) async fn count(c: &mut SqliteConnection, tenant: &TenantId) -> Result<u64, Error> {
    let count: i64 = sqlx::query_scalar(COUNT)
        .bind(tenant.as_str())
        .fetch_one(c)
        .await
        .map_err(failed)?;
    unsigned(count)
}

/// All that a decision about a role may depend on.
pub(super) async fn facts_in_tx(
    c: &mut SqliteConnection,
    tenant: &TenantId,
    name: &RoleName,
    held: &[RoleName],
    now: DateTime<Utc>,
) -> Result<Facts, Error> {
    let row = row(&mut *c, tenant, name).await?;
    let granting = sqlx::query_scalar(GRANTING)
        .bind(tenant.as_str())
        .bind(name.as_str())
        .bind(now);
    let granting: i64 = granting.fetch_one(&mut *c).await.map_err(failed)?;
    Ok(Facts {
        deleting: row.as_ref().and_then(|r| r.deleting(now)),
        role: row.map(Row::role).transpose()?,
        held: find(&mut *c, tenant, held).await?,
        count: count(&mut *c, tenant).await?,
        granting: granting > 0,
    })
}

/// Carries a decision out. Returns what watchers and the audit log get to know.
pub(super) async fn apply_in_tx(
    c: &mut SqliteConnection,
    tenant: &TenantId,
    name: &RoleName,
    change: Change,
    now: DateTime<Utc>,
) -> Result<Option<(Fact, Record)>, Error> {
    match change {
        Change::Keep => Ok(None),
        Change::Put(role, record) => {
            put_in_tx(c, &role).await?;
            Ok(Some((Fact::Role(role), record)))
        }
        Change::Mark(lease) => mark_in_tx(c, tenant, name, Some(lease)).await,
        Change::Unmark => mark_in_tx(c, tenant, name, None).await,
        Change::Remove(record) => {
            let query = sqlx::query(DELETE).bind(tenant.as_str()).bind(name.as_str());
            query.execute(c).await.map_err(failed)?;
            Ok(Some((Fact::RoleGone(tenant.clone(), name.clone()), record)))
        }
        Change::Grant(lease) => {
            sqlx::query(LAPSED).bind(now).execute(&mut *c).await.map_err(failed)?;
            let query = sqlx::query(GRANT)
                .bind(lease.id)
                .bind(tenant.as_str())
                .bind(name.as_str());
            query.bind(lease.until).execute(c).await.map_err(failed)?;
            Ok(None)
        }
    }
}

async fn put_in_tx(c: &mut SqliteConnection, role: &Role) -> Result<(), Error> {
    let query = sqlx::query(PUT)
        .bind(role.tenant.as_str())
        .bind(role.name.as_str())
        .bind(&role.description)
        .bind(Json(&role.permissions))
        .bind(role.created)
        .bind(role.updated)
        .bind(&role.etag);
    query.execute(c).await.map_err(failed)?;
    Ok(())
}

async fn mark_in_tx(
    c: &mut SqliteConnection,
    tenant: &TenantId,
    name: &RoleName,
    lease: Option<Lease>,
) -> Result<Option<(Fact, Record)>, Error> {
    let query = sqlx::query(MARK)
        .bind(tenant.as_str())
        .bind(name.as_str())
        .bind(lease.map(|l| l.id))
        .bind(lease.map(|l| l.until));
    query.execute(c).await.map_err(failed)?;
    Ok(None)
}

pub(super) async fn release_in_tx(c: &mut SqliteConnection, lease: Uuid) -> Result<(), Error> {
    sqlx::query(RELEASE).bind(lease).execute(c).await.map_err(failed)?;
    Ok(())
}
