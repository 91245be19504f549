//! Between messages and domain values.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use logicore::{
    Error,
    access::{self, Origin, Principal},
    api::{auth as pb, mesh},
    ids::{SessionId, TenantId, UserId},
    secret::Secret,
};
use prost_types::Timestamp;
use tonic::Extensions;

use crate::{
    accounts::{Account, State},
    audit::Actor,
    sessions::Session,
};

pub(super) fn timestamp(time: DateTime<Utc>) -> Timestamp {
    Timestamp {
        seconds: time.timestamp(),
        nanos: i32::try_from(time.timestamp_subsec_nanos()).unwrap_or_default(),
    }
}

pub(super) fn account(account: Account, session: Option<SessionId>) -> pb::Account {
    let state = match account.state {
        State::Invited => pb::AccountState::Invited,
        State::Active => pb::AccountState::Active,
        State::Disabled => pb::AccountState::Disabled,
    };
    pb::Account {
        id: account.id.to_string(),
        tenant: account.tenant.to_string(),
        email: account.email.as_str().to_owned(),
        roles: account.roles.iter().map(ToString::to_string).collect(),
        state: state.into(),
        create_time: Some(timestamp(account.create_time)),
        session_id: session.map(|s| s.to_string()).unwrap_or_default(),
    }
}

pub(super) fn session(session: &Session, current: SessionId) -> pb::Session {
    pb::Session {
        id: session.id.to_string(),
        create_time: Some(timestamp(session.create_time)),
        refresh_time: Some(timestamp(session.refresh_time)),
        expire_time: Some(timestamp(session.expire_time)),
        address: session.address.map(|a| a.to_string()).unwrap_or_default(),
        user_agent: session.user_agent.clone().unwrap_or_default(),
        current: session.id == current,
    }
}

pub(super) fn seconds(duration: std::time::Duration) -> i32 {
    i32::try_from(duration.as_secs()).unwrap_or(i32::MAX)
}

/// A required string, kept secret.
pub(super) fn secret(field: &'static str, text: String) -> Result<Secret, Error> {
    if text.is_empty() {
        return Err(Error::field(field, "is missing"));
    }
    Ok(Secret::new(text))
}

/// An id in a field.
pub(super) fn id<T: std::str::FromStr<Err = Error>>(field: &'static str, text: &str) -> Result<T, Error> {
    if text.is_empty() {
        return Err(Error::field(field, "is missing"));
    }
    text.parse()
        .map_err(|e: Error| Error::field(field, e.message().to_owned()))
}

/// A tenant in a field; empty for none.
pub(super) fn tenant(text: &str) -> Result<Option<TenantId>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    id("tenant", text).map(Some)
}

/// Who stands behind a call from outside.
pub(super) fn caller(extensions: &Extensions) -> Actor {
    let origin = extensions.get::<Origin>().cloned().unwrap_or_default();
    let principal = extensions.get::<Arc<Principal>>();
    Actor {
        subject: principal.map(|p| p.subject),
        session: principal.map(|p| p.session),
        request_id: origin.request_id,
        address: origin.address,
        agent: origin.user_agent,
    }
}

/// The principal, which the stack put there.
pub(super) fn principal(extensions: &Extensions) -> Result<Arc<Principal>, Error> {
    access::principal(extensions).cloned()
}

/// Who stands behind a neighbour's call, as the neighbour says.
pub(super) fn actor(actor: Option<mesh::Actor>, extensions: &Extensions) -> Result<Actor, Error> {
    let Some(actor) = actor else {
        return Ok(Actor {
            subject: None,
            session: None,
            ..caller(extensions)
        });
    };
    let optional = |field, text: &str| {
        if text.is_empty() {
            Ok(None)
        } else {
            id(field, text).map(Some)
        }
    };
    let session = match actor.session.as_str() {
        "" => None,
        text => Some(id::<SessionId>("actor.session", text)?),
    };
    Ok(Actor {
        subject: optional("actor.subject", &actor.subject)? as Option<UserId>,
        session,
        request_id: actor.request_id.into(),
        address: actor.address.parse().ok(),
        agent: None,
    })
}
