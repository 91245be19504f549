//! Claims about the audit log.

use chrono::Duration;
use logicore::{Error, Reason};
use serde_json::Map;

use super::{Fixture, batch, name, now, query, record, role, tenant};
use crate::{audit::Cursor, store::AuditQuery};

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

pub(crate) async fn a_place_that_nothing_has_is_no_failure(f: &Fixture) {
    f.store.audit_append(batch("auth", "e1", 1..4), now()).await.unwrap();
    let after = Cursor {
        time: now() + Duration::seconds(2),
        producer: "auth".to_owned(),
        epoch: "e1".to_owned(),
        sequence: u64::MAX,
    };
    let page = AuditQuery {
        after: Some(after),
        ..query("default", "")
    };
    let places: Vec<_> = f
        .store
        .audit_list(page)
        .await
        .unwrap()
        .iter()
        .map(|e| e.sequence)
        .collect();
    assert_eq!(places, [2, 1]);
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
