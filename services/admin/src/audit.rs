//! The audit log: what every service did, each event once, in a gapless sequence for each producer.
//!
//! Other services bring theirs through `AuditIngestService`; admin's own are written in the transaction of the change itself.
//! A gap is refused, but for one case: where this log itself was made anew or restored, its producers no longer have what it
//! misses. Then it goes on, and says so by an event `audit.gap`, so that the loss can be seen and nobody is stuck for ever.

mod filter;
mod ingest;

use chrono::{DateTime, Utc};
use logicore::{
    Error, Reason,
    ids::{EventId, TenantId},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{app::Admin, caller::Caller};

pub use filter::{Condition, Field, parse};
pub use ingest::{Batch, SEQUENCE_START, bounded};

/// Name of this service as a producer.
pub const PRODUCER: &str = "admin";

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Id of the event.
    pub id: String,
    /// When it happened.
    pub time: DateTime<Utc>,
    /// Tenant that it concerns; empty when none is known.
    pub tenant: String,
    /// Subject of the token of whoever did it; empty for someone unknown or the system.
    pub actor: String,
    /// What was done.
    pub action: String,
    /// What it was done to.
    pub target: String,
    /// `success`, `failure` or `denied`.
    pub outcome: String,
    /// Stable reason of a failure.
    pub reason: String,
    /// Id of the request.
    pub request_id: String,
    /// Address that it came from.
    pub address: String,
    /// Session of the actor.
    pub session: String,
    /// Further facts; never a secret.
    pub details: Map<String, Value>,
}

/// A record at its place in a producer's sequence.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Service that it comes from.
    pub producer: String,
    /// Epoch of that service's store.
    pub epoch: String,
    /// Place in the sequence.
    pub sequence: u64,
    /// What happened.
    pub record: Record,
}

/// Where a page ends: the key that the log is ordered by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// When the last event of the page happened.
    pub time: DateTime<Utc>,
    /// Its producer.
    pub producer: String,
    /// The producer's epoch.
    pub epoch: String,
    /// Its place in the producer's sequence.
    pub sequence: u64,
}

impl Record {
    /// A success of the caller's own tenant.
    #[must_use]
    pub fn of(caller: &Caller, action: impl Into<String>, target: impl Into<String>, time: DateTime<Utc>) -> Self {
        Self {
            id: EventId::generate().to_string(),
            time,
            tenant: caller.tenant().to_string(),
            actor: caller.principal.subject.to_string(),
            action: action.into(),
            target: target.into(),
            outcome: "success".to_owned(),
            reason: String::new(),
            request_id: caller.origin.request_id.to_string(),
            address: caller.address(),
            session: caller.principal.session.to_string(),
            details: Map::new(),
        }
    }

    /// Something that the system did by itself.
    #[must_use]
    pub fn of_system(tenant: &TenantId, action: &str, target: String, time: DateTime<Utc>) -> Self {
        Self {
            id: EventId::generate().to_string(),
            time,
            tenant: tenant.to_string(),
            actor: String::new(),
            action: action.to_owned(),
            target,
            outcome: "success".to_owned(),
            reason: String::new(),
            request_id: String::new(),
            address: String::new(),
            session: String::new(),
            details: Map::new(),
        }
    }

    /// Adds a fact.
    #[must_use]
    pub fn detail(mut self, key: &str, value: Value) -> Self {
        self.details.insert(key.to_owned(), value);
        self
    }
}

impl Event {
    /// Where a page that ends here ends.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        Cursor {
            time: self.record.time,
            producer: self.producer.clone(),
            epoch: self.epoch.clone(),
            sequence: self.sequence,
        }
    }
}

impl Admin {
    /// Passes an answer on; where it refuses the caller, the log gets to know first of what was tried.
    pub(crate) async fn noting_denial<T>(
        &self,
        answer: Result<T, Error>,
        tried: impl FnOnce() -> Record + Send,
    ) -> Result<T, Error> {
        let Err(error) = &answer else { return answer };
        if matches!(error.reason(), Reason::GrantExceedsOwn | Reason::PermissionMissing) {
            let mut record = tried();
            record.outcome = "denied".to_owned();
            record.reason = error.reason().as_str().to_owned();
            self.store.audit_note(record).await?;
        }
        answer
    }
}
