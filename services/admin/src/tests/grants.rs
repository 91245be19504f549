//! Giving and taking roles.

use std::time::Duration;

use logicore::{Reason, ids::UserId};

use super::{
    World, admin,
    book::{Ask, Fault},
    caller, operator, reason, role_name, row,
};

#[tokio::test]
async fn a_role_is_given_and_taken_by_whoever_holds_what_it_holds() {
    let world = World::new().await;
    world.role("editor", &["users.update"]).await;
    let ann = world.book.add("default", &["user"]);
    let account = world
        .admin
        .role_grant(&admin(), ann, role_name("editor"))
        .await
        .unwrap();
    assert_eq!(account.roles, ["editor", "user"]);
    let account = world
        .admin
        .role_revoke(&admin(), ann, role_name("editor"))
        .await
        .unwrap();
    assert_eq!(account.roles, ["user"]);
    let recorded = world.recorded().await;
    assert_eq!(recorded.len(), 1, "what auth does auth records: {recorded:?}");
}

#[tokio::test]
async fn nobody_gives_or_takes_what_they_do_not_hold() {
    let world = World::new().await;
    world.role("granter", &["roles.grant", "users.read"]).await;
    world.role("viewer", &["users.read"]).await;
    world.role("editor", &["users.read", "users.update"]).await;
    let granter = caller("default", &["granter"]);
    let ann = world.book.add("default", &["admin", "operator", "editor"]);
    world
        .admin
        .role_grant(&granter, ann, role_name("viewer"))
        .await
        .unwrap();
    let asked = world.book.asked(Ask::Grant);
    for role in ["editor", "admin", "operator"] {
        let grant = world.admin.role_grant(&granter, ann, role_name(role)).await;
        assert_eq!(reason(grant), Reason::GrantExceedsOwn, "{role}");
        let denied = row("role.grant", &format!("user/{ann}"), "denied");
        assert_eq!(world.recorded().await.last(), Some(&denied), "{role}");
        let details = world.events("default").await.pop().unwrap().record.details;
        assert_eq!(details["role"], role, "the log says which role was tried");
        let revoke = world.admin.role_revoke(&granter, ann, role_name(role)).await;
        assert_eq!(reason(revoke), Reason::GrantExceedsOwn, "{role}");
        let denied = row("role.revoke", &format!("user/{ann}"), "denied");
        assert_eq!(world.recorded().await.last(), Some(&denied), "{role}");
    }
    assert_eq!(
        world.book.asked(Ask::Grant),
        asked,
        "auth hears of what is allowed only"
    );
    assert_eq!(world.book.roles(ann), ["admin", "editor", "operator", "viewer"]);
}

#[tokio::test]
async fn tenants_and_the_platform_are_two_powers() {
    let world = World::new().await;
    let ann = world.book.add("default", &[]);
    assert_eq!(
        reason(world.admin.role_grant(&admin(), ann, role_name("operator")).await),
        Reason::GrantExceedsOwn
    );
    assert_eq!(
        reason(world.admin.role_grant(&operator(), ann, role_name("admin")).await),
        Reason::GrantExceedsOwn
    );
    world
        .admin
        .role_grant(&operator(), ann, role_name("operator"))
        .await
        .unwrap();
    world.admin.role_grant(&admin(), ann, role_name("admin")).await.unwrap();
    world
        .admin
        .role_grant(&operator(), ann, role_name("user"))
        .await
        .unwrap();
    assert_eq!(world.book.roles(ann), ["admin", "operator", "user"]);
}

#[tokio::test]
async fn a_role_that_is_not_the_tenants_is_not_found() {
    let world = World::new().await;
    world.role("editor", &[]).await;
    let stranger = caller("acme", &["admin"]);
    let eve = world.book.add("acme", &[]);
    for (by, role) in [(&admin(), "nobody"), (&stranger, "editor")] {
        let grant = world.admin.role_grant(by, eve, role_name(role)).await;
        assert_eq!(reason(grant), Reason::ResourceNotFound, "{role}");
    }
    assert_eq!(world.book.asked(Ask::Grant), 0);
}

#[tokio::test]
async fn users_of_other_tenants_are_not_found() {
    let world = World::new().await;
    world.role("editor", &[]).await;
    let eve = world.book.add("acme", &["editor"]);
    for user in [eve, UserId::generate()] {
        for role in ["editor", "admin", "user"] {
            let grant = world.admin.role_grant(&admin(), user, role_name(role)).await;
            assert_eq!(reason(grant), Reason::ResourceNotFound);
            let revoke = world.admin.role_revoke(&admin(), user, role_name(role)).await;
            assert_eq!(reason(revoke), Reason::ResourceNotFound);
        }
    }
    assert_eq!(world.book.roles(eve), ["editor"]);
    world.admin.role_delete(&admin(), role_name("editor")).await.unwrap();
}

#[tokio::test]
async fn what_is_left_of_a_role_that_is_gone_can_be_taken() {
    let world = World::new().await;
    let ann = world.book.add("default", &["gone"]);
    world
        .admin
        .role_revoke(&caller("default", &[]), ann, role_name("gone"))
        .await
        .unwrap();
    assert!(world.book.roles(ann).is_empty());
}

#[tokio::test]
async fn what_auth_refuses_is_told_as_auth_says_it() {
    let world = World::new().await;
    let ann = world.book.add("default", &["admin"]);
    world.book.fails(Ask::Revoke, Fault::Answers(Reason::StateForbids));
    let last = world.admin.role_revoke(&admin(), ann, role_name("admin")).await;
    assert_eq!(reason(last), Reason::StateForbids, "the last admin keeps the role");
    assert_eq!(world.book.roles(ann), ["admin"]);
}

#[tokio::test]
async fn a_grant_that_is_known_to_have_failed_holds_nothing_up() {
    let world = World::new().await;
    for reason_of_auth in [Reason::ResourceNotFound, Reason::StateForbids, Reason::CircuitOpen] {
        world.role("editor", &[]).await;
        let ann = world.book.add("default", &[]);
        world.book.fails(Ask::Grant, Fault::Answers(reason_of_auth));
        world
            .admin
            .role_grant(&admin(), ann, role_name("editor"))
            .await
            .unwrap_err();
        world.admin.role_delete(&admin(), role_name("editor")).await.unwrap();
    }
}

#[tokio::test]
async fn a_grant_that_may_still_land_keeps_its_role_for_a_minute() {
    for (fault, lands) in [(Fault::Away, false), (Fault::Lost, true)] {
        let world = World::new().await;
        world.role("editor", &[]).await;
        let ann = world.book.add("default", &[]);
        world.book.fails(Ask::Grant, fault);
        world
            .admin
            .role_grant(&admin(), ann, role_name("editor"))
            .await
            .unwrap_err();
        world.clock.advance(Duration::from_secs(59));
        let early = world.admin.role_delete(&admin(), role_name("editor")).await;
        assert_eq!(reason(early), Reason::RoleInUse);
        assert_eq!(world.book.asked(Ask::Holders), 0, "a count now would say nothing");
        world.clock.advance(Duration::from_secs(1));
        let late = world.admin.role_delete(&admin(), role_name("editor")).await;
        assert_eq!(late.is_err(), lands, "what has landed is counted");
        assert_eq!(world.stored("editor").await.is_some(), lands);
    }
}
