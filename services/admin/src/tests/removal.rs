//! Deleting roles, and what may come between.

use std::time::Duration;

use logicore::{Error, Reason};
use tokio::task::JoinHandle;

use super::{
    World, admin,
    book::{Ask, Fault, Gate},
    reason, role_name, row,
};
use crate::feed::Fact;

/// Begins to delete `editor`, as far as the question of who holds it.
async fn deletion_held_at(world: &World, fault: fn(Gate) -> Fault) -> (Gate, JoinHandle<Result<(), Error>>) {
    let gate = Gate::default();
    world.book.fails(Ask::Holders, fault(gate.clone()));
    let on = world.admin.clone();
    let deletion = tokio::spawn(async move { on.role_delete(&admin(), role_name("editor")).await });
    gate.came().await;
    (gate, deletion)
}

#[tokio::test]
async fn a_role_that_nobody_holds_is_deleted() {
    let world = World::new().await;
    world.role("editor", &["users.update"]).await;
    world.book.add("acme", &["editor"]);
    world.admin.role_delete(&admin(), role_name("editor")).await.unwrap();
    assert_eq!(world.stored("editor").await, None);
    let gone = Fact::RoleGone(admin().tenant().clone(), role_name("editor"));
    assert_eq!(world.told(), Some(vec![gone]));
    assert_eq!(
        world.recorded().await.last(),
        Some(&row("role.delete", "role/editor", "success"))
    );
    world.role("editor", &[]).await;
}

#[tokio::test]
async fn a_role_that_somebody_holds_is_not_deleted() {
    let world = World::new().await;
    world.role("editor", &[]).await;
    let ann = world.book.add("default", &["editor"]);
    let refused = world
        .admin
        .role_delete(&admin(), role_name("editor"))
        .await
        .unwrap_err();
    assert_eq!(refused.reason(), Reason::RoleInUse);
    assert!(refused.message().contains("1 account"), "{refused}");
    assert!(world.stored("editor").await.is_some());
    let bob = world.book.add("default", &[]);
    world
        .admin
        .role_grant(&admin(), bob, role_name("editor"))
        .await
        .unwrap();
    for user in [ann, bob] {
        world
            .admin
            .role_revoke(&admin(), user, role_name("editor"))
            .await
            .unwrap();
    }
    world.admin.role_delete(&admin(), role_name("editor")).await.unwrap();
}

#[tokio::test]
async fn without_auth_a_role_stays_and_can_be_given() {
    let world = World::new().await;
    world.role("editor", &[]).await;
    world.book.fails(Ask::Holders, Fault::Away);
    let refused = world.admin.role_delete(&admin(), role_name("editor")).await;
    assert_eq!(reason(refused), Reason::UpstreamUnavailable);
    let ann = world.book.add("default", &[]);
    world
        .admin
        .role_grant(&admin(), ann, role_name("editor"))
        .await
        .unwrap();
    assert_eq!(world.recorded().await.len(), 1, "nothing was deleted");
}

#[tokio::test]
async fn while_a_grant_is_on_its_way_its_role_is_not_deleted() {
    for fault in [Fault::Waits as fn(Gate) -> Fault, Fault::Holds] {
        let world = World::new().await;
        world.role("editor", &[]).await;
        let ann = world.book.add("default", &[]);
        let gate = Gate::default();
        world.book.fails(Ask::Grant, fault(gate.clone()));
        let on = world.admin.clone();
        let grant = tokio::spawn(async move { on.role_grant(&admin(), ann, role_name("editor")).await });
        gate.came().await;
        let refused = world.admin.role_delete(&admin(), role_name("editor")).await;
        assert_eq!(reason(refused), Reason::RoleInUse);
        gate.open();
        grant.await.unwrap().unwrap();
        let refused = world.admin.role_delete(&admin(), role_name("editor")).await;
        assert_eq!(reason(refused), Reason::RoleInUse, "held by now");
    }
}

#[tokio::test]
async fn while_a_deletion_is_in_hand_the_role_is_not_given_or_deleted_again() {
    let world = World::new().await;
    world.role("editor", &[]).await;
    let ann = world.book.add("default", &[]);
    let (gate, deletion) = deletion_held_at(&world, Fault::Holds).await;
    let grant = world.admin.role_grant(&admin(), ann, role_name("editor")).await;
    assert_eq!(reason(grant), Reason::StateForbids);
    let second = world.admin.role_delete(&admin(), role_name("editor")).await;
    assert_eq!(reason(second), Reason::StateForbids);
    gate.open();
    deletion.await.unwrap().unwrap();
    let grant = world.admin.role_grant(&admin(), ann, role_name("editor")).await;
    assert_eq!(reason(grant), Reason::ResourceNotFound);
    assert!(world.book.roles(ann).is_empty());
}

#[tokio::test]
async fn a_deletion_that_took_too_long_deletes_nothing() {
    let world = World::new().await;
    world.role("editor", &[]).await;
    let ann = world.book.add("default", &[]);
    let (gate, slow) = deletion_held_at(&world, Fault::Holds).await;
    world.clock.advance(Duration::from_secs(30));
    world
        .admin
        .role_grant(&admin(), ann, role_name("editor"))
        .await
        .unwrap();
    gate.open();
    assert_eq!(reason(slow.await.unwrap()), Reason::StateForbids);
    assert!(world.stored("editor").await.is_some(), "somebody holds it by now");
}

#[tokio::test]
async fn a_deletion_whose_process_died_is_taken_up_by_the_next() {
    let world = World::new().await;
    world.role("editor", &[]).await;
    let (gate, dead) = deletion_held_at(&world, Fault::Waits).await;
    world.clock.advance(Duration::from_secs(30));
    world.admin.role_delete(&admin(), role_name("editor")).await.unwrap();
    // It was only slow, and comes to its end after all.
    gate.open();
    assert_eq!(reason(dead.await.unwrap()), Reason::ResourceNotFound);
    let deletions = world
        .recorded()
        .await
        .into_iter()
        .filter(|(action, ..)| action == "role.delete");
    assert_eq!(deletions.count(), 1);
}

#[tokio::test]
async fn a_late_deletion_does_not_touch_a_role_of_the_same_name() {
    let world = World::new().await;
    world.role("editor", &[]).await;
    let (gate, slow) = deletion_held_at(&world, Fault::Holds).await;
    world.clock.advance(Duration::from_secs(30));
    world.admin.role_delete(&admin(), role_name("editor")).await.unwrap();
    let second = world.role("editor", &["users.read"]).await;
    gate.open();
    assert_eq!(reason(slow.await.unwrap()), Reason::StateForbids);
    assert_eq!(world.stored("editor").await, Some(second));
}

#[tokio::test]
async fn a_caller_who_leaves_does_not_stop_a_deletion_or_a_grant() {
    let world = World::new().await;
    world.role("editor", &[]).await;
    world.role("viewer", &[]).await;
    let ann = world.book.add("default", &[]);
    for (ask, gate) in [(Ask::Holders, Gate::default()), (Ask::Grant, Gate::default())] {
        world.book.fails(ask, Fault::Waits(gate.clone()));
        let on = world.admin.clone();
        let call = tokio::spawn(async move {
            if ask == Ask::Holders {
                on.role_delete(&admin(), role_name("editor")).await.unwrap();
            } else {
                on.role_grant(&admin(), ann, role_name("viewer")).await.unwrap();
            }
        });
        gate.came().await;
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
        gate.open();
    }
    world.admin.tasks.close();
    world.admin.tasks.wait().await;
    assert_eq!(world.stored("editor").await, None);
    assert_eq!(world.book.roles(ann), ["viewer"]);
    let refused = world
        .admin
        .role_delete(&admin(), role_name("viewer"))
        .await
        .unwrap_err();
    assert!(
        refused.message().contains("1 account"),
        "its lease is given back: {refused}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_they_meet_nobody_holds_a_role_that_is_gone() {
    let world = World::new().await;
    for round in 0..40 {
        let name = format!("r{round}");
        world.role(&name, &[]).await;
        let ann = world.book.add("default", &[]);
        let (one, other, role) = (world.admin.clone(), world.admin.clone(), role_name(&name));
        let of = role.clone();
        let grant = tokio::spawn(async move { one.role_grant(&admin(), ann, of).await });
        let delete = tokio::spawn(async move { other.role_delete(&admin(), role).await });
        let (granted, deleted) = (grant.await.unwrap().is_ok(), delete.await.unwrap().is_ok());
        assert!(!(granted && deleted), "round {round}");
        assert_eq!(world.book.roles(ann).len(), usize::from(granted), "round {round}");
        assert_eq!(world.stored(&name).await.is_none(), deleted, "round {round}");
    }
}
