//! Messages to domain and back.

use chrono::{DateTime, Utc};
use logicore::api::user as pb;
use prost_types::Timestamp;

use crate::domain::{Fields, State, User};

/// What callers write of a user; what is output only is passed over (AIP-203).
pub(super) fn fields(user: pb::User) -> Fields {
    Fields {
        display_name: user.display_name,
        given_name: user.given_name,
        family_name: user.family_name,
        phone: user.phone,
        locale: user.locale,
        labels: user.labels.into_iter().collect(),
    }
}

pub(super) fn user(user: User) -> pb::User {
    let etag = user.profile.etag();
    let User { profile, account } = user;
    let (email, roles) = account.map(|a| (a.email, a.roles)).unwrap_or_default();
    pb::User {
        id: profile.id.to_string(),
        tenant: profile.tenant.to_string(),
        email,
        display_name: profile.fields.display_name,
        given_name: profile.fields.given_name,
        family_name: profile.fields.family_name,
        phone: profile.fields.phone,
        locale: profile.fields.locale,
        labels: profile.fields.labels.into_iter().collect(),
        state: state(profile.state).into(),
        create_time: Some(timestamp(profile.create_time)),
        update_time: Some(timestamp(profile.update_time)),
        delete_time: profile.delete_time.map(timestamp),
        etag,
        roles,
    }
}

fn state(state: State) -> pb::UserState {
    match state {
        State::Pending => pb::UserState::Pending,
        State::Active => pb::UserState::Active,
        State::Deleted => pb::UserState::Deleted,
    }
}

pub(super) fn timestamp(time: DateTime<Utc>) -> Timestamp {
    Timestamp {
        seconds: time.timestamp(),
        nanos: i32::try_from(time.timestamp_subsec_nanos()).unwrap_or_default(),
    }
}
