//! Deleting what is over, and counting what is there.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use logicore::ids::TenantId;
use logicore_store::Tx;
use sqlx::SqliteConnection;

use super::{
    Fault,
    marks::raise_revision_in_tx,
    rows::{corrupt, micros, unsigned},
};
use crate::{
    revocations::{Change, Sink, Target},
    store::Counts,
};

pub(super) async fn sweep(tx: &mut Tx, sink: Arc<dyn Sink>, now: DateTime<Utc>, limit: u32) -> Result<u64, Fault> {
    const SESSIONS: &str = "\
        DELETE FROM sessions WHERE id IN \
            (SELECT id FROM sessions WHERE expire_time <= $1 ORDER BY expire_time LIMIT $2)";
    const CODES: &str = "\
        DELETE FROM codes WHERE hash IN (SELECT hash FROM codes WHERE expire_time <= $1 ORDER BY expire_time LIMIT $2)";
    const MARKS: &str = "\
        DELETE FROM revocations WHERE (target, id) IN \
            (SELECT target, id FROM revocations WHERE expire_time <= $1 ORDER BY expire_time LIMIT $2) \
        RETURNING target, id";
    const KEYS: &str = "DELETE FROM signing_keys WHERE retire_time <= $1 RETURNING kid";
    let now = micros(now);
    let mut most = 0;
    for sql in [SESSIONS, CODES] {
        let done = sqlx::query(sql).bind(now).bind(limit).execute(tx.conn()).await?;
        most = most.max(done.rows_affected());
    }
    let marks: Vec<(String, String)> = sqlx::query_as(MARKS).bind(now).bind(limit).fetch_all(tx.conn()).await?;
    let keys_gone: Vec<String> = sqlx::query_scalar(KEYS).bind(now).fetch_all(tx.conn()).await?;
    most = most.max(u64::try_from(marks.len()).unwrap_or(u64::MAX));
    if marks.is_empty() && keys_gone.is_empty() {
        return Ok(most);
    }
    let lowered: Option<Vec<Target>> = marks.iter().map(|(kind, id)| Target::parse(kind, id)).collect();
    let change = Change {
        revision: raise_revision_in_tx(tx).await?,
        raised: Vec::new(),
        lowered: lowered.ok_or_else(|| corrupt("an unknown target of a mark"))?,
        keys_gone,
    };
    tx.on_commit(move || sink.changed(change));
    Ok(most)
}

pub(super) async fn counts(
    conn: &mut SqliteConnection,
    tenant: Option<TenantId>,
    now: DateTime<Utc>,
) -> Result<Counts, Fault> {
    const SESSIONS: &str = "SELECT COUNT(*) FROM sessions WHERE ($1 IS NULL OR tenant = $1) AND expire_time > $2";
    const ACCOUNTS: &str = "SELECT COUNT(*) FROM accounts WHERE ($1 IS NULL OR tenant = $1) AND $2 > 0";
    const MARKS: &str = "SELECT COUNT(*) FROM revocations WHERE ($1 IS NULL OR tenant = $1) AND expire_time > $2";
    let mut count = [0; 3];
    for (slot, sql) in count.iter_mut().zip([SESSIONS, ACCOUNTS, MARKS]) {
        let rows: i64 = sqlx::query_scalar(sql)
            .bind(tenant.as_ref().map(TenantId::as_str))
            .bind(micros(now))
            .fetch_one(&mut *conn)
            .await?;
        *slot = unsigned(rows)?;
    }
    let [sessions, accounts, marks] = count;
    Ok(Counts {
        sessions,
        accounts,
        marks,
    })
}
