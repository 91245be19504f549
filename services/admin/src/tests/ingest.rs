//! Who may bring which events.

use logicore::{Reason, mesh::Peer, settings::Role};

use super::{World, reason};
use crate::{
    audit::{Batch, Record},
    store::contract,
};

fn events(places: impl IntoIterator<Item = u64>) -> Vec<(u64, Record)> {
    let event = |place| (place, contract::record("default", "auth.login", 1));
    places.into_iter().map(event).collect()
}

fn batch(producer: &str, places: impl IntoIterator<Item = u64>) -> Batch {
    Batch {
        producer: producer.to_owned(),
        epoch: "e1".to_owned(),
        events: events(places),
    }
}

const AUTH: Peer = Peer { role: Role::Auth };

#[tokio::test]
async fn a_peer_brings_its_own_events_only() {
    let parts = [Role::Auth, Role::User, Role::Gateway, Role::Admin, Role::Cli, Role::All];
    let producers = [
        "auth",
        "user",
        "gateway",
        "gateway-7f",
        "admin",
        "admin-1",
        "auth-1",
        "all",
        "cli",
        "",
        "AUTH",
        "x",
    ];
    for role in parts {
        for producer in producers {
            let world = World::new().await;
            let answer = world.admin.audit_append(&Peer { role }, batch(producer, 1..3)).await;
            let part = producer.strip_suffix("-7f").unwrap_or(producer);
            let own = matches!(part, "auth" | "user" | "gateway") && (part == role.as_str() || role == Role::All);
            match answer {
                Ok(next) => assert!(own && next == 3, "{producer} by {role:?}"),
                Err(e) => assert!(!own && e.reason() == Reason::PeerNotAllowed, "{producer} by {role:?}"),
            }
            assert_eq!(world.events("default").await.len(), if own { 2 } else { 0 });
        }
    }
}

#[tokio::test]
async fn producers_do_not_meet_in_a_sequence() {
    let world = World::new().await;
    let user = Peer { role: Role::User };
    assert_eq!(world.admin.audit_append(&AUTH, batch("auth", 1..3)).await.unwrap(), 3);
    assert_eq!(world.admin.audit_append(&user, batch("user", 1..2)).await.unwrap(), 2);
    assert_eq!(world.admin.audit_append(&AUTH, batch("auth", 3..4)).await.unwrap(), 4);
    let listed = world.events("default").await;
    let of = |producer: &str| listed.iter().filter(|e| e.producer == producer).count();
    assert_eq!((of("auth"), of("user")), (3, 1));
}

#[tokio::test]
async fn a_run_is_whole_or_refused() {
    let world = World::new().await;
    let refused = [
        batch("auth", [1, 3]),
        batch("auth", [2, 1]),
        batch("auth", [1, 1]),
        batch("auth", [0, 1]),
        batch("auth", [u64::MAX]),
        batch("auth", [i64::MAX as u64]),
        batch("auth", 1..1002),
        Batch {
            epoch: String::new(),
            ..batch("auth", [1])
        },
        Batch {
            epoch: "e".repeat(513),
            ..batch("auth", [1])
        },
    ];
    for batch in refused {
        let places: Vec<_> = batch.events.iter().map(|(place, _)| *place).take(3).collect();
        let answer = world.admin.audit_append(&AUTH, batch).await;
        assert_eq!(reason(answer), Reason::InvalidField, "{places:?}");
    }
    assert!(world.events("default").await.is_empty());
    assert_eq!(
        world.admin.audit_append(&AUTH, batch("auth", 1..1001)).await.unwrap(),
        1001
    );
}

#[tokio::test]
async fn an_empty_run_asks_where_to_go_on() {
    let world = World::new().await;
    assert_eq!(world.admin.audit_append(&AUTH, batch("auth", [])).await.unwrap(), 1);
    world.admin.audit_append(&AUTH, batch("auth", 1..4)).await.unwrap();
    assert_eq!(world.admin.audit_append(&AUTH, batch("auth", [])).await.unwrap(), 4);
}

#[tokio::test]
async fn an_event_is_its_tenants_whoever_brings_it() {
    let world = World::new().await;
    let mut foreign = batch("auth", [1, 2]);
    foreign.events[0].1.tenant = "acme".to_owned();
    foreign.events[1].1.tenant = String::new();
    world.admin.audit_append(&AUTH, foreign).await.unwrap();
    assert!(world.events("default").await.is_empty());
    assert_eq!(world.events("acme").await.len(), 1);
}
