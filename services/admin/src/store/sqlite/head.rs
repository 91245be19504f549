//! The head of the access feed, and what it starts from.

use logicore::{Error, ids::TenantId};
use sqlx::SqliteConnection;

use super::{failed, roles::Row, unsigned};
use crate::{feed::Fact, tenants::Tenant};

const RAISE: &str = "UPDATE feed_head SET revision = revision + 1 WHERE id = 1 RETURNING revision";

const TENANTS: &str = "SELECT id, suspended FROM tenants ORDER BY id";

const ROLES: &str = "SELECT tenant, name, description, permissions, created, updated, etag, deleting_id, deleting_until
    FROM roles ORDER BY tenant, name";

const RESETS: &str = "SELECT breaker, reset_order FROM breaker_resets ORDER BY breaker";

/// The next revision of the feed.
pub(super) async fn raise_in_tx(c: &mut SqliteConnection) -> Result<u64, Error> {
    let revision: i64 = sqlx::query_scalar(RAISE).fetch_one(c).await.map_err(failed)?;
    unsigned(revision)
}

/// All that is in force.
pub(super) async fn facts_in_tx(c: &mut SqliteConnection) -> Result<Vec<Fact>, Error> {
    let tenants: Vec<(String, bool)> = sqlx::query_as(TENANTS).fetch_all(&mut *c).await.map_err(failed)?;
    let roles: Vec<Row> = sqlx::query_as(ROLES).fetch_all(&mut *c).await.map_err(failed)?;
    let resets: Vec<(String, i64)> = sqlx::query_as(RESETS).fetch_all(&mut *c).await.map_err(failed)?;
    let mut facts = Vec::with_capacity(tenants.len() + roles.len() + resets.len());
    for (id, suspended) in tenants {
        let id = id.parse::<TenantId>().map_err(super::corrupt)?;
        facts.push(Fact::Tenant(Tenant { id, suspended }));
    }
    for row in roles {
        facts.push(Fact::Role(row.role()?));
    }
    for (breaker, order) in resets {
        facts.push(Fact::BreakerReset(breaker, unsigned(order)?));
    }
    Ok(facts)
}
