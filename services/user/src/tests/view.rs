//! What is shown of a user, and profiles that come by themselves.

use logicore::{
    Reason,
    ids::TenantId,
    settings::{DEMO_ADMIN_ID, DEMO_USER_ID, DemoPlan},
};

use super::{
    World, actor,
    book::{Ask, Fault},
};
use crate::domain::{Fields, State};

#[tokio::test]
async fn email_and_roles_are_what_auth_says_now() {
    let world = World::new().await;
    let id = world.made("ann").await.profile.id;
    world.book.change(id, |entry| {
        entry.email = "ann@new.example".to_owned();
        entry.roles = vec!["editor".to_owned(), "user".to_owned()];
    });
    let shown = world.users.get(&actor("default"), id).await.unwrap().account.unwrap();
    assert_eq!((shown.email.as_str(), shown.roles.len()), ("ann@new.example", 2));
    let listed = world.listed().await.remove(0).account.unwrap();
    assert_eq!(listed, shown);
}

#[tokio::test]
async fn a_profile_is_shown_without_email_while_auth_is_away() {
    let world = World::new().await;
    let ann = world.made("ann").await;
    world.book.away(true);
    let shown = world.users.get(&actor("default"), ann.profile.id).await.unwrap();
    assert_eq!((shown.profile, shown.account), (ann.profile, None));
    let listed = world.listed().await;
    assert_eq!((listed.len(), listed[0].account.as_ref()), (1, None));
}

#[tokio::test]
async fn a_profile_does_not_wait_for_a_slow_auth() {
    let world = World::new().await;
    let ann = world.made("ann").await;
    world.book.fails(Ask::Batch, Fault::Never);
    let shown = world.users.get(&actor("default"), ann.profile.id).await.unwrap();
    assert_eq!((shown.profile, shown.account), (ann.profile, None));
}

#[tokio::test]
async fn a_list_of_nobody_asks_auth_nothing() {
    let world = World::new().await;
    assert!(world.listed().await.is_empty());
    assert_eq!(world.book.asked(Ask::Batch), 0);
}

#[tokio::test]
async fn an_account_without_a_profile_gets_an_empty_one_once() {
    let world = World::new().await;
    let id = world.book.add("default", "admin@example.com");
    let me = actor("default");
    let (one, two) = tokio::join!(world.users.get(&me, id), world.users.get(&me, id));
    let shown = one.unwrap();
    assert_eq!(shown.profile, two.unwrap().profile);
    assert_eq!(shown.profile.fields, Fields::default());
    assert_eq!(shown.account.unwrap().email, "admin@example.com");
    let events = world.audited().await;
    assert_eq!((events.len(), events[0].action.as_str()), (1, "user.create"));
    assert_eq!(events[0].actor, "", "the system made it");
    assert!(format!("{:?}", events[0].details).contains("account"));
}

#[tokio::test]
async fn an_account_of_another_tenant_makes_no_profile() {
    let world = World::new().await;
    let id = world.book.add("acme", "admin@example.com");
    let error = world.users.get(&actor("default"), id).await.unwrap_err();
    assert_eq!(error.reason(), Reason::ResourceNotFound);
    assert!(world.fixture.store.profile_none().await.unwrap());
}

#[tokio::test]
async fn whether_an_unknown_user_is_there_is_not_known_without_auth() {
    let world = World::new().await;
    let id = world.book.add("default", "admin@example.com");
    world.book.away(true);
    let error = world.users.get(&actor("default"), id).await.unwrap_err();
    assert_eq!(error.reason(), Reason::UpstreamUnavailable);
}

#[tokio::test]
async fn demo_profiles_are_made_in_an_empty_store_once() {
    let world = World::new().await;
    for _ in 0..2 {
        world.users.make_demo_profiles(DemoPlan::Create).await.unwrap();
    }
    let store = &world.fixture.store;
    for (id, name) in [(DEMO_USER_ID, "Demo User"), (DEMO_ADMIN_ID, "Demo Admin")] {
        let profile = store.profile_find(&TenantId::default(), id).await.unwrap().unwrap();
        assert_eq!(
            (profile.fields.display_name.as_str(), profile.state),
            (name, State::Active)
        );
    }
    let events = world.audited().await;
    assert_eq!(events.len(), 2);
    assert!(events.iter().all(|e| format!("{:?}", e.details).contains("demo")));
}

#[tokio::test]
async fn demo_profiles_are_made_by_their_plan_only() {
    for plan in [DemoPlan::Keep, DemoPlan::Disable] {
        let world = World::new().await;
        world.users.make_demo_profiles(plan).await.unwrap();
        assert!(world.fixture.store.profile_none().await.unwrap(), "{plan:?}");
    }
    let world = World::new().await;
    world.made("ann").await;
    world.users.make_demo_profiles(DemoPlan::Create).await.unwrap();
    assert_eq!(world.listed().await.len(), 1, "somebody is there already");
}
