//! A profile, and the user that it becomes with its account.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use logicore::ids::{TenantId, UserId};
use serde::Serialize;

use super::Account;

/// What callers write.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Fields {
    pub(crate) display_name: String,
    pub(crate) given_name: String,
    pub(crate) family_name: String,
    pub(crate) phone: String,
    pub(crate) locale: String,
    pub(crate) labels: BTreeMap<String, String>,
}

/// Where a profile is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The account is not there yet.
    Pending,
    Active,
    /// Can be brought back.
    Deleted,
}

impl State {
    pub(crate) const ALL: [Self; 3] = [Self::Pending, Self::Active, Self::Deleted];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Deleted => "deleted",
        }
    }
}

/// A profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Profile {
    pub(crate) id: UserId,
    pub(crate) tenant: TenantId,
    pub(crate) fields: Fields,
    pub(crate) state: State,
    pub(crate) create_time: DateTime<Utc>,
    pub(crate) update_time: DateTime<Utc>,
    pub(crate) delete_time: Option<DateTime<Utc>>,
    /// Counts the changes, from 1.
    pub(crate) revision: i64,
}

impl Profile {
    pub(crate) fn new(id: UserId, tenant: TenantId, fields: Fields, state: State, now: DateTime<Utc>) -> Self {
        Self {
            id,
            tenant,
            fields,
            state,
            create_time: now,
            update_time: now,
            delete_time: None,
            revision: 1,
        }
    }

    /// The same profile one change later.
    pub(crate) fn changed(&self, now: DateTime<Utc>) -> Self {
        Self {
            update_time: now,
            revision: self.revision + 1,
            ..self.clone()
        }
    }
}

/// A profile with what auth says of it.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) profile: Profile,
    /// `None` while auth cannot be asked.
    pub(crate) account: Option<Account>,
}
