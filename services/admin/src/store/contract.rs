//! What every store must do: each function is a claim, run over every backend by [`suite!`].

mod log;
mod operations;
mod roles;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::{DateTime, Duration, Utc};
use logicore::ids::{RoleName, TenantId};
use uuid::Uuid;

use super::{AuditQuery, Store};
use crate::{
    audit::{self, Batch, Event, Record},
    feed::{Fact, Publish},
    roles::{Change, Facts, Role},
};

pub(crate) use log::*;
pub(crate) use operations::*;
pub(crate) use roles::*;

/// Makes a test of every claim for the stores that `$make` makes.
macro_rules! suite {
    ($make:path) => {
        logicore::claims!($crate::store::contract, $make:
            a_role_is_kept_as_it_was_put, roles_are_listed_by_name_after_a_name, tenants_do_not_see_each_others_roles,
            a_refusal_changes_and_publishes_nothing, every_change_is_published_once_in_commit_order,
            a_decision_sees_what_the_caller_holds, a_mark_lapses_by_itself, a_mark_can_be_taken_back,
            a_grant_on_its_way_shows_until_released_or_lapsed, orders_to_a_breaker_grow,
            old_orders_are_dropped, a_repeated_event_is_passed_over, a_gap_is_refused_and_stores_nothing,
            a_log_that_begins_late_says_so, sequences_of_epochs_are_apart, a_change_and_its_event_stand_together,
            own_events_are_gapless, events_of_other_tenants_are_hidden, pages_hold_each_event_once_newest_first,
            a_place_that_nothing_has_is_no_failure, a_filter_narrows, a_restored_log_says_what_it_lost, oversized_values_are_cut, counts_are_the_tenants_own,
        );
    };
}
pub(crate) use suite;

/// A store, what it published, and what is behind it.
pub(crate) struct Fixture {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) published: Arc<Published>,
    pub(crate) backend: Box<dyn Backend>,
}

/// What stands behind a store.
#[async_trait]
pub(crate) trait Backend: Send + Sync {
    /// The same rows under another epoch, as a restored backup has them.
    async fn restored(&self) -> Fixture;
}

/// Remembers what was published.
#[derive(Debug, Default)]
pub(crate) struct Published(Mutex<Vec<(u64, Vec<Fact>)>>);

impl Published {
    pub(crate) fn all(&self) -> Vec<(u64, Vec<Fact>)> {
        self.0.lock().unwrap().clone()
    }
}

impl Publish for Published {
    fn publish(&self, revision: u64, facts: Vec<Fact>) {
        self.0.lock().unwrap().push((revision, facts));
    }
}

pub(crate) fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

fn name(name: &str) -> RoleName {
    name.parse().unwrap()
}

fn role(of: &str, called: &str, permissions: &[&str]) -> Role {
    Role {
        tenant: tenant(of),
        name: name(called),
        description: "für alle".to_owned(),
        permissions: permissions.iter().map(|p| (*p).to_owned()).collect(),
        created: now(),
        updated: now() + Duration::microseconds(1),
        etag: Uuid::now_v7().to_string(),
    }
}

pub(crate) fn record(of: &str, action: &str, second: i64) -> Record {
    let mut record = Record::of_system(
        &tenant(of),
        action,
        "role/x".to_owned(),
        now() + Duration::seconds(second),
    );
    record.actor = "someone".to_owned();
    record
}

fn batch(producer: &str, epoch: &str, places: std::ops::Range<u64>) -> Batch {
    let events = places.map(|place| {
        let second = i64::try_from(place).unwrap();
        (place, record("default", "auth.login", second))
    });
    Batch {
        producer: producer.to_owned(),
        epoch: epoch.to_owned(),
        events: events.collect(),
    }
}

fn query(of: &str, filter: &str) -> AuditQuery {
    AuditQuery {
        tenant: tenant(of),
        conditions: audit::parse(filter).unwrap(),
        after: None,
        limit: 1000,
    }
}

impl Fixture {
    async fn put(&self, role: Role) -> Role {
        let record = record(role.tenant.as_str(), "role.create", 0);
        let (of, called) = (role.tenant.clone(), role.name.clone());
        let decide = Box::new(move |_| Ok(Change::Put(role, record)));
        let put = self.store.role_change(&of, &called, &[], now(), decide).await;
        put.unwrap().expect("it is there")
    }

    async fn change(&self, called: &str, at: DateTime<Utc>, change: Change) -> Option<Role> {
        let decide = Box::new(move |_| Ok(change));
        let changed = self
            .store
            .role_change(&tenant("default"), &name(called), &[], at, decide)
            .await;
        changed.unwrap()
    }

    async fn facts(&self, called: &str, held: &[RoleName], at: DateTime<Utc>) -> Facts {
        let (tell, told) = std::sync::mpsc::channel();
        let decide = Box::new(move |facts| {
            tell.send(facts).unwrap();
            Ok(Change::Keep)
        });
        self.store
            .role_change(&tenant("default"), &name(called), held, at, decide)
            .await
            .unwrap();
        told.recv().unwrap()
    }

    async fn events(&self, of: &str, filter: &str) -> Vec<Event> {
        self.store.audit_list(query(of, filter)).await.unwrap()
    }
}
