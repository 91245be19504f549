//! Making users.

use logicore::{Error, Reason};
use uuid::Uuid;

use super::{
    World, actor,
    book::{Ask, Fault},
    field_of, named, request, success,
};
use crate::domain::{CreateUser, State};

const DAY: std::time::Duration = std::time::Duration::from_secs(24 * 3600 + 1);

fn refused(world: &World, reason: Reason) {
    world.book.fails(Ask::Provision, Fault::Answers(reason));
}

#[tokio::test]
async fn a_user_is_active_once_its_account_is_there() {
    let world = World::new().await;
    let create = CreateUser {
        fields: named("Ann"),
        ..request("Ann@Example.com", None)
    };
    let made = world.users.create(&actor("default"), create).await.unwrap();
    let profile = &made.user.profile;
    assert_eq!((profile.state, profile.fields.clone()), (State::Active, named("Ann")));
    let account = made.user.account.unwrap();
    assert_eq!((account.id, account.email.as_str()), (profile.id, "ann@example.com"));

    let entry = world.book.entry(profile.id).unwrap();
    assert_eq!(made.code.unwrap().code.expose(), entry.code.unwrap());
    assert_eq!(entry.by, actor("default"), "auth learns on whose behalf");
    let event = world.audited().await.remove(0);
    assert_eq!(
        (event.actor, event.session, event.request_id, event.address),
        (
            actor("default").subject.unwrap().to_string(),
            "s-1".to_owned(),
            "r-1".to_owned(),
            "192.0.2.7".to_owned()
        )
    );
    assert_eq!(event.target, format!("user/{}", profile.id));
    assert_eq!(world.recorded().await, [success("user.create")]);
}

#[tokio::test]
async fn a_repeated_request_id_gives_the_same_user_and_a_new_code() {
    let world = World::new().await;
    let create = request("ann@example.com", Some(Uuid::now_v7()));
    let first = world.users.create(&actor("default"), create.clone()).await.unwrap();
    let other_case = CreateUser {
        email: "ANN@example.com".to_owned(),
        ..create
    };
    let second = world.users.create(&actor("default"), other_case).await.unwrap();
    assert_eq!(first.user.profile, second.user.profile);
    let (first, second) = (first.code.unwrap().code, second.code.unwrap().code);
    assert_ne!(first.expose(), second.expose());
    assert_eq!(world.recorded().await, [success("user.create")], "one user, one record");
}

#[tokio::test]
async fn a_request_id_stands_for_one_body() {
    let world = World::new().await;
    let create = request("ann@example.com", Some(Uuid::now_v7()));
    world.users.create(&actor("default"), create.clone()).await.unwrap();
    let others = [
        CreateUser {
            email: "bob@example.com".to_owned(),
            ..create.clone()
        },
        CreateUser {
            fields: named("Bob"),
            ..create
        },
    ];
    for other in others {
        let error = world.users.create(&actor("default"), other).await.unwrap_err();
        assert_eq!((error.reason(), field_of(&error)), (Reason::InvalidField, "request_id"));
    }
    assert_eq!((world.listed().await.len(), world.book.len()), (1, 1));
}

#[tokio::test]
async fn tenants_do_not_meet_in_a_request_id_or_an_email() {
    let world = World::new().await;
    let create = request("ann@example.com", Some(Uuid::now_v7()));
    let here = world.users.create(&actor("default"), create.clone()).await.unwrap();
    let there = world.users.create(&actor("acme"), create).await.unwrap();
    assert_ne!(here.user.profile.id, there.user.profile.id);
    assert_eq!(there.user.profile.tenant.as_str(), "acme");
}

#[tokio::test]
async fn a_request_id_is_forgotten_after_a_day() {
    let world = World::new().await;
    let request_id = Some(Uuid::now_v7());
    let first = world.create("ann@example.com", request_id).await.unwrap();
    world.users.sweep().await.unwrap();
    let error = world.create("bob@example.com", request_id).await.unwrap_err();
    assert_eq!(field_of(&error), "request_id");
    world.clock.advance(DAY);
    world.users.sweep().await.unwrap();
    let second = world.create("bob@example.com", request_id).await.unwrap();
    assert_ne!(first.user.profile.id, second.user.profile.id);
}

#[tokio::test]
async fn whoever_has_a_password_gets_no_code() {
    let world = World::new().await;
    let create = request("ann@example.com", Some(Uuid::now_v7()));
    let first = world.users.create(&actor("default"), create.clone()).await.unwrap();
    world.book.change(first.user.profile.id, |entry| entry.password = true);
    let again = world.users.create(&actor("default"), create).await.unwrap();
    assert_eq!(again.user.profile.id, first.user.profile.id);
    assert!(again.code.is_none());
}

#[tokio::test]
async fn the_request_id_of_a_deleted_user_is_refused() {
    let world = World::new().await;
    let create = request("ann@example.com", Some(Uuid::now_v7()));
    let made = world.users.create(&actor("default"), create.clone()).await.unwrap();
    world
        .users
        .delete(&actor("default"), made.user.profile.id, "")
        .await
        .unwrap();
    let error = world.users.create(&actor("default"), create).await.unwrap_err();
    assert_eq!(error.reason(), Reason::StateForbids);
    assert_eq!(world.book.asked(Ask::Provision), 1, "no code for a deleted user");
}

#[tokio::test]
async fn what_auth_refuses_leaves_nothing() {
    let world = World::new().await;
    for reason in [
        Reason::ResourceExists,
        Reason::InvalidField,
        Reason::StateForbids,
        Reason::PeerNotAllowed,
    ] {
        refused(&world, reason);
        let request_id = Some(Uuid::now_v7());
        let error = world.create("ann@example.com", request_id).await.unwrap_err();
        assert_eq!(error.reason(), reason);
        assert!(world.listed().await.is_empty(), "{reason:?}");
        assert!(world.fixture.backend.emails().await.is_empty(), "{reason:?}");
    }
    assert!(world.recorded().await.is_empty());
}

#[tokio::test]
async fn a_refused_request_id_is_free_again() {
    let world = World::new().await;
    let request_id = Some(Uuid::now_v7());
    refused(&world, Reason::ResourceExists);
    world.create("ann@example.com", request_id).await.unwrap_err();
    world.create("bob@example.com", request_id).await.unwrap();
}

#[tokio::test]
async fn an_email_is_one_users() {
    let world = World::new().await;
    let ann = world.made("ann").await;
    let error = world.create("ANN@example.com", None).await.unwrap_err();
    assert_eq!(error.reason(), Reason::ResourceExists);
    let listed = world.listed().await;
    assert_eq!((listed.len(), listed[0].profile.id), (1, ann.profile.id));
}

#[tokio::test]
async fn while_auth_is_away_nobody_becomes_active() {
    let world = World::new().await;
    let request_id = Some(Uuid::now_v7());
    world.book.away(true);
    let error = world.create("ann@example.com", request_id).await.unwrap_err();
    assert_eq!(error.reason(), Reason::UpstreamUnavailable);
    let listed = world.listed().await;
    assert_eq!((listed.len(), listed[0].profile.state), (1, State::Pending));
    assert!(world.recorded().await.is_empty());

    world.book.away(false);
    let made = world.create("ann@example.com", request_id).await.unwrap();
    assert_eq!(made.user.profile.id, listed[0].profile.id, "the same call goes on");
    assert_eq!(world.listed().await[0].profile.state, State::Active);
}

#[tokio::test]
async fn one_call_made_twice_at_once_makes_one_user() {
    let world = World::new().await;
    let request_id = Some(Uuid::now_v7());
    let (one, two) = tokio::join!(
        world.create("ann@example.com", request_id),
        world.create("ann@example.com", request_id)
    );
    assert_eq!(one.unwrap().user.profile, two.unwrap().user.profile);
    assert_eq!((world.listed().await.len(), world.book.len()), (1, 1));
    assert_eq!(world.recorded().await, [success("user.create")]);
}

#[tokio::test]
async fn what_is_wrong_is_refused_before_anything_is_made() {
    let world = World::new().await;
    let mut wrong = request("nobody", None);
    wrong.fields.phone = "12".to_owned();
    let error: Error = world.users.create(&actor("default"), wrong).await.unwrap_err();
    let fields: Vec<_> = error.violations().iter().map(|(f, _)| f.as_str()).collect();
    assert_eq!(fields, ["user.email", "user.phone"]);
    assert!(world.listed().await.is_empty());
    assert_eq!(world.book.asked(Ask::Provision), 0);
}

#[tokio::test]
async fn a_user_that_is_removed_while_it_is_made_is_not_shown_as_made() {
    let world = World::new().await;
    let (store, of) = (world.fixture.store.clone(), actor("default").tenant);
    let aborted = async move {
        let left = store
            .creation_pending(crate::store::contract::now() + DAY, 1)
            .await
            .unwrap();
        store.creation_abort(&of, left[0].profile.id, None).await.unwrap();
    };
    world.book.fails(Ask::Provision, Fault::Then(Box::pin(aborted)));
    let error = world.create("ann@example.com", None).await.unwrap_err();
    assert_eq!(error.reason(), Reason::EtagMismatch);
    assert!(world.recorded().await.is_empty());
}
