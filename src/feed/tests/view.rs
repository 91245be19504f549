//! The compiled state: what snapshots and deltas make of it, and who is told.

use std::sync::Mutex;

use super::*;
use crate::testkit;

fn view() -> Arc<AccessView> {
    let view = AccessView::new(None);
    view.learn(&testkit::policies());
    view
}

fn auth(number: u64, resources: Vec<pb::Resource>) -> Arc<AccessView> {
    let view = view();
    view.snapshot(Source::Auth, update(number, resources));
    view
}

#[test]
fn a_view_is_ready_when_both_producers_were_heard() {
    let view = view();
    assert!(!view.ready());
    view.snapshot(Source::Admin, update(1, built_in()));
    assert!(view.admin_known() && !view.auth_known() && !view.ready());
    view.snapshot(Source::Auth, update(1, Vec::new()));
    assert!(view.ready());
}

#[tokio::test(start_paused = true)]
async fn readiness_is_waited_for_and_not_for_ever() {
    let view = view();
    let late = view.wait_ready(Duration::from_secs(5)).await.unwrap_err();
    assert_eq!(late.reason(), Reason::NotReady);
    let waiting = tokio::spawn({
        let view = view.clone();
        async move { view.wait_ready(Duration::from_secs(5)).await }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    view.snapshot(Source::Auth, update(1, Vec::new()));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!waiting.is_finished());
    view.snapshot(Source::Admin, update(1, Vec::new()));
    assert!(waiting.await.unwrap().is_ok());
}

#[test]
fn keys_come_and_go_by_deltas() {
    let view = auth(1, vec![key("k1")]);
    let first = view.key("k1").unwrap();
    view.delta(Source::Auth, update(2, vec![key("k2")])).unwrap();
    assert!(view.key("k2").is_some());
    assert!(view.holds_key(&first), "what did not change is the same key");
    assert!(view.jwks().contains(r#""k1""#) && view.jwks().contains(r#""k2""#));
    view.delta(Source::Auth, removal(3, &["key/k1"])).unwrap();
    assert!(view.key("k1").is_none() && !view.holds_key(&first));
    assert!(!view.jwks().contains(r#""k1""#));
    view.delta(Source::Auth, update(4, vec![key("k2")])).unwrap();
    assert!(
        view.key("k2")
            .is_some_and(|k| !view.holds_key(&first) && view.holds_key(&k))
    );
}

#[test]
fn the_document_of_no_keys_is_a_document() {
    assert_eq!(&*view().jwks(), r#"{"keys":[]}"#);
}

#[test]
fn marks_come_change_and_go_by_deltas() {
    let (user, other) = (UserId::generate(), UserId::generate());
    let view = auth(1, Vec::new());
    let id = resource::revocation_id(Target::User, &user.to_string());
    assert_eq!(standing(&view, &principal(user, 4)), None);
    view.delta(Source::Auth, update(2, vec![revoked(user, 5, 100)]))
        .unwrap();
    assert_eq!(standing(&view, &principal(user, 4)), Some(Reason::AuthTokenRevoked));
    assert_eq!(standing(&view, &principal(user, 5)), None);
    assert_eq!(standing(&view, &principal(other, 4)), None);
    view.delta(Source::Auth, update(3, vec![revoked(user, 9, 100)]))
        .unwrap();
    assert_eq!(standing(&view, &principal(user, 8)), Some(Reason::AuthTokenRevoked));
    view.delta(Source::Auth, removal(4, &[&id])).unwrap();
    assert_eq!(standing(&view, &principal(user, 4)), None);
    // Taken back and given anew in one change.
    let mut both = update(5, vec![revoked(user, 6, 100)]);
    both.removed = vec![id];
    view.delta(Source::Auth, both).unwrap();
    assert_eq!(standing(&view, &principal(user, 4)), Some(Reason::AuthTokenRevoked));
}

#[test]
fn a_mark_of_nothing_is_no_mark() {
    let view = auth(1, Vec::new());
    let marks = [
        (Target::User, "not an id"),
        (Target::Session, ""),
        (Target::Unspecified, ""),
    ]
    .map(|(target, id)| {
        resource::revocation(pb::Revocation {
            target: target.into(),
            id: id.to_owned(),
            revoked: 100,
            ..pb::Revocation::default()
        })
    });
    view.delta(Source::Auth, update(2, marks.to_vec())).unwrap();
    assert_eq!(standing(&view, &principal(UserId::generate(), 4)), None);
}

#[test]
fn a_revocation_ends_when_nothing_it_covers_is_alive() {
    let user = UserId::generate();
    let view = auth(1, vec![revoked(user, 5, 100)]);
    let before = view.version(Source::Auth);
    view.expire(100);
    assert_eq!(standing(&view, &principal(user, 4)), Some(Reason::AuthTokenRevoked));
    assert_eq!(view.version(Source::Auth), before);
    view.expire(101);
    assert_eq!(standing(&view, &principal(user, 4)), None);
    assert!(view.version(Source::Auth) > before, "it is saved without it");
}

#[test]
fn a_new_epoch_makes_older_tokens_stale() {
    let user = UserId::generate();
    let view = auth(1, Vec::new());
    assert_eq!(standing(&view, &principal(user, 4)), None);
    view.snapshot(Source::Auth, update_of("epoch-2", 1, Vec::new()));
    assert_eq!(standing(&view, &principal(user, 4)), Some(Reason::AuthTokenStale));
}

#[test]
fn a_delta_out_of_step_leaves_the_state_in_force() {
    let user = UserId::generate();
    let view = auth(5, vec![key("k1"), revoked(user, 5, 100)]);
    let changed = view.changed();
    assert!(view.delta(Source::Auth, removal(5, &["key/k1"])).is_err());
    assert!(view.delta(Source::Admin, update(6, built_in())).is_err());
    assert!(view.key("k1").is_some() && !view.admin_known());
    assert!(!changed.has_changed().unwrap());
    view.forget_revision(Source::Auth);
    assert_eq!(view.revision(Source::Auth), None);
    assert!(view.held(Source::Auth).is_none(), "what is doubtful is not saved");
    assert_eq!(standing(&view, &principal(user, 4)), Some(Reason::AuthTokenRevoked));
}

#[test]
fn whoever_listens_is_woken_by_every_change() {
    let view = view();
    let mut changed = view.changed();
    let mut woken = |what: &str| {
        assert!(changed.has_changed().unwrap(), "{what}");
        changed.mark_unchanged();
    };
    view.snapshot(Source::Auth, update(1, Vec::new()));
    woken("auth's snapshot");
    view.delta(Source::Auth, update(2, vec![key("k1")])).unwrap();
    woken("auth's delta");
    let before = view.policy_revision();
    view.snapshot(Source::Admin, update(1, built_in()));
    woken("admin's snapshot");
    assert!(view.policy_revision() > before);
    let before = view.policy_revision();
    view.delta(Source::Admin, update(2, vec![tenant("acme", true)]))
        .unwrap();
    woken("admin's delta");
    assert!(view.policy_revision() > before);
}

#[test]
fn tenants_are_suspended_and_come_back_by_deltas() {
    let view = auth(1, Vec::new());
    let somebody = principal(UserId::generate(), 4);
    view.snapshot(Source::Admin, update(1, built_in()));
    view.delta(Source::Admin, update(2, vec![tenant("acme", true)]))
        .unwrap();
    assert_eq!(standing(&view, &somebody), Some(Reason::TenantSuspended));
    assert!(
        view.allows(&tenant_id("acme"), &roles(&["admin"]), "users.read"),
        "roles are as they were"
    );
    view.delta(Source::Admin, update(3, vec![tenant("acme", false)]))
        .unwrap();
    assert_eq!(standing(&view, &somebody), None);
    view.delta(Source::Admin, update(4, vec![tenant("acme", true)]))
        .unwrap();
    view.delta(Source::Admin, removal(5, &["tenant/acme"])).unwrap();
    assert_eq!(standing(&view, &somebody), None);
}

#[test]
fn a_role_changes_at_once() {
    let view = view();
    let (acme, reader) = (tenant_id("acme"), roles(&["reader"]));
    let role = |permissions: &[&str]| {
        let permissions = permissions.iter().map(|p| (*p).to_owned()).collect();
        resource::role(&acme, &reader[0], permissions)
    };
    view.snapshot(Source::Admin, update(1, vec![role(&["users.read"])]));
    assert!(view.allows(&acme, &reader, "users.read"));
    view.delta(Source::Admin, update(2, vec![role(&["roles.read"])]))
        .unwrap();
    assert!(!view.allows(&acme, &reader, "users.read") && view.allows(&acme, &reader, "roles.read"));
    let key = resource::role_id(Some(&acme), &reader[0]);
    view.delta(Source::Admin, removal(3, &[&key])).unwrap();
    assert!(!view.allows(&acme, &reader, "roles.read"));
}

#[test]
fn orders_reach_everybody_who_asked_once() {
    let view = view();
    let done = Arc::new(Mutex::new(Vec::new()));
    for name in ["one", "two"] {
        let done = done.clone();
        view.on_breaker_reset(move |breaker| done.lock().unwrap().push(format!("{name}: {breaker}")));
    }
    let order = |n| vec![resource::breaker_reset("user", n)];
    view.snapshot(Source::Admin, update(1, order(1)));
    view.delta(Source::Admin, update(2, order(2))).unwrap();
    view.snapshot(Source::Admin, update(3, order(2)));
    assert_eq!(*done.lock().unwrap(), ["one: user", "two: user"]);
}

#[tokio::test(start_paused = true)]
async fn the_age_counts_from_when_a_producer_was_heard() {
    let view = view();
    let ages = || view.ages().map(|(_, age)| age.map(|a| a.as_secs()));
    assert_eq!(view.ages().map(|(name, _)| name), ["auth", "admin"]);
    assert_eq!(ages(), [None, None]);
    view.heard(Source::Auth, Duration::ZERO);
    view.heard(Source::Admin, Duration::from_secs(100));
    assert_eq!(ages(), [Some(0), Some(100)]);
    tokio::time::advance(Duration::from_secs(30)).await;
    assert_eq!(ages(), [Some(30), Some(130)]);
    view.heard(Source::Admin, Duration::ZERO);
    assert_eq!(ages(), [Some(30), Some(0)]);
}
