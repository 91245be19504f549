//! What every store must do: each function is a claim, run over every backend by [`suite!`].

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::{DateTime, Duration, Utc};
use logicore::{
    Error, Reason,
    ids::{RoleName, TenantId},
};
use serde_json::Map;
use uuid::Uuid;

use super::{AuditQuery, Store};
use crate::{
    audit::{self, Batch, Cursor, Event, Record},
    feed::{Fact, Publish},
    roles::{Change, Facts, Lease, Role},
};

/// Makes a test of every claim for the stores that `$make` makes.
macro_rules! suite {
    ($make:path) => {
        $crate::store::contract::suite!($make:
            a_role_is_kept_as_it_was_put, roles_are_listed_by_name_after_a_name, tenants_do_not_see_each_others_roles,
            a_refusal_changes_and_publishes_nothing, every_change_is_published_once_in_commit_order,
            a_decision_sees_what_the_caller_holds, a_mark_lapses_by_itself, a_mark_can_be_taken_back,
            a_grant_on_its_way_shows_until_released_or_lapsed, orders_to_a_breaker_grow,
            old_orders_are_dropped, a_repeated_event_is_passed_over, a_gap_is_refused_and_stores_nothing,
            a_log_that_begins_late_says_so, sequences_of_epochs_are_apart, a_change_and_its_event_stand_together,
            own_events_are_gapless, events_of_other_tenants_are_hidden, pages_hold_each_event_once_newest_first,
            a_filter_narrows, a_restored_log_says_what_it_lost, oversized_values_are_cut, counts_are_the_tenants_own,
        );
    };
    ($make:path: $($name:ident),* $(,)?) => {
        $(#[tokio::test]
        async fn $name() {
            let fixture = $make().await;
            $crate::store::contract::$name(&fixture).await;
        })*
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

pub(crate) async fn a_role_is_kept_as_it_was_put(f: &Fixture) {
    let editor = f.put(role("default", "editor", &["users.read", "users.update"])).await;
    let found = f
        .store
        .role_find(&tenant("default"), &[name("editor"), name("nobody")])
        .await
        .unwrap();
    assert_eq!(found, [editor.clone()]);
    let changed = Role {
        permissions: vec![],
        etag: "another".to_owned(),
        ..editor
    };
    assert_eq!(f.put(changed.clone()).await, changed);
}

pub(crate) async fn roles_are_listed_by_name_after_a_name(f: &Fixture) {
    for called in ["c", "a", "b", "d"] {
        f.put(role("default", called, &[])).await;
    }
    let listed = f.store.role_list(&tenant("default"), "a", 2).await.unwrap();
    let names: Vec<_> = listed.iter().map(|r| r.name.as_str()).collect();
    assert_eq!(names, ["b", "c"]);
}

pub(crate) async fn tenants_do_not_see_each_others_roles(f: &Fixture) {
    f.put(role("acme", "editor", &["users.read"])).await;
    assert!(f.store.role_list(&tenant("default"), "", 10).await.unwrap().is_empty());
    assert!(
        f.store
            .role_find(&tenant("default"), &[name("editor")])
            .await
            .unwrap()
            .is_empty()
    );
    assert!(f.facts("editor", &[name("editor")], now()).await.held.is_empty());
}

pub(crate) async fn a_refusal_changes_and_publishes_nothing(f: &Fixture) {
    let refuse = Box::new(|_| Err(Error::new(Reason::BuiltIn, "no")));
    let error = f
        .store
        .role_change(&tenant("default"), &name("x"), &[], now(), refuse)
        .await
        .unwrap_err();
    assert_eq!(error.reason(), Reason::BuiltIn);
    assert!(f.published.all().is_empty());
    assert!(f.events("default", "").await.is_empty());
}

pub(crate) async fn every_change_is_published_once_in_commit_order(f: &Fixture) {
    let jobs: Vec<_> = (0..20)
        .map(|n| {
            let role = role("default", &format!("r{n}"), &[]);
            let record = record("default", "role.create", n);
            let (store, of, called) = (f.store.clone(), role.tenant.clone(), role.name.clone());
            tokio::spawn(async move {
                let decide = Box::new(move |_| Ok(Change::Put(role, record)));
                store.role_change(&of, &called, &[], now(), decide).await.unwrap();
            })
        })
        .collect();
    for job in jobs {
        job.await.unwrap();
    }
    f.change("r0", now(), Change::Remove(record("default", "role.delete", 30)))
        .await;
    let all = f.published.all();
    assert_eq!(all.len(), 21);
    assert!(all.windows(2).all(|w| w[0].0 < w[1].0), "revisions grow");
    assert_eq!(all[20].1, [Fact::RoleGone(tenant("default"), name("r0"))]);
}

pub(crate) async fn a_decision_sees_what_the_caller_holds(f: &Fixture) {
    let a = f.put(role("default", "a", &["users.read"])).await;
    f.put(role("default", "b", &[])).await;
    let facts = f.facts("b", &[name("a"), name("admin")], now()).await;
    assert_eq!((facts.held, facts.count), (vec![a], 2));
    assert_eq!(facts.role.map(|r| r.name), Some(name("b")));
}

pub(crate) async fn a_mark_lapses_by_itself(f: &Fixture) {
    f.put(role("default", "a", &[])).await;
    let lease = Lease {
        id: Uuid::now_v7(),
        until: now() + Duration::seconds(30),
    };
    f.change("a", now(), Change::Mark(lease)).await;
    assert_eq!(f.facts("a", &[], now()).await.deleting, Some(lease.id));
    assert_eq!(f.facts("a", &[], lease.until).await.deleting, None);
}

pub(crate) async fn a_mark_can_be_taken_back(f: &Fixture) {
    f.put(role("default", "a", &[])).await;
    let lease = Lease {
        id: Uuid::now_v7(),
        until: now() + Duration::seconds(30),
    };
    f.change("a", now(), Change::Mark(lease)).await;
    f.change("a", now(), Change::Unmark).await;
    assert_eq!(f.facts("a", &[], now()).await.deleting, None);
}

pub(crate) async fn a_grant_on_its_way_shows_until_released_or_lapsed(f: &Fixture) {
    f.put(role("default", "a", &[])).await;
    let lease = || Lease {
        id: Uuid::now_v7(),
        until: now() + Duration::seconds(60),
    };
    let (first, second) = (lease(), lease());
    f.change("a", now(), Change::Grant(first)).await;
    f.change("a", now(), Change::Grant(second)).await;
    f.store.grant_release(first.id).await.unwrap();
    assert!(f.facts("a", &[], now()).await.granting);
    assert!(!f.facts("b", &[], now()).await.granting);
    assert!(!f.facts("a", &[], second.until).await.granting);
    f.store.grant_release(second.id).await.unwrap();
    assert!(!f.facts("a", &[], now()).await.granting);
}

pub(crate) async fn orders_to_a_breaker_grow(f: &Fixture) {
    let first = f
        .store
        .breaker_reset("user", now(), record("default", "breaker.reset", 0))
        .await
        .unwrap();
    let earlier = now() - Duration::hours(1);
    let second = f
        .store
        .breaker_reset("user", earlier, record("default", "breaker.reset", 1))
        .await
        .unwrap();
    assert!(second > first);
    let last = f.published.all().pop().unwrap().1;
    assert!(last.contains(&Fact::BreakerReset("user".to_owned(), second)));
}

pub(crate) async fn old_orders_are_dropped(f: &Fixture) {
    f.store
        .breaker_reset("user/a", now(), record("default", "breaker.reset", 0))
        .await
        .unwrap();
    let later = now() + Duration::hours(25);
    f.store
        .breaker_reset("user/b", later, record("default", "breaker.reset", 1))
        .await
        .unwrap();
    let last = f.published.all().pop().unwrap().1;
    assert!(last.contains(&Fact::BreakerResetGone("user/a".to_owned())), "{last:?}");
}

pub(crate) async fn a_repeated_event_is_passed_over(f: &Fixture) {
    assert_eq!(f.store.audit_append(batch("auth", "e1", 1..4), now()).await.unwrap(), 4);
    assert_eq!(f.store.audit_append(batch("auth", "e1", 2..6), now()).await.unwrap(), 6);
    assert_eq!(f.store.audit_append(batch("auth", "e1", 1..3), now()).await.unwrap(), 6);
    assert_eq!(f.store.audit_append(batch("auth", "e1", 1..1), now()).await.unwrap(), 6);
    let places: Vec<_> = f.events("default", "").await.iter().map(|e| e.sequence).collect();
    assert_eq!(places, [5, 4, 3, 2, 1]);
}

pub(crate) async fn a_gap_is_refused_and_stores_nothing(f: &Fixture) {
    f.store.audit_append(batch("auth", "e1", 1..3), now()).await.unwrap();
    let error = f
        .store
        .audit_append(batch("auth", "e1", 4..6), now())
        .await
        .unwrap_err();
    assert_eq!(error.reason(), Reason::StateForbids);
    assert!(format!("{error:?}").contains(r#"("next_sequence", "3")"#), "{error:?}");
    assert_eq!(f.events("default", "").await.len(), 2);
}

pub(crate) async fn a_log_that_begins_late_says_so(f: &Fixture) {
    assert_eq!(f.store.audit_append(batch("auth", "e1", 7..9), now()).await.unwrap(), 9);
    let gaps = f.events("default", r#"action = "audit.gap""#).await;
    assert_eq!(gaps.len(), 1);
    assert_eq!(gaps[0].record.details["missing_to"], 6);
    assert_eq!((gaps[0].producer.as_str(), gaps[0].sequence), ("admin", 1));
}

pub(crate) async fn sequences_of_epochs_are_apart(f: &Fixture) {
    f.store.audit_append(batch("auth", "e1", 1..3), now()).await.unwrap();
    assert_eq!(f.store.audit_append(batch("auth", "e2", 1..2), now()).await.unwrap(), 2);
    assert_eq!(f.store.audit_append(batch("user", "e1", 1..2), now()).await.unwrap(), 2);
    assert_eq!(f.events("default", "").await.len(), 4);
}

pub(crate) async fn a_change_and_its_event_stand_together(f: &Fixture) {
    f.put(role("default", "a", &[])).await;
    let events = f.events("default", "").await;
    assert_eq!(events.len(), 1);
    assert_eq!(
        (events[0].producer.as_str(), events[0].record.action.as_str()),
        ("admin", "role.create")
    );
}

pub(crate) async fn own_events_are_gapless(f: &Fixture) {
    f.put(role("default", "a", &[])).await;
    let refuse = Box::new(|_| Err(Error::new(Reason::BuiltIn, "no")));
    f.store
        .role_change(&tenant("default"), &name("x"), &[], now(), refuse)
        .await
        .unwrap_err();
    f.store.audit_note(record("default", "role.grant", 1)).await.unwrap();
    f.store
        .breaker_reset("user", now(), record("default", "breaker.reset", 2))
        .await
        .unwrap();
    let places: Vec<_> = f.events("default", "").await.iter().map(|e| e.sequence).collect();
    assert_eq!(places, [3, 2, 1]);
}

pub(crate) async fn events_of_other_tenants_are_hidden(f: &Fixture) {
    f.store.audit_note(record("acme", "role.grant", 1)).await.unwrap();
    assert!(f.events("default", "").await.is_empty());
    assert!(f.events("default", r#"action = "role.grant""#).await.is_empty());
    assert_eq!(f.events("acme", "").await.len(), 1);
}

pub(crate) async fn pages_hold_each_event_once_newest_first(f: &Fixture) {
    let mut same_time = batch("auth", "e1", 1..8);
    for (place, record) in &mut same_time.events {
        record.time = now() + Duration::seconds(i64::try_from(*place / 3).unwrap());
    }
    f.store.audit_append(same_time, now()).await.unwrap();
    let mut seen: Vec<u64> = Vec::new();
    let mut after: Option<Cursor> = None;
    loop {
        let page = AuditQuery {
            after,
            limit: 2,
            ..query("default", "")
        };
        let page = f.store.audit_list(page).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.cursor());
        seen.extend(page.iter().map(|e| e.sequence));
    }
    assert_eq!(seen, [7, 6, 5, 4, 3, 2, 1]);
}

pub(crate) async fn a_filter_narrows(f: &Fixture) {
    f.store.audit_append(batch("auth", "e1", 1..10), now()).await.unwrap();
    f.store.audit_note(record("default", "role.grant", 20)).await.unwrap();
    let from = (now() + Duration::seconds(3)).to_rfc3339();
    let to = (now() + Duration::seconds(6)).to_rfc3339();
    let filter = format!(r#"action = "auth.login" AND time >= "{from}" AND time < "{to}""#);
    let places: Vec<_> = f.events("default", &filter).await.iter().map(|e| e.sequence).collect();
    assert_eq!(places, [5, 4, 3]);
    assert_eq!(f.events("default", r#"producer = "admin""#).await.len(), 1);
}

pub(crate) async fn a_restored_log_says_what_it_lost(f: &Fixture) {
    f.store.audit_append(batch("auth", "e1", 1..4), now()).await.unwrap();
    let restored = f.backend.restored().await;
    assert_eq!(
        restored
            .store
            .audit_append(batch("auth", "e1", 9..10), now())
            .await
            .unwrap(),
        10
    );
    let gaps = restored.events("default", r#"action = "audit.gap""#).await;
    assert_eq!(
        (
            &gaps[0].record.details["missing_from"],
            &gaps[0].record.details["missing_to"]
        ),
        (&4.into(), &8.into())
    );
    let again = restored.store.audit_append(batch("auth", "e1", 11..12), now()).await;
    assert_eq!(
        again.unwrap_err().reason(),
        Reason::StateForbids,
        "it may jump once only"
    );
}

pub(crate) async fn oversized_values_are_cut(f: &Fixture) {
    let mut large = record("default", "auth.login", 1);
    large.id = String::new();
    large.target = "ü".repeat(1000);
    large.details = Map::from_iter([("x".to_owned(), "y".repeat(100_000).into())]);
    f.store.audit_note(large).await.unwrap();
    let kept = f.events("default", "").await.remove(0).record;
    assert!(kept.target.len() <= 512 && !kept.id.is_empty());
    assert!(kept.details["left_out_bytes"].as_u64().unwrap() > 100_000);
}

pub(crate) async fn counts_are_the_tenants_own(f: &Fixture) {
    f.put(role("default", "a", &[])).await;
    f.put(role("acme", "a", &[])).await;
    f.put(role("acme", "b", &[])).await;
    let counts = f.store.tenant_counts(&tenant("acme")).await.unwrap();
    assert_eq!((counts.roles, counts.audit_events), (2, 2));
}
