//! What an audit record says.

use chrono::{DateTime, Utc};
use logicore::{
    Reason,
    access::{Origin, Principal},
    api::{admin as pb, mesh},
    ids::{EventId, TenantId, UserId},
};
use prost_types::{ListValue, Struct, Timestamp, Value, value::Kind};
use serde_json::{Map, Value as Json};

/// How it went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    #[default]
    Success,
    /// It was tried and did not work.
    Failure,
    /// It was not allowed.
    Denied,
}

impl Outcome {
    /// The name in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Denied => "denied",
        }
    }
}

/// Something that happened. Id, time and sequence are added when it is stored; never put a secret into it.
#[derive(Clone, Debug)]
pub struct AuditRecord {
    /// Tenant that it concerns.
    pub tenant: TenantId,
    /// Who did it; `None` for someone unknown or the system.
    pub actor: Option<UserId>,
    /// What was done, such as `user.delete`.
    pub action: &'static str,
    /// What it was done to, such as `user/01J...`.
    pub target: String,
    /// How it went.
    pub outcome: Outcome,
    /// Why it failed.
    pub reason: Option<Reason>,
    /// Id of the request.
    pub request_id: String,
    /// Address that it came from.
    pub address: String,
    /// Session of the actor.
    pub session: String,
    /// Further facts.
    pub details: Map<String, Json>,
}

impl AuditRecord {
    /// A success by nobody in particular.
    #[must_use]
    pub fn new(tenant: TenantId, action: &'static str, target: impl Into<String>) -> Self {
        Self {
            tenant,
            actor: None,
            action,
            target: target.into(),
            outcome: Outcome::Success,
            reason: None,
            request_id: String::new(),
            address: String::new(),
            session: String::new(),
            details: Map::new(),
        }
    }

    /// Says who did it.
    #[must_use]
    pub fn by(mut self, principal: &Principal) -> Self {
        self.actor = Some(principal.subject);
        self.session = principal.session.to_string();
        self
    }

    /// Says where the request came from.
    #[must_use]
    pub fn from(mut self, origin: &Origin) -> Self {
        self.request_id = origin.request_id.to_string();
        self.address = origin.address.map(|a| a.to_string()).unwrap_or_default();
        self
    }

    /// Says who stood behind an internal call, and where that came from.
    #[must_use]
    pub fn on_behalf_of(mut self, actor: &mesh::Actor) -> Self {
        self.actor = actor.subject.parse().ok();
        self.session.clone_from(&actor.session);
        self.request_id.clone_from(&actor.request_id);
        self.address.clone_from(&actor.address);
        self
    }

    /// Says that it failed, and why.
    #[must_use]
    pub fn failed(mut self, reason: Reason) -> Self {
        self.outcome = Outcome::Failure;
        self.reason = Some(reason);
        self
    }

    /// Says that it was not allowed, and why.
    #[must_use]
    pub fn denied(mut self, reason: Reason) -> Self {
        self.outcome = Outcome::Denied;
        self.reason = Some(reason);
        self
    }

    /// Adds a fact.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Json>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// As admin takes it, without producer and sequence.
    pub(super) fn event(&self, now: DateTime<Utc>) -> pb::AuditEvent {
        pb::AuditEvent {
            id: EventId::generate().to_string(),
            time: Some(Timestamp {
                seconds: now.timestamp(),
                nanos: i32::try_from(now.timestamp_subsec_nanos()).unwrap_or_default(),
            }),
            tenant: self.tenant.to_string(),
            actor: self.actor.map(|a| a.to_string()).unwrap_or_default(),
            action: self.action.to_owned(),
            target: self.target.clone(),
            outcome: self.outcome.as_str().to_owned(),
            reason: self.reason.map(Reason::as_str).unwrap_or_default().to_owned(),
            request_id: self.request_id.clone(),
            address: self.address.clone(),
            session: self.session.clone(),
            details: (!self.details.is_empty()).then(|| structure(&self.details)),
            producer: String::new(),
            sequence: 0,
        }
    }
}

fn structure(map: &Map<String, Json>) -> Struct {
    Struct {
        fields: map.iter().map(|(k, v)| (k.clone(), value(v))).collect(),
    }
}

fn value(json: &Json) -> Value {
    let kind = match json {
        Json::Null => Kind::NullValue(0),
        Json::Bool(b) => Kind::BoolValue(*b),
        Json::Number(n) => Kind::NumberValue(n.as_f64().unwrap_or_default()),
        Json::String(s) => Kind::StringValue(s.clone()),
        Json::Array(items) => Kind::ListValue(ListValue {
            values: items.iter().map(value).collect(),
        }),
        Json::Object(map) => Kind::StructValue(structure(map)),
    };
    Value { kind: Some(kind) }
}
