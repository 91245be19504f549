//! Changing profiles.

use logicore::{Error, Reason, ids::UserId};

use super::{World, actor, field_of, named};
use crate::domain::{Fields, Mask, State, UpdateUser, User};

fn update(user: &User, paths: &[&str], fields: Fields) -> UpdateUser {
    let paths: Vec<_> = paths.iter().map(|p| (*p).to_owned()).collect();
    UpdateUser {
        id: user.profile.id,
        mask: Mask::read(&paths, &fields).unwrap(),
        fields,
        etag: String::new(),
        email: String::new(),
    }
}

impl World {
    async fn update(&self, update: &UpdateUser) -> Result<User, Error> {
        self.users.update(&actor("default"), update).await
    }
}

fn full() -> Fields {
    Fields {
        display_name: "Ann B".to_owned(),
        given_name: "Ann".to_owned(),
        family_name: "B".to_owned(),
        phone: "+4930123456".to_owned(),
        locale: "de-CH".to_owned(),
        labels: [("team".to_owned(), "blue".to_owned())].into(),
    }
}

#[tokio::test]
async fn a_mask_changes_what_it_names() {
    let world = World::new().await;
    let ann = world.made("ann").await;
    let changed = world.update(&update(&ann, &["phone", "labels"], full())).await.unwrap();
    let wanted = Fields {
        phone: full().phone,
        labels: full().labels,
        ..named("ann")
    };
    assert_eq!(changed.profile.fields, wanted);
    assert_eq!(changed.account.unwrap().email, "ann@example.com");
    let event = world.audited().await.pop().unwrap();
    assert_eq!(
        (event.action.as_str(), event.actor),
        ("user.update", actor("default").subject.unwrap().to_string())
    );
    let details = format!("{:?}", event.details);
    assert!(details.contains("phone") && details.contains("labels") && !details.contains("display_name"));
    assert!(!details.contains("+4930123456"), "names of fields, never their values");
}

#[tokio::test]
async fn a_star_takes_empty_values_too() {
    let world = World::new().await;
    let ann = world.made("ann").await;
    world.update(&update(&ann, &["*"], full())).await.unwrap();
    let emptied = world.update(&update(&ann, &["*"], Fields::default())).await.unwrap();
    assert_eq!(emptied.profile.fields, Fields::default());
}

#[tokio::test]
async fn without_a_mask_what_is_set_is_written() {
    let world = World::new().await;
    let ann = world.made("ann").await;
    let german = Fields {
        locale: "de".to_owned(),
        ..Fields::default()
    };
    let changed = world.update(&update(&ann, &[], german)).await.unwrap();
    assert_eq!(changed.profile.fields.display_name, "ann");
    assert_eq!(changed.profile.fields.locale, "de");
}

#[tokio::test]
async fn what_changes_nothing_leaves_no_trace() {
    let world = World::new().await;
    let ann = world.made("ann").await;
    world.clock.advance(std::time::Duration::from_secs(1));
    let same = world.update(&update(&ann, &["*"], named("ann"))).await.unwrap();
    assert_eq!(same.profile, ann.profile);
    assert_eq!(world.recorded().await.len(), 1, "the creation alone");
}

#[tokio::test]
async fn only_the_current_etag_is_taken() {
    let world = World::new().await;
    let ann = world.made("ann").await;
    let with = |etag: String, name: &str| UpdateUser {
        etag,
        ..update(&ann, &["display_name"], named(name))
    };
    let changed = world.update(&with(ann.profile.etag(), "one")).await.unwrap();
    assert_ne!(changed.profile.etag(), ann.profile.etag());
    for etag in [ann.profile.etag(), "r99".to_owned(), "x".to_owned()] {
        let error = world.update(&with(etag, "two")).await.unwrap_err();
        assert_eq!(error.reason(), Reason::EtagMismatch);
    }
    let error = world.update(&with(ann.profile.etag(), "one")).await.unwrap_err();
    assert_eq!(error.reason(), Reason::EtagMismatch, "even where nothing would change");
    assert_eq!(
        world
            .users
            .get(&actor("default"), ann.profile.id)
            .await
            .unwrap()
            .profile,
        changed.profile
    );
}

#[tokio::test]
async fn changes_at_once_are_all_there_afterwards() {
    let world = World::new().await;
    let ann = world.made("ann").await;
    let paths = ["given_name", "family_name", "phone", "locale"];
    let updates = paths.map(|path| update(&ann, &[path], full()));
    let done = futures_util::future::join_all(updates.iter().map(|u| world.update(u))).await;
    assert!(done.iter().all(Result::is_ok));
    let now = world
        .users
        .get(&actor("default"), ann.profile.id)
        .await
        .unwrap()
        .profile;
    let wanted = Fields {
        display_name: "ann".to_owned(),
        labels: Fields::default().labels,
        ..full()
    };
    assert_eq!((now.fields, now.revision), (wanted, ann.profile.revision + 4));
    assert_eq!(world.recorded().await.len(), 5);
}

#[tokio::test]
async fn of_changes_to_one_etag_one_wins() {
    let world = World::new().await;
    let ann = world.made("ann").await;
    let updates = ["x", "y", "z"].map(|name| UpdateUser {
        etag: ann.profile.etag(),
        ..update(&ann, &["display_name"], named(name))
    });
    let done = futures_util::future::join_all(updates.iter().map(|u| world.update(u))).await;
    assert_eq!(done.iter().filter(|d| d.is_ok()).count(), 1);
    let lost = done.into_iter().filter_map(Result::err);
    assert!(lost.into_iter().all(|e| e.reason() == Reason::EtagMismatch));
}

#[tokio::test]
async fn a_profile_that_is_sent_back_whole_may_carry_its_email() {
    let world = World::new().await;
    let ann = world.made("ann").await;
    let with = |paths: &[&str], email: &str| UpdateUser {
        email: email.to_owned(),
        ..update(&ann, paths, full())
    };
    for paths in [&[][..], &["*"]] {
        world.update(&with(paths, "ANN@example.com")).await.unwrap();
        let error = world.update(&with(paths, "bob@example.com")).await.unwrap_err();
        assert_eq!(field_of(&error), "user.email");
    }
    let changed = world.update(&with(&["phone"], "bob@example.com")).await;
    assert!(changed.is_ok(), "a mask that does not name it leaves it alone");
}

#[tokio::test]
async fn what_is_not_there_is_not_found_whatever_is_sent() {
    let world = World::new().await;
    let elsewhere = world
        .users
        .create(&actor("acme"), super::request("eve@example.com", None))
        .await
        .unwrap();
    let mut unknown = elsewhere.user.clone();
    unknown.profile.id = UserId::generate();
    for user in [&elsewhere.user, &unknown] {
        for email in ["", "eve@example.com", "bob@example.com"] {
            let update = UpdateUser {
                email: email.to_owned(),
                ..update(user, &["*"], full())
            };
            let error = world.update(&update).await.unwrap_err();
            assert_eq!(error.reason(), Reason::ResourceNotFound, "{email}");
        }
    }
    let untouched = world
        .users
        .get(&actor("acme"), elsewhere.user.profile.id)
        .await
        .unwrap();
    assert_eq!(untouched.profile, elsewhere.user.profile);
}

#[tokio::test]
async fn a_deleted_user_is_not_changed() {
    let world = World::new().await;
    let ann = world.made("ann").await;
    let deleted = world.users.delete(&actor("default"), ann.profile.id, "").await.unwrap();
    let error = world.update(&update(&ann, &["*"], full())).await.unwrap_err();
    assert_eq!(error.reason(), Reason::StateForbids);
    assert_eq!(deleted.profile.state, State::Deleted);
    assert_eq!(world.recorded().await.len(), 2);
}

#[tokio::test]
async fn wrong_values_are_named_and_change_nothing() {
    let world = World::new().await;
    let ann = world.made("ann").await;
    let wrong = Fields {
        phone: "12".to_owned(),
        locale: "?".to_owned(),
        ..full()
    };
    let error = world.update(&update(&ann, &["*"], wrong.clone())).await.unwrap_err();
    let fields: Vec<_> = error.violations().iter().map(|(f, _)| f.as_str()).collect();
    assert_eq!(fields, ["user.phone", "user.locale"]);
    let changed = world.update(&update(&ann, &["given_name"], wrong)).await.unwrap();
    assert_eq!(
        changed.profile.fields.phone, "",
        "what the mask leaves out is not looked at"
    );
}
