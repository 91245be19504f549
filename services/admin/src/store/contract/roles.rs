//! Claims about roles and the leases on them.

use chrono::Duration;
use logicore::{Error, Reason};
use uuid::Uuid;

use super::{Fixture, name, now, record, role, tenant};
use crate::{
    feed::Fact,
    roles::{Change, Lease, Role},
};

pub(crate) async fn a_role_is_kept_as_it_was_put(f: &Fixture) {
    let editor = f.put(role("default", "editor", &["users.read", "users.update"])).await;
    let found = f
        .store
        .role_find(&tenant("default"), &[name("editor"), name("nobody")])
        .await
        .unwrap();
    assert_eq!(found, std::slice::from_ref(&editor));
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
