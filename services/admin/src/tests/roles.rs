//! Making and changing roles.

use futures_util::future::join_all;
use logicore::{Error, Reason, ids::TenantId};
use serde_json::json;

use super::{World, admin, caller, draft, operator, reason, role_name, row};
use crate::{
    caller::Caller,
    feed::Fact,
    roles::{Draft, Patch, Role},
};

fn permissions(names: &[&str]) -> Patch {
    Patch {
        permissions: Some(names.iter().map(|p| (*p).to_owned()).collect()),
        ..Patch::default()
    }
}

fn description(text: &str) -> Patch {
    Patch {
        description: Some(text.to_owned()),
        ..Patch::default()
    }
}

/// Somebody who may make roles and read users, and nothing else.
fn manager() -> Caller {
    caller("default", &["manager"])
}

impl World {
    async fn with_manager() -> Self {
        let world = Self::new().await;
        world.role("manager", &["roles.manage", "users.read"]).await;
        world
    }

    async fn update(&self, by: &Caller, name: &str, patch: Patch) -> Result<Role, Error> {
        self.admin.role_update(by, role_name(name), patch).await
    }
}

#[tokio::test]
async fn a_role_is_made_told_and_recorded() {
    let world = World::new().await;
    let names = ["users.update", "users.read", "users.update"];
    let made = world
        .admin
        .role_create(&admin(), draft("editor", &names))
        .await
        .unwrap();
    assert_eq!(made.permissions, ["users.read", "users.update"]);
    assert_eq!((made.created, made.updated), (world.clock.now(), world.clock.now()));
    assert_eq!(world.stored("editor").await.as_ref(), Some(&made));
    assert_eq!(world.told(), Some(vec![Fact::Role(made)]));

    let event = world.events("default").await.remove(0);
    assert_eq!((event.producer.as_str(), event.sequence), ("admin", 1));
    let record = event.record;
    assert_eq!(
        (record.action.as_str(), record.target.as_str()),
        ("role.create", "role/editor")
    );
    assert_eq!(record.details["permissions"], json!(["users.read", "users.update"]));
    let principal = admin().principal;
    assert_eq!(
        (record.actor, record.session),
        (principal.subject.to_string(), principal.session.to_string())
    );
    assert_eq!(
        (record.request_id.as_str(), record.address.as_str()),
        ("r-1", "192.0.2.7")
    );
}

#[tokio::test]
async fn nobody_makes_a_role_of_what_they_do_not_hold() {
    let world = World::with_manager().await;
    world
        .admin
        .role_create(&manager(), draft("viewer", &["users.read"]))
        .await
        .unwrap();
    let before = world.fixture.published.all().len();
    let error = world
        .admin
        .role_create(
            &manager(),
            draft("remover", &["users.read", "users.delete", "roles.grant"]),
        )
        .await
        .unwrap_err();
    assert_eq!(error.reason(), Reason::GrantExceedsOwn);
    assert!(
        error.message().contains("roles.grant, users.delete"),
        "it says what is missing: {error}"
    );
    assert_eq!(world.stored("remover").await, None);
    assert_eq!(world.fixture.published.all().len(), before, "nobody is told");
    let last = world.events("default").await.pop().unwrap().record;
    assert_eq!((last.action.as_str(), last.outcome.as_str()), ("role.create", "denied"));
    assert_eq!(
        (last.target.as_str(), last.reason.as_str()),
        ("role/remover", "GRANT_EXCEEDS_OWN")
    );
}

#[tokio::test]
async fn nobody_widens_a_role_by_what_they_do_not_hold() {
    let world = World::with_manager().await;
    world.role("viewer", &["users.read"]).await;
    for name in ["viewer", "manager"] {
        let before = world.stored(name).await;
        let wider = permissions(&["roles.manage", "users.read", "users.delete"]);
        let answer = world.update(&manager(), name, wider).await;
        assert_eq!(
            reason(answer),
            Reason::GrantExceedsOwn,
            "{name}: one's own role is no exception"
        );
        assert_eq!(world.stored(name).await, before);
        let denied = row("role.update", &format!("role/{name}"), "denied");
        assert_eq!(world.recorded().await.last(), Some(&denied));
    }
}

#[tokio::test]
async fn what_is_there_already_need_not_be_held_to_be_kept() {
    let world = World::with_manager().await;
    world.role("remover", &["users.delete", "users.update"]).await;
    world
        .update(&manager(), "remover", description("of users"))
        .await
        .unwrap();
    let narrower = permissions(&["users.delete", "users.read"]);
    world.update(&manager(), "remover", narrower).await.unwrap();
    let back = permissions(&["users.delete", "users.read", "users.update"]);
    let answer = world.update(&manager(), "remover", back).await;
    assert_eq!(
        reason(answer),
        Reason::GrantExceedsOwn,
        "what was taken out cannot be put back"
    );
}

#[tokio::test]
async fn a_change_of_what_the_caller_holds_counts_at_once() {
    let world = World::with_manager().await;
    let wish = draft("remover", &["users.delete"]);
    assert_eq!(
        reason(world.admin.role_create(&manager(), wish.clone()).await),
        Reason::GrantExceedsOwn
    );
    let wider = permissions(&["roles.manage", "users.read", "users.delete"]);
    world.update(&admin(), "manager", wider).await.unwrap();
    world.admin.role_create(&manager(), wish).await.unwrap();
    world
        .update(&admin(), "manager", permissions(&["roles.manage"]))
        .await
        .unwrap();
    let answer = world
        .admin
        .role_create(&manager(), draft("another", &["users.delete"]))
        .await;
    assert_eq!(reason(answer), Reason::GrantExceedsOwn);
}

#[tokio::test]
async fn roles_that_are_gone_or_another_tenants_give_nothing() {
    let world = World::with_manager().await;
    let wish = draft("viewer", &["users.read"]);
    for stranger in [
        caller("default", &["gone"]),
        caller("acme", &["manager"]),
        caller("default", &[]),
        operator(),
    ] {
        let answer = world.admin.role_create(&stranger, wish.clone()).await;
        assert_eq!(
            reason(answer),
            Reason::GrantExceedsOwn,
            "{:?}",
            stranger.principal.roles
        );
    }
}

#[tokio::test]
async fn a_tenants_role_holds_permissions_of_a_tenant_only() {
    let world = World::new().await;
    let all = caller("default", &["admin", "operator"]);
    let wish = draft(
        "boss",
        &["users.read", "breakers.reset", "users.fly", "tokens.revoke_all"],
    );
    let error = world.admin.role_create(&all, wish).await.unwrap_err();
    assert_eq!(error.reason(), Reason::InvalidField);
    let problems: Vec<_> = error.violations().iter().map(|(f, p)| format!("{f}: {p}")).collect();
    assert_eq!(problems.len(), 3, "each is named: {problems:?}");
    world.role("boss", &["users.read"]).await;
    for name in [
        "breakers.read",
        "users.fly",
        "breakers.x.y",
        "",
        "USERS.READ",
        "shipments",
        "shipments.",
        ".read",
        "a.*",
    ] {
        let answer = world.update(&all, "boss", permissions(&["users.read", name])).await;
        assert_eq!(reason(answer), Reason::InvalidField, "{name}");
    }
    assert_eq!(world.stored("boss").await.unwrap().permissions, ["users.read"]);
}

#[tokio::test]
async fn built_in_roles_stay_as_they_are() {
    let world = World::new().await;
    let all = caller("default", &["admin", "operator"]);
    for name in ["admin", "operator", "user"] {
        let create = world.admin.role_create(&all, draft(name, &[])).await;
        assert_eq!(reason(create), Reason::ResourceExists, "{name}");
        let update = world.update(&all, name, description("mine")).await;
        assert_eq!(reason(update), Reason::BuiltIn, "{name}");
        let delete = world.admin.role_delete(&all, role_name(name)).await;
        assert_eq!(reason(delete), Reason::BuiltIn, "{name}");
    }
    assert!(world.recorded().await.is_empty());
}

#[tokio::test]
async fn a_name_is_one_roles_within_its_tenant() {
    let world = World::new().await;
    world.role("editor", &["users.update"]).await;
    let again = world
        .admin
        .role_create(&admin(), draft("editor", &["users.read"]))
        .await;
    assert_eq!(reason(again), Reason::ResourceExists);
    let elsewhere = caller("acme", &["admin"]);
    let theirs = world
        .admin
        .role_create(&elsewhere, draft("editor", &["users.read"]))
        .await
        .unwrap();
    assert_eq!(theirs.tenant, "acme".parse::<TenantId>().unwrap());
    assert_eq!(world.stored("editor").await.unwrap().permissions, ["users.update"]);
}

#[tokio::test]
async fn of_two_who_make_one_role_at_once_one_does() {
    let world = World::new().await;
    let maker = admin();
    let all = join_all((0..5).map(|_| world.admin.role_create(&maker, draft("editor", &[])))).await;
    assert_eq!(all.iter().filter(|made| made.is_ok()).count(), 1);
    assert_eq!(world.recorded().await.len(), 1);
}

#[tokio::test]
async fn an_update_says_what_it_changed() {
    let world = World::new().await;
    let old = world.role("editor", &["users.read", "users.update"]).await;
    world.clock.advance(std::time::Duration::from_secs(5));
    let patch = permissions(&["users.update", "users.create"]);
    let new = world.update(&admin(), "editor", patch).await.unwrap();
    assert_eq!(new.permissions, ["users.create", "users.update"]);
    assert_eq!((new.description.as_str(), new.created), ("made by a test", old.created));
    assert_eq!(new.updated, world.clock.now());
    assert_ne!(new.etag, old.etag);
    assert_eq!(world.told(), Some(vec![Fact::Role(new)]));
    let details = world.events("default").await.pop().unwrap().record.details;
    assert_eq!(
        (&details["added"], &details["removed"]),
        (&json!(["users.create"]), &json!(["users.read"]))
    );
}

#[tokio::test]
async fn what_changes_nothing_leaves_no_trace() {
    let world = World::new().await;
    let old = world.role("editor", &["users.read"]).await;
    let same = Patch {
        description: Some(old.description.clone()),
        ..permissions(&["users.read", "users.read"])
    };
    assert_eq!(world.update(&admin(), "editor", same).await.unwrap(), old);
    assert_eq!(
        (world.recorded().await.len(), world.fixture.published.all().len()),
        (1, 1)
    );
}

#[tokio::test]
async fn only_the_current_etag_is_taken() {
    let world = World::new().await;
    let old = world.role("editor", &[]).await;
    let with = |etag: &str, text: &str| Patch {
        etag: etag.to_owned(),
        ..description(text)
    };
    let new = world.update(&admin(), "editor", with(&old.etag, "one")).await.unwrap();
    assert_eq!(
        reason(world.update(&admin(), "editor", with(&old.etag, "two")).await),
        Reason::EtagMismatch
    );
    assert_eq!(
        reason(world.update(&admin(), "editor", with("x", "two")).await),
        Reason::EtagMismatch
    );
    let by = admin();
    let rivals = ["a", "b", "c"].map(|text| with(&new.etag, text));
    let rivals = join_all(rivals.map(|patch| world.update(&by, "editor", patch))).await;
    assert_eq!(rivals.iter().filter(|r| r.is_ok()).count(), 1);
    world.update(&admin(), "editor", with("", "any")).await.unwrap();
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let world = World::new().await;
    world.role("editor", &[]).await;
    let stranger = caller("acme", &["admin"]);
    for (by, name) in [(&admin(), "nobody"), (&stranger, "editor")] {
        assert_eq!(
            reason(world.update(by, name, description("x")).await),
            Reason::ResourceNotFound
        );
        let delete = world.admin.role_delete(by, role_name(name)).await;
        assert_eq!(reason(delete), Reason::ResourceNotFound);
    }
    assert!(world.stored("editor").await.is_some());
}

#[tokio::test]
async fn descriptions_are_bounded() {
    let world = World::new().await;
    world.role("editor", &[]).await;
    let long = "ä".repeat(501);
    let create = Draft {
        description: long.clone(),
        ..draft("other", &[])
    };
    assert_eq!(
        reason(world.admin.role_create(&admin(), create).await),
        Reason::InvalidField
    );
    assert_eq!(
        reason(world.update(&admin(), "editor", description(&long)).await),
        Reason::InvalidField
    );
    world
        .update(&admin(), "editor", description(&"ä".repeat(500)))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_tenant_makes_a_thousand_roles_and_no_more() {
    let world = World::new().await;
    let maker = admin();
    let drafts = (0..1001).map(|n| draft(&format!("r{n}"), &[]));
    let made = join_all(drafts.map(|d| world.admin.role_create(&maker, d))).await;
    let refused: Vec<_> = made.into_iter().filter_map(Result::err).map(|e| e.reason()).collect();
    assert_eq!(refused, [Reason::StateForbids]);
    world
        .admin
        .role_create(&caller("acme", &["admin"]), draft("r1", &[]))
        .await
        .unwrap();
}

#[tokio::test]
async fn lists_hold_own_and_built_in_roles_by_name() {
    let world = World::new().await;
    for name in ["zebra", "auditor", "nurse"] {
        world.role(name, &[]).await;
    }
    let list = async |after: &str, limit| -> Vec<String> {
        let listed = world.admin.role_list(&admin(), after, limit).await.unwrap();
        listed.iter().map(|r| r.name().to_owned()).collect()
    };
    assert_eq!(
        list("", 10).await,
        ["admin", "auditor", "nurse", "operator", "user", "zebra"]
    );
    assert_eq!(list("", 2).await, ["admin", "auditor"]);
    assert_eq!(list("auditor", 3).await, ["nurse", "operator", "user"]);
    assert_eq!(list("user", 10).await, ["zebra"]);
    let theirs = world
        .admin
        .role_list(&caller("acme", &["admin"]), "", 10)
        .await
        .unwrap();
    assert_eq!(theirs.len(), 3, "the built-in ones alone");
}
