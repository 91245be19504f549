//! Delivers the outbox to admin: woken by commits, in batches, in order, with patience while admin is away.

use std::{pin::pin, time::Duration};

use logicore::{
    Context,
    api::admin::{AppendAuditEventsRequest, AuditEvent, audit_ingest_service_client::AuditIngestServiceClient},
    upstream::Upstream,
};
use prost::Message;
use tokio::time::Instant;
use tonic::{Code, Status};

use crate::{Db, Error};

/// Records of one message.
const BATCH: i64 = 200;
/// Wait after the first failure; it doubles up to [`LONGEST_WAIT`].
const SHORTEST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// An outbox is looked at this often even when nothing wakes it.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Starts the delivery of `db`'s outbox under the name `producer`; it runs until `ctx.shutdown`.
pub fn dispatch(ctx: &Context, db: &Db, producer: &'static str) {
    let shutdown = ctx.shutdown.clone();
    let dispatcher = Dispatcher {
        db: db.clone(),
        producer,
        admin: AuditIngestServiceClient::new(ctx.neighbours.admin.clone()),
    };
    ctx.tasks.spawn(async move {
        let mut run = pin!(dispatcher.run());
        tokio::select! {
            () = &mut run => {}
            () = shutdown.cancelled() => {}
        }
    });
}

struct Dispatcher {
    db: Db,
    producer: &'static str,
    admin: AuditIngestServiceClient<Upstream>,
}

/// Why a delivery did not work.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the outbox cannot be read")]
    Store(#[from] Error),
    #[error("admin does not take the records")]
    Admin(#[from] Box<Status>),
    /// Admin waits for a record that was delivered and is gone: its log was restored from an older state.
    #[error("admin waits for record {wanted}, the first one here is {first}")]
    Gap { wanted: u64, first: u64 },
}

impl Dispatcher {
    async fn run(mut self) {
        let mut wait = SHORTEST_WAIT;
        loop {
            match self.deliver().await {
                Ok(true) => wait = SHORTEST_WAIT,
                Ok(false) => {
                    wait = SHORTEST_WAIT;
                    let _ = tokio::time::timeout(LOOK_AGAIN, self.db.outbox().notified()).await;
                }
                Err(failure) => {
                    self.complain(&failure, wait);
                    self.pause(wait).await;
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
            }
        }
    }

    /// Admin being away is expected; anything else wants somebody's eye.
    fn complain(&self, failure: &Failure, wait: Duration) {
        let error = failure as &dyn std::error::Error;
        let away =
            matches!(failure, Failure::Admin(s) if matches!(s.code(), Code::Unavailable | Code::DeadlineExceeded));
        if away && wait < LONGEST_WAIT {
            tracing::debug!(error, producer = self.producer, "audit records wait for admin");
        } else {
            tracing::warn!(error, producer = self.producer, "audit records are not delivered");
        }
    }

    /// Waits without being woken by commits, but counts them.
    async fn pause(&self, wait: Duration) {
        let until = Instant::now() + wait;
        while tokio::time::timeout_at(until, self.db.outbox().notified())
            .await
            .is_ok()
        {
            if self.count().await.is_err() {
                tokio::time::sleep_until(until).await;
            }
        }
        // The wake-ups eaten here are made good: the next delivery looks by itself.
    }

    /// Delivers one batch. Returns whether there was one.
    async fn deliver(&mut self) -> Result<bool, Failure> {
        let events = self.pending().await?;
        self.count().await?;
        let Some(first) = events.first().map(|e| e.sequence) else {
            return Ok(false);
        };
        let next = match self.send(events).await {
            Ok(next) => next,
            // A gap, as admin sees it: an empty run asks where to go on.
            Err(status) if status.code() == Code::FailedPrecondition => {
                self.send(Vec::new()).await.map_err(Box::new)?
            }
            Err(status) => return Err(Box::new(status).into()),
        };
        if next <= first {
            return Err(Failure::Gap { wanted: next, first });
        }
        self.forget(next).await?;
        self.count().await?;
        Ok(true)
    }

    async fn pending(&self) -> Result<Vec<AuditEvent>, Error> {
        const READ: &str = "SELECT seq, event FROM outbox ORDER BY seq LIMIT $1";
        let rows: Vec<(i64, Vec<u8>)> = self
            .db
            .read("outbox_pending", |c| {
                Box::pin(async move { Ok::<_, Error>(sqlx::query_as(READ).bind(BATCH).fetch_all(c).await?) })
            })
            .await?;
        rows.into_iter().map(|(seq, bytes)| self.event(seq, &bytes)).collect()
    }

    fn event(&self, seq: i64, bytes: &[u8]) -> Result<AuditEvent, Error> {
        let mut event = AuditEvent::decode(bytes).map_err(|e| Error::Corrupt(std::sync::Arc::new(e)))?;
        event.sequence = seq.unsigned_abs();
        self.producer.clone_into(&mut event.producer);
        Ok(event)
    }

    /// Returns the sequence that admin waits for.
    async fn send(&mut self, events: Vec<AuditEvent>) -> Result<u64, Status> {
        let request = AppendAuditEventsRequest {
            producer: self.producer.to_owned(),
            epoch: self.db.epoch().as_ref().to_owned(),
            events,
        };
        let answer = self.admin.append_audit_events(request).await?;
        Ok(answer.into_inner().next_sequence)
    }

    /// Deletes what admin has.
    async fn forget(&self, next: u64) -> Result<(), Error> {
        const DELETE: &str = "DELETE FROM outbox WHERE seq < $1";
        let next = i64::try_from(next).unwrap_or(i64::MAX);
        self.db
            .write("outbox_forget", move |tx| {
                Box::pin(
                    async move { Ok::<_, Error>(sqlx::query(DELETE).bind(next).execute(tx.conn()).await.map(drop)?) },
                )
            })
            .await
    }

    /// Sets the gauge. Records leave in order and without gaps, so the ends of the sequence tell how many there are.
    async fn count(&self) -> Result<(), Error> {
        const ENDS: &str = "SELECT COALESCE(MAX(seq) - MIN(seq) + 1, 0) FROM outbox";
        let pending: i64 = self
            .db
            .read("outbox_count", |c| {
                Box::pin(async move { Ok::<_, Error>(sqlx::query_scalar(ENDS).fetch_one(c).await?) })
            })
            .await?;
        let gauge = self.db.metrics().outbox_pending.with_label_values(&[self.producer]);
        gauge.set(pending);
        Ok(())
    }
}
