//! Claims about single profiles.

use chrono::Duration;
use futures_util::future::join_all;

use super::{Fixture, after, named, now, record, tenant};
use crate::domain::{Fields, Profile, State};

fn full(of: &str) -> Profile {
    Profile {
        fields: Fields {
            display_name: "Zoë Ångström \"Z\" 'é' \\ %_".to_owned(),
            given_name: "Zoë".to_owned(),
            family_name: "Ångström".to_owned(),
            phone: "+4930123456".to_owned(),
            locale: "de-CH".to_owned(),
            labels: [
                ("team".to_owned(), "größe".to_owned()),
                ("empty".to_owned(), String::new()),
            ]
            .into(),
        },
        create_time: now() + Duration::microseconds(1),
        update_time: now() + Duration::milliseconds(20),
        revision: 7,
        ..named(of, "", State::Active)
    }
}

pub(crate) async fn a_profile_is_kept_as_it_was_added(f: &Fixture) {
    let profile = full("default");
    f.store
        .profile_add(&profile, Some(&record(&profile, "user.create")))
        .await
        .unwrap();
    assert_eq!(f.find(&profile).await.as_ref(), Some(&profile));
    let recorded = f.backend.audited().await;
    assert_eq!(recorded.len(), 1);
    assert_eq!(
        (recorded[0].tenant.as_str(), recorded[0].target.as_str()),
        ("default", &*format!("user/{}", profile.id))
    );
    let restarted = f.backend.reopened().await;
    assert_eq!(restarted.find(&profile).await, Some(profile));
}

pub(crate) async fn a_profile_of_another_tenant_is_not_there(f: &Fixture) {
    let profile = full("acme");
    f.add(&profile).await;
    let seen = f.store.profile_find(&tenant("default"), profile.id).await.unwrap();
    assert_eq!(seen, None);
}

pub(crate) async fn an_id_that_is_taken_stays_as_it_is(f: &Fixture) {
    let profile = full("default");
    f.add(&profile).await;
    for of in ["default", "acme"] {
        let other = Profile {
            id: profile.id,
            ..named(of, "usurper", State::Active)
        };
        let audit = record(&other, "user.create");
        f.store.profile_add(&other, Some(&audit)).await.unwrap();
        assert_eq!(f.find(&profile).await.as_ref(), Some(&profile));
    }
    assert_eq!(f.store.profile_find(&tenant("acme"), profile.id).await.unwrap(), None);
    assert!(f.backend.audited().await.is_empty());
}

pub(crate) async fn a_profile_is_replaced_at_its_revision_only(f: &Fixture) {
    let old = full("default");
    f.add(&old).await;
    let new = Profile {
        fields: Fields::default(),
        ..old.changed(after(9))
    };
    let audit = record(&old, "user.update");
    for revision in [old.revision - 1, new.revision] {
        assert!(!f.store.profile_replace(&new, revision, &audit).await.unwrap());
    }
    assert_eq!(f.find(&old).await.as_ref(), Some(&old));
    assert!(f.backend.audited().await.is_empty());

    assert!(f.store.profile_replace(&new, old.revision, &audit).await.unwrap());
    assert_eq!(f.find(&old).await, Some(new));
    assert_eq!(f.actions().await, ["user.update"]);
}

pub(crate) async fn a_profile_of_another_tenant_is_not_replaced(f: &Fixture) {
    let old = full("acme");
    f.add(&old).await;
    let moved = Profile {
        tenant: tenant("default"),
        ..old.changed(after(9))
    };
    let audit = record(&moved, "user.update");
    assert!(!f.store.profile_replace(&moved, old.revision, &audit).await.unwrap());
    assert_eq!(f.find(&old).await, Some(old));
}

pub(crate) async fn of_changes_at_once_one_wins(f: &Fixture) {
    let old = full("default");
    f.add(&old).await;
    let audit = record(&old, "user.update");
    let changes: Vec<_> = (0..10).map(|n| old.changed(after(n))).collect();
    let replaced = join_all(
        changes
            .iter()
            .map(|new| f.store.profile_replace(new, old.revision, &audit)),
    )
    .await;
    let won: Vec<_> = replaced
        .into_iter()
        .zip(&changes)
        .filter_map(|(won, new)| won.unwrap().then_some(new.clone()))
        .collect();
    assert_eq!(won.len(), 1);
    assert_eq!(f.find(&old).await.as_ref(), won.first());
    assert_eq!(f.actions().await.len(), 1);
}

pub(crate) async fn the_first_profile_of_any_tenant_ends_the_emptiness(f: &Fixture) {
    assert!(f.store.profile_none().await.unwrap());
    f.add(&named("acme", "ann", State::Deleted)).await;
    assert!(!f.store.profile_none().await.unwrap());
}

pub(crate) async fn a_deleted_profile_is_kept_whole(f: &Fixture) {
    let old = full("default");
    f.add(&old).await;
    let deleted = Profile {
        state: State::Deleted,
        delete_time: Some(after(9)),
        ..old.changed(after(9))
    };
    let audit = record(&old, "user.delete");
    assert!(f.store.profile_replace(&deleted, old.revision, &audit).await.unwrap());
    assert_eq!(f.find(&old).await.as_ref(), Some(&deleted));
    let back = Profile {
        state: State::Active,
        delete_time: None,
        ..deleted.changed(after(10))
    };
    assert!(f.store.profile_replace(&back, deleted.revision, &audit).await.unwrap());
    assert_eq!(f.find(&old).await, Some(back));
}
