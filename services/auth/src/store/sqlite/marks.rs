//! The revision and the marks. Whoever changes what the feed carries raises the revision first: its row is the lock that makes
//! revisions commit order.

use std::sync::Arc;

use logicore_store::Tx;
use sqlx::{FromRow, SqliteConnection};

use super::{
    Fault,
    rows::{corrupt, micros, signed, time, unsigned},
};
use crate::revocations::{Change, Mark, Sink, Stamp, Target};

/// Which of the two marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// Refresh goes on.
    Stale,
    /// Sign in again.
    Revoked,
}

#[derive(Debug, FromRow)]
pub(super) struct MarkRow {
    target: String,
    id: String,
    revoked: i64,
    stale: i64,
    expire_time: i64,
}

impl MarkRow {
    pub(super) fn mark(&self) -> Result<Mark, Fault> {
        Ok(Mark {
            target: self.target()?,
            revoked: unsigned(self.revoked)?,
            stale: unsigned(self.stale)?,
            expire_time: time(self.expire_time)?,
        })
    }

    fn target(&self) -> Result<Target, Fault> {
        Target::parse(&self.target, &self.id).ok_or_else(|| corrupt("an unknown target of a mark"))
    }
}

pub(super) async fn revision(conn: &mut SqliteConnection) -> Result<u64, Fault> {
    const READ: &str = "SELECT value FROM counters WHERE name = 'revision'";
    let value: i64 = sqlx::query_scalar(READ).fetch_one(conn).await?;
    unsigned(value)
}

/// Raises the revision and holds its row until the commit.
pub(super) async fn raise_revision_in_tx(tx: &mut Tx) -> Result<u64, Fault> {
    const RAISE: &str = "UPDATE counters SET value = value + 1 WHERE name = 'revision' RETURNING value";
    let value: i64 = sqlx::query_scalar(RAISE).fetch_one(tx.conn()).await?;
    unsigned(value)
}

/// Marks targets of a tenant (`""` for everyone) at a new revision, and tells the sink once that is committed.
pub(super) async fn mark_in_tx(
    tx: &mut Tx,
    sink: Arc<dyn Sink>,
    tenant: &str,
    targets: &[Target],
    level: Level,
    stamp: Stamp,
) -> Result<(), Fault> {
    const MARK: &str = "\
        INSERT INTO revocations (tenant, target, id, revoked, stale, expire_time) VALUES ($1, $2, $3, $4, $5, $6) \
        ON CONFLICT (target, id) DO UPDATE SET \
            revoked = CASE WHEN excluded.revoked > 0 THEN excluded.revoked ELSE revocations.revoked END, \
            stale = CASE WHEN excluded.stale > 0 THEN excluded.stale ELSE revocations.stale END, \
            expire_time = CASE WHEN excluded.expire_time > revocations.expire_time \
                THEN excluded.expire_time ELSE revocations.expire_time END \
        RETURNING target, id, revoked, stale, expire_time";
    if targets.is_empty() {
        return Ok(());
    }
    let revision = raise_revision_in_tx(tx).await?;
    let (revoked, stale) = match level {
        Level::Revoked => (signed(revision), 0),
        Level::Stale => (0, signed(revision)),
    };
    let mut raised = Vec::with_capacity(targets.len());
    for target in targets {
        let row: MarkRow = sqlx::query_as(MARK)
            .bind(tenant)
            .bind(target.kind())
            .bind(target.id())
            .bind(revoked)
            .bind(stale)
            .bind(micros(stamp.marks_until))
            .fetch_one(tx.conn())
            .await?;
        raised.push(row.mark()?);
    }
    tx.on_commit(move || {
        sink.changed(Change {
            revision,
            raised,
            ..Change::default()
        });
    });
    Ok(())
}

pub(super) async fn list(conn: &mut SqliteConnection) -> Result<(u64, Vec<Mark>), Fault> {
    const LIST: &str = "SELECT target, id, revoked, stale, expire_time FROM revocations";
    let revision = revision(conn).await?;
    let rows: Vec<MarkRow> = sqlx::query_as(LIST).fetch_all(conn).await?;
    let marks: Result<_, Fault> = rows.iter().map(MarkRow::mark).collect();
    Ok((revision, marks?))
}
