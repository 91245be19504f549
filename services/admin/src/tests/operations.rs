//! Tokens, breakers, figures.

use logicore::{
    Reason,
    api::mesh::{CircuitBreaker, CircuitBreakerState},
    ids::{SessionId, UserId},
    secret::Secret,
};

use super::{
    World, admin,
    book::{Ask, Fault},
    caller, operator, reason, row,
};
use crate::{app::Gateway, feed::Fact, tokens::Target};

fn breaker(name: &str, state: CircuitBreakerState) -> CircuitBreaker {
    CircuitBreaker {
        name: name.to_owned(),
        state_code: state.into(),
        ..CircuitBreaker::default()
    }
}

fn gateway(id: &str, breakers: &[(&str, CircuitBreakerState)]) -> Gateway {
    Gateway {
        id: id.to_owned(),
        breakers: breakers.iter().map(|(name, state)| breaker(name, *state)).collect(),
    }
}

impl World {
    async fn with_gateways() -> Self {
        let world = Self::new().await;
        let (open, closed) = (CircuitBreakerState::Open, CircuitBreakerState::Closed);
        *world.gateways.0.lock().unwrap() = vec![
            gateway("g-2", &[("user", open), ("auth", closed)]),
            gateway("g-1", &[("user", closed), ("user/a", CircuitBreakerState::HalfOpen)]),
        ];
        world
    }
}

#[tokio::test]
async fn tokens_of_the_own_tenant_are_revoked_for_whoever_may_call() {
    let world = World::new().await;
    let by = caller("acme", &[]);
    let targets = [
        Target::Token(Secret::new("x")),
        Target::Session(SessionId::generate()),
        Target::User(UserId::generate()),
        Target::Everyone,
    ];
    for target in targets {
        assert_eq!(world.admin.tokens_revoke(&by, target).await.unwrap(), 3);
    }
    let kinds = ["token", "session", "user", "tenant"];
    let wanted: Vec<_> = kinds.map(|kind| ("acme".to_owned(), kind.to_owned())).into();
    assert_eq!(world.book.targets(), wanted);
}

#[tokio::test]
async fn only_an_operator_revokes_the_tokens_of_every_tenant() {
    let world = World::new().await;
    world.role("revoker", &["tokens.revoke"]).await;
    for roles in [&["admin"][..], &["revoker"], &["user"], &[]] {
        let by = caller("default", roles);
        let refused = world.admin.tokens_revoke(&by, Target::AllTenants).await.unwrap_err();
        assert_eq!(refused.reason(), Reason::PermissionMissing, "{roles:?}");
        assert!(refused.message().contains("tokens.revoke_all"));
        let denied = row("tokens.revoke", "tenants/*", "denied");
        assert_eq!(world.recorded().await.last(), Some(&denied), "{roles:?}");
    }
    assert!(world.book.targets().is_empty());
    world
        .admin
        .tokens_revoke(&operator(), Target::AllTenants)
        .await
        .unwrap();
    assert_eq!(world.book.targets(), [("default".to_owned(), "all".to_owned())]);
}

#[tokio::test]
async fn breakers_are_listed_by_name_and_gateway() {
    let world = World::with_gateways().await;
    let listed = world.admin.breaker_list();
    let listed: Vec<_> = listed.iter().map(|b| (b.name.as_str(), b.gateway.as_str())).collect();
    assert_eq!(
        listed,
        [("auth", "g-2"), ("user", "g-1"), ("user", "g-2"), ("user/a", "g-1")]
    );
}

#[tokio::test]
async fn a_reset_is_an_order_to_every_gateway() {
    let world = World::with_gateways().await;
    assert_eq!(world.admin.breaker_reset(&operator(), "user").await.unwrap(), 2);
    let order = |facts: Option<Vec<Fact>>| match facts.as_deref() {
        Some([Fact::BreakerReset(name, order)]) if name == "user" => *order,
        other => panic!("watchers are told: {other:?}"),
    };
    let first = order(world.told());
    assert_eq!(
        world.recorded().await,
        [row("breaker.reset", "breaker/user", "success")]
    );
    world.admin.breaker_reset(&operator(), "user").await.unwrap();
    assert!(order(world.told()) > first, "each order is a new one");
}

#[tokio::test]
async fn a_breaker_that_no_gateway_has_is_not_found() {
    let world = World::with_gateways().await;
    for name in ["admin", "", "USER", "user/b"] {
        let reset = world.admin.breaker_reset(&operator(), name).await;
        assert_eq!(reason(reset), Reason::ResourceNotFound, "{name}");
    }
    assert!(world.recorded().await.is_empty() && world.told().is_none());
}

#[tokio::test]
async fn the_overview_counts_what_is_the_tenants() {
    let world = World::with_gateways().await;
    world.role("editor", &[]).await;
    world.book.add("default", &[]);
    world.book.add("acme", &[]);
    let ours = world.admin.overview(&admin()).await.unwrap();
    assert_eq!((ours.auth.accounts, ours.roles, ours.audit_events), (1, 4, 1));
    assert_eq!((ours.gateways, ours.breakers_not_closed), (2, 2));
    assert_eq!(ours.as_of, world.clock.now());
    let theirs = world.admin.overview(&caller("acme", &["admin"])).await.unwrap();
    assert_eq!((theirs.auth.accounts, theirs.roles, theirs.audit_events), (1, 3, 0));
}

#[tokio::test]
async fn half_an_overview_is_none() {
    let world = World::new().await;
    world.book.fails(Ask::Statistics, Fault::Away);
    assert_eq!(
        reason(world.admin.overview(&admin()).await),
        Reason::UpstreamUnavailable
    );
}
