//! What the audit log is told. An entry is written in the transaction of the change it speaks of, so neither exists without
//! the other. Nothing secret ever goes into one: details take ids, names, counts and reasons.

use std::{net::IpAddr, sync::Arc};

use logicore::{
    Error,
    ids::{SessionId, TenantId, UserId},
};
use logicore_store::outbox::AuditRecord;
use serde_json::Value;

pub(crate) use logicore_store::outbox::Outcome;

/// Who stands behind a request, as far as it is known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Actor {
    /// Subject of the caller's token; none for someone unknown or the system itself.
    pub(crate) subject: Option<UserId>,
    /// Session of the caller.
    pub(crate) session: Option<SessionId>,
    /// Id of the request.
    pub(crate) request_id: Arc<str>,
    /// Address of the caller.
    pub(crate) address: Option<IpAddr>,
    /// Program of the caller, as it names itself.
    pub(crate) agent: Option<String>,
}

/// One line of the audit log.
#[derive(Clone, Debug)]
pub(crate) struct Entry(AuditRecord);

impl Entry {
    /// An entry of something that went well, by `actor`.
    pub(crate) fn new(action: &'static str, tenant: &TenantId, actor: &Actor) -> Self {
        let mut record = AuditRecord::new(tenant.clone(), action, "");
        record.actor = actor.subject;
        record.session = actor.session.map(|s| s.to_string()).unwrap_or_default();
        record.request_id = actor.request_id.to_string();
        record.address = actor.address.map(|a| a.to_string()).unwrap_or_default();
        Self(record)
    }

    /// Says what it was done to.
    pub(crate) fn on(mut self, kind: &str, id: impl std::fmt::Display) -> Self {
        self.0.target = format!("{kind}/{id}");
        self
    }

    /// Says who did it, where that is known only now, such as by a password.
    pub(crate) fn by(mut self, subject: UserId, session: Option<SessionId>) -> Self {
        self.0.actor = Some(subject);
        if let Some(session) = session {
            self.0.session = session.to_string();
        }
        self
    }

    /// Adds a fact.
    pub(crate) fn with(self, key: &str, value: impl Into<Value>) -> Self {
        Self(self.0.with(key, value))
    }

    /// Says that it went wrong, and why.
    pub(crate) fn failed(mut self, outcome: Outcome, error: &Error) -> Self {
        self.0.outcome = outcome;
        self.0.reason = Some(error.reason());
        self
    }

    /// The record to store.
    pub(crate) fn record(&self) -> &AuditRecord {
        &self.0
    }
}
