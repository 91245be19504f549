//! Rows, and what they mean.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use logicore::ids::UserId;
use logicore_store::Error;
use sqlx::types::Json;
use uuid::Uuid;

use super::Creation;
use crate::domain::{Actor, Fields, Profile, State};

#[derive(sqlx::FromRow)]
pub(super) struct ProfileRow {
    id: Uuid,
    tenant: String,
    display_name: String,
    given_name: String,
    family_name: String,
    phone: String,
    locale: String,
    labels: Json<BTreeMap<String, String>>,
    state: String,
    create_time: DateTime<Utc>,
    update_time: DateTime<Utc>,
    delete_time: Option<DateTime<Utc>>,
    revision: i64,
}

#[derive(sqlx::FromRow)]
pub(super) struct CreationRow {
    #[sqlx(flatten)]
    profile: ProfileRow,
    request_id: Option<Uuid>,
    email: Option<String>,
    actor: Json<Actor>,
}

impl TryFrom<ProfileRow> for Profile {
    type Error = Error;

    fn try_from(row: ProfileRow) -> Result<Self, Error> {
        let state = State::ALL.into_iter().find(|s| s.as_str() == row.state);
        Ok(Self {
            id: UserId(row.id),
            tenant: row.tenant.parse().map_err(Error::corrupt)?,
            fields: Fields {
                display_name: row.display_name,
                given_name: row.given_name,
                family_name: row.family_name,
                phone: row.phone,
                locale: row.locale,
                labels: row.labels.0,
            },
            state: state.ok_or_else(|| Error::corrupt("a profile of an unknown state"))?,
            create_time: row.create_time,
            update_time: row.update_time,
            delete_time: row.delete_time,
            revision: row.revision,
        })
    }
}

impl TryFrom<CreationRow> for Creation {
    type Error = Error;

    fn try_from(row: CreationRow) -> Result<Self, Error> {
        Ok(Self {
            profile: row.profile.try_into()?,
            request_id: row.request_id,
            email: row
                .email
                .ok_or_else(|| Error::corrupt("a pending user without an email"))?,
            actor: row.actor.0,
        })
    }
}
