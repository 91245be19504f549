//! Deleting users and bringing them back.

use logicore::{Reason, ids::UserId};

use super::{
    World, actor,
    book::{Ask, Fault},
    named, request, success,
};
use crate::domain::{Fields, Mask, State, UpdateUser};

fn deleted() -> Vec<(String, String)> {
    vec![success("user.create"), success("user.delete")]
}

#[tokio::test]
async fn a_deleted_user_cannot_sign_in_and_can_be_brought_back() {
    let world = World::new().await;
    let ann = world.made("ann").await;
    let id = ann.profile.id;
    world.clock.advance(std::time::Duration::from_secs(5));
    let gone = world
        .users
        .delete(&actor("default"), id, &ann.profile.etag())
        .await
        .unwrap();
    assert_eq!(gone.profile.state, State::Deleted);
    assert_eq!(gone.profile.delete_time, Some(world.clock.now()));
    assert!(world.book.entry(id).unwrap().disabled);
    assert_eq!(world.recorded().await, deleted());

    let back = world.users.undelete(&actor("default"), id).await.unwrap();
    assert_eq!((back.profile.state, back.profile.delete_time), (State::Active, None));
    assert_eq!(back.profile.fields, ann.profile.fields);
    assert!(!world.book.entry(id).unwrap().disabled);
    assert_eq!(world.recorded().await[2..], [success("user.undelete")]);
}

#[tokio::test]
async fn the_account_is_disabled_before_the_user_is_shown_as_deleted() {
    let world = World::new().await;
    let id = world.made("ann").await.profile.id;
    for (fault, disabled) in [(Fault::Away, false), (Fault::Lost, true)] {
        world.book.fails(Ask::SetDisabled, fault);
        let error = world.users.delete(&actor("default"), id, "").await.unwrap_err();
        assert_eq!(error.reason(), Reason::UpstreamUnavailable);
        assert_eq!(world.state(id).await, Some(State::Active));
        assert_eq!(world.book.entry(id).unwrap().disabled, disabled);
    }
    world
        .book
        .fails(Ask::SetDisabled, Fault::Then(Box::pin(world.closing())));
    world.users.delete(&actor("default"), id, "").await.unwrap_err();
    let world = world.restarted().await;
    assert_eq!(world.state(id).await, Some(State::Active));

    let gone = world.users.delete(&actor("default"), id, "").await.unwrap();
    assert_eq!(gone.profile.state, State::Deleted, "the same call goes on");
    assert_eq!(world.recorded().await, deleted());
}

#[tokio::test]
async fn the_account_is_enabled_before_the_user_is_shown_as_back() {
    let world = World::new().await;
    let id = world.made("ann").await.profile.id;
    world.users.delete(&actor("default"), id, "").await.unwrap();
    for fault in [Fault::Away, Fault::Lost] {
        world.book.fails(Ask::SetDisabled, fault);
        let error = world.users.undelete(&actor("default"), id).await.unwrap_err();
        assert_eq!(error.reason(), Reason::UpstreamUnavailable);
        assert_eq!(world.state(id).await, Some(State::Deleted));
    }
    world.users.undelete(&actor("default"), id).await.unwrap();
    assert_eq!(world.state(id).await, Some(State::Active));
    assert!(!world.book.entry(id).unwrap().disabled);
}

#[tokio::test]
async fn another_etag_keeps_the_account() {
    let world = World::new().await;
    let id = world.made("ann").await.profile.id;
    let error = world.users.delete(&actor("default"), id, "r99").await.unwrap_err();
    assert_eq!(error.reason(), Reason::EtagMismatch);
    assert_eq!(world.state(id).await, Some(State::Active));
    assert_eq!(world.book.asked(Ask::SetDisabled), 0);
}

#[tokio::test]
async fn a_deletion_whose_answer_was_lost_can_be_repeated() {
    let world = World::new().await;
    let ann = world.made("ann").await;
    let (id, etag) = (ann.profile.id, ann.profile.etag());
    let gone = world.users.delete(&actor("default"), id, &etag).await.unwrap();
    for again in [&etag, &gone.profile.etag(), ""] {
        let again = world.users.delete(&actor("default"), id, again).await.unwrap();
        assert_eq!(again.profile, gone.profile);
    }
    for other in ["r1", "r99", "x"] {
        let error = world.users.delete(&actor("default"), id, other).await.unwrap_err();
        assert_eq!(error.reason(), Reason::EtagMismatch, "{other}");
    }
    assert_eq!(world.recorded().await, deleted(), "one deletion, one record");
    assert_eq!(world.book.asked(Ask::SetDisabled), 1);
}

#[tokio::test]
async fn a_change_in_between_does_not_keep_a_disabled_user() {
    let world = World::new().await;
    let ann = world.made("ann").await;
    let (users, id) = (world.users.clone(), ann.profile.id);
    let meanwhile = async move {
        let fields = named("Ann B");
        let update = UpdateUser {
            id,
            mask: Mask::read(&[], &fields).unwrap(),
            fields,
            etag: String::new(),
            email: String::new(),
        };
        users.update(&actor("default"), &update).await.unwrap();
    };
    world.book.fails(Ask::SetDisabled, Fault::Then(Box::pin(meanwhile)));
    let gone = world
        .users
        .delete(&actor("default"), id, &ann.profile.etag())
        .await
        .unwrap();
    assert_eq!(
        (gone.profile.state, gone.profile.fields),
        (State::Deleted, named("Ann B"))
    );
}

#[tokio::test]
async fn a_user_that_is_still_being_made_is_not_deleted() {
    let world = World::new().await;
    world.book.fails(Ask::Provision, Fault::Away);
    world.create("ann@example.com", None).await.unwrap_err();
    let id = world.listed().await[0].profile.id;
    let delete = world.users.delete(&actor("default"), id, "").await.unwrap_err();
    let undelete = world.users.undelete(&actor("default"), id).await.unwrap_err();
    assert_eq!(
        (delete.reason(), undelete.reason()),
        (Reason::StateForbids, Reason::StateForbids)
    );
    assert_eq!(world.book.asked(Ask::SetDisabled), 0);
}

#[tokio::test]
async fn a_user_whose_account_is_gone_can_be_deleted_and_not_brought_back() {
    let world = World::new().await;
    let id = world.made("ann").await.profile.id;
    world.book.remove(id);
    world.users.delete(&actor("default"), id, "").await.unwrap();
    let error = world.users.undelete(&actor("default"), id).await.unwrap_err();
    assert_eq!(error.reason(), Reason::StateForbids);
    assert_eq!(world.state(id).await, Some(State::Deleted));
}

#[tokio::test]
async fn whoever_is_there_is_not_brought_back() {
    let world = World::new().await;
    let ann = world.made("ann").await;
    world.book.change(ann.profile.id, |entry| entry.disabled = true);
    let same = world.users.undelete(&actor("default"), ann.profile.id).await.unwrap();
    assert_eq!(same.profile, ann.profile);
    assert!(
        world.book.entry(ann.profile.id).unwrap().disabled,
        "disabled for another reason"
    );
    assert_eq!(world.recorded().await, [success("user.create")]);
}

#[tokio::test]
async fn users_of_other_tenants_are_not_found() {
    let world = World::new().await;
    let made = world
        .users
        .create(&actor("acme"), request("eve@example.com", None))
        .await
        .unwrap();
    for id in [made.user.profile.id, UserId::generate()] {
        let me = actor("default");
        let errors = [
            world.users.get(&me, id).await.unwrap_err(),
            world.users.delete(&me, id, "").await.unwrap_err(),
            world.users.undelete(&me, id).await.unwrap_err(),
        ];
        assert!(
            errors.iter().all(|e| e.reason() == Reason::ResourceNotFound),
            "{errors:?}"
        );
    }
    assert_eq!(world.book.asked(Ask::SetDisabled), 0);
    let untouched = world.users.get(&actor("acme"), made.user.profile.id).await.unwrap();
    assert_eq!(untouched.profile, made.user.profile);
    assert_eq!(untouched.profile.fields, Fields::default());
}

#[tokio::test]
async fn calls_about_one_user_take_turns() {
    let world = World::new().await;
    let id = world.made("ann").await.profile.id;
    let (gate, opened) = tokio::sync::oneshot::channel::<()>();
    let (begun, begins) = tokio::sync::oneshot::channel();
    let slow = async move {
        begun.send(()).unwrap();
        opened.await.unwrap();
    };
    world.book.fails(Ask::SetDisabled, Fault::Then(Box::pin(slow)));
    let (me, users) = (actor("default"), world.users.clone());
    let deletion = tokio::spawn(async move { users.delete(&actor("default"), id, "").await });
    begins.await.unwrap();

    // It comes while the account is disabled and the profile not yet deleted, and must not take the user for whole.
    let mut back = Box::pin(world.users.undelete(&me, id));
    for _ in 0..1000 {
        assert!(futures_util::poll!(&mut back).is_pending());
        tokio::task::yield_now().await;
    }
    gate.send(()).unwrap();
    assert_eq!(deletion.await.unwrap().unwrap().profile.state, State::Deleted);
    assert_eq!(back.await.unwrap().profile.state, State::Active);
    assert!(!world.book.entry(id).unwrap().disabled);
    assert_eq!(
        world.recorded().await[1..],
        [success("user.delete"), success("user.undelete")]
    );
}

#[tokio::test]
async fn a_call_that_is_given_up_gives_its_turn_back() {
    let world = World::new().await;
    let id = world.made("ann").await.profile.id;
    let me = actor("default");
    world.book.fails(Ask::SetDisabled, Fault::HangsAfter);
    world.book.dropped_where_it_hangs(world.users.delete(&me, id, "")).await;
    assert_eq!(world.state(id).await, Some(State::Active));
    assert_eq!(
        world.users.delete(&me, id, "").await.unwrap().profile.state,
        State::Deleted
    );
}
