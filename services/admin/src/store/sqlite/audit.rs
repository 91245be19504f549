//! Rows of the audit log.

use chrono::{DateTime, Utc};
use logicore::{Error, Reason, ids::TenantId};
use serde_json::{Map, Value, json};
use sqlx::{FromRow, QueryBuilder, Sqlite, SqliteConnection, types::Json};

use super::{failed, unsigned};
use crate::{
    audit::{Batch, Condition, Event, Field, PRODUCER, Record, SEQUENCE_START, bounded},
    store::AuditQuery,
};

const HEAD: &str = "SELECT next_sequence, written_under FROM audit_heads WHERE producer = $1 AND epoch = $2";

const HEAD_SET: &str = "INSERT INTO audit_heads (producer, epoch, first_sequence, next_sequence, written_under)
    VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (producer, epoch) DO UPDATE SET next_sequence = excluded.next_sequence,
        written_under = excluded.written_under";

const INSERT: &str =
    "INSERT INTO audit_events (producer, epoch, sequence, id, time, tenant, actor, action, target, outcome,
    reason, request_id, address, session, details)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";

const LIST: &str =
    "SELECT producer, epoch, sequence, id, time, tenant, actor, action, target, outcome, reason, request_id,
    address, session, details FROM audit_events WHERE tenant = ";

const COUNT: &str = "SELECT count(*) FROM audit_events WHERE tenant = $1";

#[derive(FromRow)]
pub(super) struct Row {
    producer: String,
    epoch: String,
    sequence: i64,
    id: String,
    time: DateTime<Utc>,
    tenant: String,
    actor: String,
    action: String,
    target: String,
    outcome: String,
    reason: String,
    request_id: String,
    address: String,
    session: String,
    details: Json<Map<String, Value>>,
}

impl Row {
    pub(super) fn event(self) -> Result<Event, Error> {
        Ok(Event {
            producer: self.producer,
            epoch: self.epoch,
            sequence: unsigned(self.sequence)?,
            record: Record {
                id: self.id,
                time: self.time,
                tenant: self.tenant,
                actor: self.actor,
                action: self.action,
                target: self.target,
                outcome: self.outcome,
                reason: self.reason,
                request_id: self.request_id,
                address: self.address,
                session: self.session,
                details: self.details.0,
            },
        })
    }
}

/// How far the log reaches for a producer's store.
#[derive(FromRow)]
struct Head {
    next_sequence: i64,
    written_under: String,
}

/// Stores what is new of a run. Returns the place that the log waits for.
pub(super) async fn append_in_tx(
    c: &mut SqliteConnection,
    own_epoch: &str,
    batch: Batch,
    now: DateTime<Utc>,
) -> Result<u64, Error> {
    let head = head(&mut *c, &batch.producer, &batch.epoch).await?;
    let mut next = head
        .as_ref()
        .map_or(Ok(SEQUENCE_START), |h| unsigned(h.next_sequence))?;
    let Some(&(first, _)) = batch.events.first() else {
        return Ok(next);
    };
    if first > next {
        if head.is_some_and(|h| h.written_under == own_epoch) {
            return Err(missing(&batch, next, first));
        }
        own_in_tx(&mut *c, own_epoch, gap(&batch, next, first, now)).await?;
        next = first;
    }
    let begins = next;
    for (sequence, record) in batch.events {
        if sequence >= next {
            insert(&mut *c, &batch.producer, &batch.epoch, sequence, bounded(record)).await?;
            next = sequence + 1;
        }
    }
    set_head(c, (&batch.producer, &batch.epoch), own_epoch, begins, next).await?;
    Ok(next)
}

/// Stores an event of admin's own at the next place of admin's sequence.
pub(super) async fn own_in_tx(c: &mut SqliteConnection, own_epoch: &str, record: Record) -> Result<(), Error> {
    let head = head(&mut *c, PRODUCER, own_epoch).await?;
    let place = head.map_or(Ok(SEQUENCE_START), |h| unsigned(h.next_sequence))?;
    insert(&mut *c, PRODUCER, own_epoch, place, bounded(record)).await?;
    set_head(c, (PRODUCER, own_epoch), own_epoch, place, place + 1).await
}

/// Events of a tenant, newest first.
pub(super) async fn list(c: &mut SqliteConnection, query: &AuditQuery) -> Result<Vec<Event>, Error> {
    let mut sql: QueryBuilder<Sqlite> = QueryBuilder::new(LIST);
    sql.push_bind(query.tenant.as_str());
    for condition in &query.conditions {
        match condition {
            Condition::Is(field, value) => sql.push(column(*field)).push(" = ").push_bind(value),
            Condition::Since(time) => sql.push(" AND time >= ").push_bind(*time),
            Condition::Before(time) => sql.push(" AND time < ").push_bind(*time),
        };
    }
    if let Some(after) = &query.after {
        sql.push(" AND (time, producer, epoch, sequence) < (")
            .push_bind(after.time);
        sql.push(", ").push_bind(&after.producer);
        sql.push(", ").push_bind(&after.epoch);
        // Anybody may have written a place; one beyond every sequence comes before nothing of its time and producer.
        let sequence = i64::try_from(after.sequence).unwrap_or(i64::MAX);
        sql.push(", ").push_bind(sequence).push(")");
    }
    sql.push(" ORDER BY time DESC, producer DESC, epoch DESC, sequence DESC LIMIT ");
    sql.push_bind(i64::try_from(query.limit).unwrap_or(i64::MAX));
    let rows: Vec<Row> = sql.build_query_as().fetch_all(c).await.map_err(failed)?;
    rows.into_iter().map(Row::event).collect()
}

const fn column(field: Field) -> &'static str {
    match field {
        Field::Action => " AND action",
        Field::Actor => " AND actor",
        Field::Target => " AND target",
        Field::Outcome => " AND outcome",
        Field::Producer => " AND producer",
        Field::RequestId => " AND request_id",
    }
}

pub(super) async fn count(c: &mut SqliteConnection, tenant: &TenantId) -> Result<u64, Error> {
    let count: i64 = sqlx::query_scalar(COUNT)
        .bind(tenant.as_str())
        .fetch_one(c)
        .await
        .map_err(failed)?;
    unsigned(count)
}

fn missing(batch: &Batch, next: u64, first: u64) -> Error {
    let text = format!(
        "events of `{}` from {next} to {} are missing",
        batch.producer,
        first - 1
    );
    Error::new(Reason::StateForbids, text).with("next_sequence", next.to_string())
}

fn gap(batch: &Batch, next: u64, first: u64, now: DateTime<Utc>) -> Record {
    let target = format!("producer/{}", batch.producer);
    Record::of_system(&TenantId::default(), "audit.gap", target, now)
        .detail("epoch", json!(batch.epoch))
        .detail("missing_from", json!(next))
        .detail("missing_to", json!(first - 1))
}

async fn head(c: &mut SqliteConnection, producer: &str, epoch: &str) -> Result<Option<Head>, Error> {
    let query = sqlx::query_as(HEAD).bind(producer).bind(epoch);
    query.fetch_optional(c).await.map_err(failed)
}

async fn set_head(
    c: &mut SqliteConnection,
    (producer, epoch): (&str, &str),
    own_epoch: &str,
    first: u64,
    next: u64,
) -> Result<(), Error> {
    let query = sqlx::query(HEAD_SET)
        .bind(producer)
        .bind(epoch)
        .bind(signed(first)?)
        .bind(signed(next)?)
        .bind(own_epoch);
    query.execute(c).await.map_err(failed)?;
    Ok(())
}

async fn insert(c: &mut SqliteConnection, producer: &str, epoch: &str, place: u64, r: Record) -> Result<(), Error> {
    let query = sqlx::query(INSERT)
        .bind(producer)
        .bind(epoch)
        .bind(signed(place)?)
        .bind(r.id)
        .bind(r.time)
        .bind(r.tenant)
        .bind(r.actor)
        .bind(r.action)
        .bind(r.target)
        .bind(r.outcome)
        .bind(r.reason)
        .bind(r.request_id)
        .bind(r.address)
        .bind(r.session)
        .bind(Json(r.details));
    query.execute(c).await.map_err(failed)?;
    Ok(())
}

fn signed(place: u64) -> Result<i64, Error> {
    i64::try_from(place).map_err(Error::internal)
}
