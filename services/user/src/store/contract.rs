//! What every store must do: each function is a claim, run over every backend by [`suite!`].

mod creations;
mod lists;
mod profiles;

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Duration, Utc};
use logicore::{
    api::admin::AuditEvent,
    ids::{TenantId, UserId},
};
use logicore_store::outbox::AuditRecord;
use uuid::Uuid;

use super::{Creation, Store};
use crate::domain::{Actor, Fields, Profile, State};

pub(crate) use creations::*;
pub(crate) use lists::*;
pub(crate) use profiles::*;

/// Makes a test of every claim for the stores that `$make` makes.
macro_rules! suite {
    ($make:path) => {
        logicore::claims!($crate::store::contract, $make:
            a_creation_is_pending_until_it_is_finished, a_repeated_request_id_finds_the_same_profile,
            another_body_under_a_request_id_differs, request_ids_of_tenants_are_apart,
            without_a_request_id_nothing_is_repeated, one_request_id_at_once_makes_one_profile,
            a_creation_is_finished_once, what_is_not_there_is_not_finished, a_finished_creation_forgets_the_email,
            an_aborted_creation_leaves_nothing, only_a_pending_profile_is_aborted,
            what_is_left_pending_is_listed_oldest_first, old_request_ids_are_forgotten,
            a_profile_is_kept_as_it_was_added, a_profile_of_another_tenant_is_not_there,
            an_id_that_is_taken_stays_as_it_is, a_profile_is_replaced_at_its_revision_only,
            a_profile_of_another_tenant_is_not_replaced, of_changes_at_once_one_wins,
            the_first_profile_of_any_tenant_ends_the_emptiness, a_deleted_profile_is_kept_whole,
            pages_hold_each_profile_once_in_every_order, lists_are_the_tenants_own,
            deleted_profiles_are_listed_when_asked_for, each_condition_narrows, conditions_are_joined,
            a_text_contains_what_it_contains_in_any_case, nothing_in_a_pattern_is_special,
            times_of_any_precision_are_in_order,
        );
    };
}
pub(crate) use suite;

/// A store, and what is behind it.
pub(crate) struct Fixture {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) backend: Arc<dyn Backend>,
}

/// What stands behind a store.
#[async_trait]
pub(crate) trait Backend: Send + Sync {
    /// The audit records that wait to be delivered, in order.
    async fn audited(&self) -> Vec<AuditEvent>;
    /// The emails that are kept.
    async fn emails(&self) -> Vec<String>;
    /// Makes every later call fail.
    async fn close(&self);
    /// The same rows after a restart.
    async fn reopened(&self) -> Fixture;
}

pub(crate) fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn after(seconds: i64) -> DateTime<Utc> {
    now() + Duration::seconds(seconds)
}

fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

fn named(of: &str, name: &str, state: State) -> Profile {
    let fields = Fields {
        display_name: name.to_owned(),
        ..Fields::default()
    };
    Profile::new(UserId::generate(), tenant(of), fields, state, now())
}

fn creation(of: &str, name: &str, request_id: Option<Uuid>) -> Creation {
    Creation {
        profile: named(of, name, State::Pending),
        request_id,
        email: format!("{name}@example.com"),
        actor: Actor {
            subject: Some(UserId::generate()),
            session: "a session".to_owned(),
            request_id: "r-1".to_owned(),
            address: "192.0.2.7".to_owned(),
            ..Actor::system(tenant(of))
        },
    }
}

fn record(profile: &Profile, action: &'static str) -> AuditRecord {
    Actor::system(profile.tenant.clone()).audit(action, profile.id)
}

impl Fixture {
    /// Adds a profile without a record.
    async fn add(&self, profile: &Profile) {
        self.store.profile_add(profile, None).await.unwrap();
    }

    async fn find(&self, profile: &Profile) -> Option<Profile> {
        self.store.profile_find(&profile.tenant, profile.id).await.unwrap()
    }

    /// The actions that were recorded.
    async fn actions(&self) -> Vec<String> {
        self.backend.audited().await.into_iter().map(|e| e.action).collect()
    }
}
