//! Claims about making a profile in two steps.

use chrono::Duration;
use logicore::ids::UserId;
use uuid::Uuid;

use super::{Fixture, after, creation, named, now, record, tenant};
use crate::{
    domain::{Profile, State},
    store::{Begin, Creation},
};

const BODY: &[u8] = b"hash of a body";

async fn begin(f: &Fixture, creation: &Creation) -> Begin {
    f.store.creation_begin(creation, BODY).await.unwrap()
}

fn repeated(profile: &Profile) -> Begin {
    Begin::Repeated(Box::new(profile.clone()))
}

async fn finish(f: &Fixture, profile: &Profile) -> Option<Profile> {
    let audit = record(profile, "user.create");
    let finished = f.store.creation_finish(&profile.tenant, profile.id, after(5), &audit);
    finished.await.unwrap()
}

async fn pending(f: &Fixture) -> Vec<Creation> {
    f.store.creation_pending(after(1), 10).await.unwrap()
}

pub(crate) async fn a_creation_is_pending_until_it_is_finished(f: &Fixture) {
    let creation = creation("default", "ann", Some(Uuid::now_v7()));
    assert_eq!(begin(f, &creation).await, Begin::Made);
    assert_eq!(f.find(&creation.profile).await.as_ref(), Some(&creation.profile));
    assert_eq!(pending(f).await, std::slice::from_ref(&creation));

    let finished = finish(f, &creation.profile).await.unwrap();
    let wanted = Profile {
        state: State::Active,
        ..creation.profile.changed(after(5))
    };
    assert_eq!(finished, wanted);
    assert_eq!(f.find(&creation.profile).await, Some(wanted));
    assert!(pending(f).await.is_empty());
}

pub(crate) async fn a_repeated_request_id_finds_the_same_profile(f: &Fixture) {
    let request_id = Some(Uuid::now_v7());
    let (first, again) = (
        creation("default", "ann", request_id),
        creation("default", "ann", request_id),
    );
    begin(f, &first).await;
    assert_eq!(begin(f, &again).await, repeated(&first.profile));
    assert!(f.find(&again.profile).await.is_none());
    let finished = finish(f, &first.profile).await.unwrap();
    assert_eq!(begin(f, &again).await, repeated(&finished));
}

pub(crate) async fn another_body_under_a_request_id_differs(f: &Fixture) {
    let request_id = Some(Uuid::now_v7());
    begin(f, &creation("default", "ann", request_id)).await;
    let other = creation("default", "bob", request_id);
    let begun = f.store.creation_begin(&other, b"another body").await.unwrap();
    assert_eq!(begun, Begin::Differs);
    assert!(f.find(&other.profile).await.is_none());
}

pub(crate) async fn request_ids_of_tenants_are_apart(f: &Fixture) {
    let request_id = Some(Uuid::now_v7());
    assert_eq!(begin(f, &creation("default", "ann", request_id)).await, Begin::Made);
    let elsewhere = creation("acme", "ann", request_id);
    assert_eq!(begin(f, &elsewhere).await, Begin::Made);
    assert_eq!(
        begin(f, &creation("acme", "ann", request_id)).await,
        repeated(&elsewhere.profile)
    );
}

pub(crate) async fn without_a_request_id_nothing_is_repeated(f: &Fixture) {
    assert_eq!(begin(f, &creation("default", "ann", None)).await, Begin::Made);
    assert_eq!(begin(f, &creation("default", "ann", None)).await, Begin::Made);
    assert_eq!(pending(f).await.len(), 2);
}

pub(crate) async fn one_request_id_at_once_makes_one_profile(f: &Fixture) {
    let request_id = Some(Uuid::now_v7());
    let all: Vec<_> = (0..10).map(|_| creation("default", "ann", request_id)).collect();
    let begun = futures_util::future::join_all(all.iter().map(|c| begin(f, c))).await;
    assert_eq!(begun.iter().filter(|b| **b == Begin::Made).count(), 1);
    assert_eq!(pending(f).await.len(), 1);
}

pub(crate) async fn a_creation_is_finished_once(f: &Fixture) {
    let creation = creation("default", "ann", Some(Uuid::now_v7()));
    begin(f, &creation).await;
    assert!(f.backend.audited().await.is_empty(), "nothing has happened yet");
    let finished = finish(f, &creation.profile).await;
    assert_eq!(finish(f, &creation.profile).await, finished);
    assert_eq!(f.actions().await, ["user.create"]);
}

pub(crate) async fn what_is_not_there_is_not_finished(f: &Fixture) {
    let unknown = named("default", "nobody", State::Pending);
    assert_eq!(finish(f, &unknown).await, None);

    let creation = creation("default", "ann", None);
    begin(f, &creation).await;
    let elsewhere = Profile {
        tenant: tenant("acme"),
        ..creation.profile.clone()
    };
    assert_eq!(finish(f, &elsewhere).await, None);
    assert_eq!(f.find(&creation.profile).await, Some(creation.profile));

    let deleted = named("default", "gone", State::Deleted);
    f.add(&deleted).await;
    assert_eq!(finish(f, &deleted).await, None);
    assert_eq!(f.find(&deleted).await, Some(deleted));
    assert!(f.backend.audited().await.is_empty());
}

pub(crate) async fn a_finished_creation_forgets_the_email(f: &Fixture) {
    let (repeatable, once) = (
        creation("default", "ann", Some(Uuid::now_v7())),
        creation("default", "bob", None),
    );
    begin(f, &repeatable).await;
    begin(f, &once).await;
    assert_eq!(f.backend.emails().await, ["ann@example.com", "bob@example.com"]);
    finish(f, &repeatable.profile).await;
    assert_eq!(f.backend.emails().await, ["bob@example.com"]);
    finish(f, &once.profile).await;
    assert!(f.backend.emails().await.is_empty());
}

pub(crate) async fn an_aborted_creation_leaves_nothing(f: &Fixture) {
    let request_id = Some(Uuid::now_v7());
    let first = creation("default", "ann", request_id);
    begin(f, &first).await;
    let (of, id) = (&first.profile.tenant, first.profile.id);
    f.store.creation_abort(of, id, None).await.unwrap();
    assert!(f.find(&first.profile).await.is_none());
    assert!(f.backend.emails().await.is_empty());
    assert!(f.backend.audited().await.is_empty());

    let second = creation("default", "ann", request_id);
    assert_eq!(begin(f, &second).await, Begin::Made, "the request id is free again");
    let audit = record(&second.profile, "user.create");
    let (of, id) = (&second.profile.tenant, second.profile.id);
    f.store.creation_abort(of, id, Some(&audit)).await.unwrap();
    f.store.creation_abort(of, id, Some(&audit)).await.unwrap();
    assert_eq!(
        f.actions().await,
        ["user.create"],
        "recorded with the change, not without"
    );
}

pub(crate) async fn only_a_pending_profile_is_aborted(f: &Fixture) {
    let pending = creation("default", "ann", None);
    begin(f, &pending).await;
    let (active, deleted) = (
        named("default", "bob", State::Active),
        named("default", "gone", State::Deleted),
    );
    f.add(&active).await;
    f.add(&deleted).await;
    let audit = record(&active, "user.create");
    for (of, id) in [
        (tenant("default"), active.id),
        (tenant("default"), deleted.id),
        (tenant("acme"), pending.profile.id),
        (tenant("default"), UserId::generate()),
    ] {
        f.store.creation_abort(&of, id, Some(&audit)).await.unwrap();
    }
    for profile in [&pending.profile, &active, &deleted] {
        assert_eq!(f.find(profile).await.as_ref(), Some(profile));
    }
    assert!(f.backend.audited().await.is_empty());
}

pub(crate) async fn what_is_left_pending_is_listed_oldest_first(f: &Fixture) {
    let mut left = Vec::new();
    for (of, name, age) in [("default", "c", 10), ("acme", "a", 30), ("default", "b", 20)] {
        let mut creation = creation(of, name, Some(Uuid::now_v7()));
        creation.profile.create_time = now() - Duration::seconds(age);
        begin(f, &creation).await;
        left.push(creation);
    }
    f.add(&named("default", "d", State::Active)).await;
    let listed = f.store.creation_pending(now(), 10).await.unwrap();
    assert_eq!(listed, [left[1].clone(), left[2].clone(), left[0].clone()]);
    let older = now() - Duration::seconds(20);
    assert_eq!(f.store.creation_pending(older, 10).await.unwrap(), [left[1].clone()]);
    assert_eq!(f.store.creation_pending(now(), 2).await.unwrap(), listed[..2]);
}

pub(crate) async fn old_request_ids_are_forgotten(f: &Fixture) {
    let (done, half) = (Some(Uuid::now_v7()), Some(Uuid::now_v7()));
    let finished = creation("default", "ann", done);
    begin(f, &finished).await;
    finish(f, &finished.profile).await;
    let pending = creation("default", "bob", half);
    begin(f, &pending).await;

    f.store.creation_forget(now()).await.unwrap();
    assert!(matches!(
        begin(f, &creation("default", "ann", done)).await,
        Begin::Repeated(_)
    ));
    f.store.creation_forget(after(1)).await.unwrap();
    assert_eq!(begin(f, &creation("default", "ann", done)).await, Begin::Made);
    assert_eq!(
        begin(f, &creation("default", "bob", half)).await,
        repeated(&pending.profile),
        "a pending one is still needed"
    );
    assert!(f.find(&finished.profile).await.is_some(), "the user stays");
}
